"""A Graph as a torch module again, so that a changed graph can be run, observed and exported like any network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgebench.formats.examples import Array
from edgebench.graph.operators import (
    Activation,
    Add,
    Concat,
    Conv,
    Dense,
    GlobalPool,
    Graph,
    LocalResponseNorm,
    Mul,
    Operator,
    Pad,
    Padding,
    Pool,
    Reshape,
    Softmax,
    Subsample,
)

Given = dict[str, Tensor]
PARAMETERS: Final = ("weight", "bias", "constant")
FUNCTIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "tanh": torch.tanh,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "gelu": F.gelu,
}


class Replay(nn.Module):
    """Computes what its graph says: float32 (N, C, H, W) to the graph's output."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        for number, operator in enumerate(graph.operators):
            for name in PARAMETERS:
                value = getattr(operator, name, None)
                if value is not None:
                    self.register_parameter(f"{name}{number}", nn.Parameter(torch.tensor(value), requires_grad=False))

    def forward(self, image: Tensor) -> Tensor:
        """Returns the graph's output for a batch."""
        return dict(self.tensors(image))[self.graph.output]

    def tensors(self, image: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yields (name, values) of the input and of every operator, in order."""
        values = {self.graph.input.name: image}
        yield self.graph.input.name, image
        for number, operator in enumerate(self.graph.operators[1:], 1):
            values[operator.name] = self.compute(number, values)
            yield operator.name, values[operator.name]

    def compute(self, number: int, values: Mapping[str, Tensor], **changed: Tensor) -> Tensor:
        """Returns what operator `number` makes of the tensors in `values`; `changed` replaces its weight or bias."""
        operator = self.graph.operators[number]
        inputs = [values[name] for name in operator.inputs]
        found = {name: self._parameters.get(f"{name}{number}") for name in PARAMETERS}
        given = {name: value for name, value in found.items() if value is not None}
        return COMPUTED[type(operator)](operator, inputs, {**given, **changed})


def channel_means(graph: Graph, images: Sequence[Array]) -> dict[str, Array]:
    """Returns the mean of every tensor over images, rows and columns: one value a channel, or a feature."""
    replay = Replay(graph)
    sums: dict[str, Tensor] = {}
    with torch.inference_mode():
        for image in images:
            for name, values in replay.tensors(torch.from_numpy(image)):
                mean = values.mean(dim=(0, *range(2, values.ndim)))
                sums[name] = sums[name] + mean if name in sums else mean
    return {name: (total / len(images)).numpy() for name, total in sums.items()}


Compute = Callable[[Any, list[Tensor], Given], Tensor]


def _conv(operator: Conv, inputs: list[Tensor], given: Given) -> Tensor:
    padded = _padded(inputs[0], operator.padding)
    made = F.conv2d(padded, given["weight"], given.get("bias"), operator.stride, 0, operator.dilation, operator.groups)
    return _activated(made, operator.activation)


def _pool(operator: Pool, inputs: list[Tensor], given: Given) -> Tensor:
    (image,) = inputs
    if operator.mode == "max":
        return F.max_pool2d(_padded(image, operator.padding, -torch.inf), operator.window, operator.stride)
    total = F.avg_pool2d(_padded(image, operator.padding), operator.window, operator.stride)
    if operator.counts_padding or not any(operator.padding):
        return total
    real = F.avg_pool2d(_padded(torch.ones_like(image), operator.padding), operator.window, operator.stride)
    return total / real


def _activation(operator: Activation, inputs: list[Tensor], given: Given) -> Tensor:
    if operator.function == "leaky_relu":
        return F.leaky_relu(inputs[0], operator.slope)
    if operator.function == "elu":
        return F.elu(inputs[0], operator.slope)
    return FUNCTIONS[operator.function](inputs[0])


COMPUTED: Final[dict[type[Operator], Compute]] = {
    Conv: _conv,
    Dense: lambda one, inputs, given: _activated(
        F.linear(inputs[0], given["weight"], given.get("bias")), one.activation
    ),
    Pool: _pool,
    GlobalPool: lambda one, inputs, given: inputs[0].mean((2, 3), keepdim=len(one.shape) == 4),
    Add: lambda one, inputs, given: _activated(inputs[0] + _second(inputs, given), one.activation),
    Mul: lambda one, inputs, given: _activated(inputs[0] * _second(inputs, given), one.activation),
    Concat: lambda one, inputs, given: torch.cat(inputs, 1),
    Activation: _activation,
    LocalResponseNorm: lambda one, inputs, given: F.local_response_norm(
        inputs[0], one.size, one.alpha, one.beta, one.k
    ),
    Reshape: lambda one, inputs, given: inputs[0].reshape(-1, *one.shape[1:]),
    Pad: lambda one, inputs, given: F.pad(inputs[0], (*one.padding[2:], *one.padding[:2], *one.channels)),
    Subsample: lambda one, inputs, given: inputs[0][:, :, :: one.stride[0], :: one.stride[1]],
    Softmax: lambda one, inputs, given: torch.softmax(inputs[0], -1),
}


def _activated(values: Tensor, function: str | None) -> Tensor:
    return values if function is None else FUNCTIONS[function](values)


def _second(inputs: list[Tensor], given: Given) -> Tensor:
    """The second operand; a constant of one value a channel is in line with the image's channels."""
    image, other = inputs[0], given["constant"] if "constant" in given else inputs[1]
    return other.reshape(-1, 1, 1) if other.ndim == 1 and other.numel() > 1 and image.ndim == 4 else other


def _padded(image: Tensor, padding: Padding, value: float = 0.0) -> Tensor:
    top, bottom, left, right = padding
    return F.pad(image, (left, right, top, bottom), value=value) if any(padding) else image
