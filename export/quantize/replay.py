"""A Graph as a torch module again: the reference of what its operators mean, and a changed graph to run and export."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgebench.formats.blocks import depth_to_space, space_to_depth
from edgebench.formats.examples import Array, apart
from edgebench.graph.operators import (
    Activation,
    ArgMax,
    Binary,
    Cast,
    Compare,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Expand,
    Gather,
    GlobalPool,
    Graph,
    LocalResponseNorm,
    MatMul,
    Operator,
    Pad,
    Padding,
    Pick,
    Pool,
    PReLU,
    Reduce,
    Reshape,
    Resize,
    Slice,
    Softmax,
    SpaceToDepth,
    Subsample,
    TopK,
    Transpose,
    TransposedConv,
    Where,
)

Given = dict[str, Tensor]
PARAMETERS: Final = ("weight", "bias")
FUNCTIONS: Final[dict[str, Callable[..., Tensor]]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "relu_n1_to_1": F.hardtanh,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "tanh": torch.tanh,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softplus": F.softplus,
    "mish": F.mish,
    "abs": torch.abs,
    "neg": torch.neg,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "square": torch.square,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "sign": torch.sign,
    "sin": torch.sin,
    "cos": torch.cos,
    "erf": torch.erf,
    "logical_not": torch.logical_not,
}
SLOPED: Final[dict[str, Callable[..., Tensor]]] = {"leaky_relu": F.leaky_relu, "elu": F.elu}
ARITHMETIC: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "pow": torch.pow,
}
COMPARISONS: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "less": torch.lt,
    "less_equal": torch.le,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "equal": torch.eq,
    "not_equal": torch.ne,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
}
REDUCTIONS: Final[dict[str, Callable[..., Tensor]]] = {
    "mean": torch.mean,
    "sum": torch.sum,
    "max": torch.amax,
    "min": torch.amin,
}


class Replay(nn.Module):
    """Computes what its graph says, from the graph's inputs to its output, or to a tuple of several.

    A larger batch than 1 is taken where the graph keeps it in the first axis, or in what that axis is merged to.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        for number, operator in enumerate(graph.operators):
            for name in PARAMETERS:
                value = getattr(operator, name, None)
                if value is not None:
                    self.register_parameter(f"{name}{number}", nn.Parameter(torch.tensor(value), requires_grad=False))
        self._constants = {name: f"constant{number}" for number, name in enumerate(graph.constants)}
        for name, buffer in self._constants.items():
            self.register_buffer(buffer, torch.tensor(graph.constants[name]))

    def forward(self, *images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Returns the graph's output, or all of several, for a batch."""
        values = dict(self.tensors(*images))
        outputs = tuple(self._value(name, values) for name in self.graph.outputs)
        return outputs if len(outputs) > 1 else outputs[0]

    def given(self, x: Array) -> list[Tensor]:
        """The graph's inputs of a batch of them as one, as `with_beside` makes it."""
        parts = apart(x, [source.shape[1:] for source in self.graph.inputs])
        dtypes = (getattr(torch, source.dtype) for source in self.graph.inputs)
        return [torch.from_numpy(part).to(dtype) for part, dtype in zip(parts, dtypes, strict=True)]

    def tensors(self, *images: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yields (name, values) of the inputs and of every operator, in order."""
        values = {source.name: image for source, image in zip(self.graph.inputs, images, strict=True)}
        yield from values.items()
        for number, operator in enumerate(self.graph.operators):
            if operator.name not in values:
                values[operator.name] = self.compute(number, values)
                yield operator.name, values[operator.name]

    def compute(self, number: int, values: Mapping[str, Tensor], **changed: Tensor) -> Tensor:
        """Returns what operator `number` makes of the tensors in `values`; `changed` replaces its weight or bias."""
        operator = self.graph.operators[number]
        inputs = [self._value(name, values) for name in operator.inputs]
        found = {name: self._parameters.get(f"{name}{number}") for name in PARAMETERS}
        given = {name: value for name, value in found.items() if value is not None}
        made = COMPUTED[type(operator)](operator, inputs, {**given, **changed})
        function = getattr(operator, "activation", None)
        return made if function is None else FUNCTIONS[function](made)

    def _value(self, name: str, values: Mapping[str, Tensor]) -> Tensor:
        return values[name] if name in values else self.get_buffer(self._constants[name])


Compute = Callable[[Any, list[Tensor], Given], Tensor]


def _conv(one: Conv, inputs: list[Tensor], given: Given) -> Tensor:
    image, own = _own_padding(inputs[0], one.padding)
    return F.conv2d(image, given["weight"], given.get("bias"), one.stride, own, one.dilation, one.groups)


def _transposed_conv(one: TransposedConv, inputs: list[Tensor], given: Given) -> Tensor:
    image = inputs[0]
    rows, columns = (
        wanted - ((count - 1) * step - 2 * cut + kernel)
        for wanted, count, step, cut, kernel in zip(
            one.shape[2:], image.shape[2:], one.stride, one.padding, one.kernel, strict=True
        )
    )
    bias = given.get("bias")
    return F.conv_transpose2d(image, given["weight"], bias, one.stride, one.padding, (rows, columns), one.groups)


def _pool(one: Pool, inputs: list[Tensor], given: Given) -> Tensor:
    (image,) = inputs
    top, bottom, left, right = one.padding
    if (top, left) == (bottom, right) and 2 * top <= one.window[0] and 2 * left <= one.window[1]:
        if one.mode == "max":
            return F.max_pool2d(image, one.window, one.stride, (top, left), one.dilation)
        counted, divisor = one.counts_padding, one.divisor
        return F.avg_pool2d(image, one.window, one.stride, (top, left), False, counted, divisor)
    if one.mode == "max":
        return F.max_pool2d(_padded(image, one.padding, -torch.inf), one.window, one.stride, 0, one.dilation)
    _, divisors = one.cells((image.shape[2], image.shape[3]))
    share = torch.from_numpy(math.prod(one.window) / divisors).to(image.dtype)  # a constant to whoever traces this
    return F.avg_pool2d(_padded(image, one.padding), one.window, one.stride) * share


def _slice(one: Slice, inputs: list[Tensor], given: Given) -> Tensor:
    """Steps as a maximum over one element where that can be said: ncnn has no slice with steps."""
    stop = one.start + (one.shape[one.axis] - 1) * one.step + 1
    cut = inputs[0][(*[slice(None)] * one.axis, slice(one.start, stop, 1 if one.axis else one.step))]
    if one.step == 1 or not one.axis:
        return cut
    if one.dtype != "float32":
        return cut[(*[slice(None)] * one.axis, slice(None, None, one.step))]
    before, behind = math.prod(one.shape[1 : one.axis]), math.prod(one.shape[one.axis + 1 :])
    picked = F.max_pool2d(cut.reshape(-1, before, stop - one.start, behind), 1, (one.step, 1))
    return picked.reshape(-1, *one.shape[1:])


def _pad(one: Pad, inputs: list[Tensor], given: Given) -> Tensor:
    (values,) = inputs
    if one.mode == "constant":
        return F.pad(values, [size for pair in reversed(one.amounts) for size in pair], value=one.value)
    for axis, (before, after) in enumerate(one.amounts):
        if before or after:
            last = values.shape[axis] - 1
            index = torch.arange(-before, last + 1 + after, device=values.device).abs()
            values = values.index_select(axis, last - (last - index).abs())
    return values


def _expand(one: Expand, inputs: list[Tensor], given: Given) -> Tensor:
    return inputs[0].expand(*[-1 if old == new else new for old, new in zip(inputs[0].shape, one.shape, strict=True)])


def _activation(one: Activation, inputs: list[Tensor], given: Given) -> Tensor:
    if one.function in SLOPED:
        return SLOPED[one.function](inputs[0], one.slope)
    return FUNCTIONS[one.function](inputs[0])


COMPUTED: Final[dict[type[Operator], Compute]] = {
    Conv: _conv,
    TransposedConv: _transposed_conv,
    Dense: lambda one, inputs, given: F.linear(inputs[0], given["weight"], given.get("bias")),
    MatMul: lambda one, inputs, given: torch.matmul(*inputs),
    Pool: _pool,
    Resize: lambda one, inputs, given: F.interpolate(
        inputs[0], one.shape[2:], mode="bilinear", align_corners=one.align_corners
    ),
    DepthToSpace: lambda one, inputs, given: depth_to_space(inputs[0], one.block),
    SpaceToDepth: lambda one, inputs, given: space_to_depth(inputs[0], one.block),
    Binary: lambda one, inputs, given: ARITHMETIC[one.function](*inputs),
    Compare: lambda one, inputs, given: COMPARISONS[one.function](*inputs),
    Where: lambda one, inputs, given: torch.where(inputs[0], inputs[1], inputs[2]),
    Activation: _activation,
    PReLU: lambda one, inputs, given: inputs[0].clamp(min=0) + inputs[1] * inputs[0].clamp(max=0),
    Cast: lambda one, inputs, given: inputs[0].to(getattr(torch, one.dtype)),
    GlobalPool: lambda one, inputs, given: inputs[0].mean((2, 3), keepdim=len(one.shape) == 4),
    Reduce: lambda one, inputs, given: REDUCTIONS[one.function](inputs[0], one.axes, keepdim=True),
    Softmax: lambda one, inputs, given: torch.softmax(inputs[0], one.axis),
    ArgMax: lambda one, inputs, given: inputs[0].argmax(one.axis, keepdim=one.keep).to(torch.int32),
    LocalResponseNorm: lambda one, inputs, given: F.local_response_norm(
        inputs[0], one.size, one.alpha, one.beta, one.k
    ),
    Concat: lambda one, inputs, given: torch.cat(inputs, one.axis),
    Reshape: lambda one, inputs, given: inputs[0].reshape(-1, *one.shape[1:]) if one.shape else inputs[0].reshape(()),
    Transpose: lambda one, inputs, given: inputs[0].permute(one.permutation),
    Slice: _slice,
    Subsample: lambda one, inputs, given: F.max_pool2d(inputs[0], 1, one.stride),  # ncnn has no slice with steps
    Pad: _pad,
    Expand: _expand,
    Pick: lambda one, inputs, given: inputs[0].index_select(one.axis, inputs[1].long()),
    TopK: lambda one, inputs, given: (
        inputs[0].topk(one.shape[one.axis], one.axis)[int(one.indices)].to(getattr(torch, one.dtype))
    ),
    Gather: lambda one, inputs, given: inputs[0].index_select(one.axis, torch.tensor(one.indices)),
}


def _own_padding(image: Tensor, padding: Padding) -> tuple[Tensor, tuple[int, int]]:
    """The image, and the padding that a convolution adds itself: none where it is not alike on either side."""
    top, bottom, left, right = padding
    return (image, (top, left)) if (top, left) == (bottom, right) else (_padded(image, padding), (0, 0))


def _padded(image: Tensor, padding: Padding, value: float = 0.0) -> Tensor:
    top, bottom, left, right = padding
    return F.pad(image, (left, right, top, bottom), value=value) if any(padding) else image
