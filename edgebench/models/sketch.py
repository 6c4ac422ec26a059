"""Sketches a zoo network's Graph from its plan: no torch, no weights, fast enough to try thousands of candidates.

The same operators as `graph.capture` finds in the exported torch module: batch norm folded, ReLU and ReLU6 fused into
the convolution, dense layer, sum or product before them, dropout and side branches gone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from edgebench.graph import operators as ops
from edgebench.ground.records import ModelSpec
from edgebench.models import plan, zoo


def sketch(spec: ModelSpec) -> ops.Graph:
    """Returns the Graph of a zoo network without weights. Raises UsageError for a user's network."""
    return sketch_plan(zoo.plan_of(spec), spec.input_shape)


def sketch_plan(network: plan.Sequence, input_shape: ops.Shape) -> ops.Graph:
    """Returns the Graph of a plan for an input of (1, C, H, W)."""
    pen = _Pen(input_shape)
    output = pen.draw(network, "input", "")
    return ops.Graph(tuple(pen.operators.values()), (output,))


class _Pen:
    """Draws layer after layer; a tensor is named by the path of the layer that made it."""

    def __init__(self, input_shape: ops.Shape) -> None:
        self.operators: dict[str, ops.Operator] = {"input": ops.Input(name="input", inputs=(), shape=input_shape)}
        self._shared: set[str] = set()

    def draw(self, layer: plan.Layer, source: str, path: str) -> str:
        """Adds the layer's operators behind the tensor `source` and returns the name of its output."""
        if draw := _LEAVES.get(type(layer)):
            return draw(self, layer, source, path)
        if isinstance(layer, plan.Sequence):
            for name, inner in layer.layers:
                source = self.draw(inner, source, f"{path}.{name}" if path else name)
        elif isinstance(layer, plan.Parallel):
            source = self._join(layer, source, path)
        return source

    def _join(self, layer: plan.Parallel, source: str, path: str) -> str:
        source = self.draw(layer.before, source, path)
        self._shared.add(source)
        inputs = tuple(self.draw(body, source, path) for body in layer.paths)
        shapes = [self.operators[name].shape for name in inputs]
        if layer.join == "concat":
            joined = (1, sum(shape[1] for shape in shapes), *shapes[0][2:])
            return self._add(ops.Concat(name=path, inputs=inputs, shape=joined, module=path))
        function: ops.Arithmetic = "add" if layer.join == "add" else "mul"
        joint = ops.Binary(name=path, inputs=inputs, shape=shapes[0], module=path, function=function)
        output = self._add(joint)
        return self.activate(layer.activation, output, f"{path}.activation_out") if layer.activation else output

    def activate(self, function: ops.Function, source: str, path: str) -> str:
        """Fuses the activation into the operator that made `source` where it can, else adds it."""
        maker = self.operators[source]
        if (
            function in ops.FUSIBLE
            and isinstance(maker, ops.Conv | ops.Dense | ops.Binary)
            and maker.activation is None
            and source not in self._shared
        ):
            self.operators[source] = replace(maker, activation=function)
            return source
        return self._add(ops.Activation(name=path, inputs=(source,), shape=maker.shape, module=path, function=function))

    def conv(self, leaf: plan.Conv, source: str, path: str) -> str:
        shape = self.operators[source].shape
        return self._leaf(
            ops.Conv,
            leaf,
            source,
            path,
            in_channels=shape[1],
            kernel=(leaf.kernel,) * 2,
            stride=(leaf.stride,) * 2,
            padding=leaf.pads(shape[1:]),
            groups=leaf.groups,
        )

    def dense(self, leaf: plan.Dense, source: str, path: str) -> str:
        before = self.operators[source]
        image = self.operators[before.inputs[0]].shape[1:] if isinstance(before, ops.Reshape) else ()
        flattened = image if math.prod(image[1:]) > 1 else None  # one pixel has one order
        return self._leaf(ops.Dense, leaf, source, path, in_features=before.shape[1], flattened=flattened)

    def pool(self, leaf: plan.Pool, source: str, path: str) -> str:
        shape = self.operators[source].shape
        after = leaf.output(shape[1:])
        ends = [leaf.padding] * 2
        if leaf.ceil:
            spans = [(count - 1) * leaf.stride + leaf.window for count in after[1:]]
            ends = [max(0, span - size - leaf.padding) for span, size in zip(spans, shape[2:], strict=True)]
        return self._leaf(
            ops.Pool,
            leaf,
            source,
            path,
            mode=leaf.mode,
            window=(leaf.window,) * 2,
            stride=(leaf.stride,) * 2,
            padding=(leaf.padding, ends[0], leaf.padding, ends[1]),
        )

    def grid_pool(self, leaf: plan.GridPool, source: str, path: str) -> str:
        shape = self.operators[source].shape[1:]
        if not leaf.pools(shape):
            return source
        window, stride = leaf.windows(shape)
        return self._leaf(ops.Pool, leaf, source, path, mode="average", window=window, stride=stride)

    def flatten(self, leaf: plan.Flatten, source: str, path: str) -> str:
        before = self.operators[source]
        if isinstance(before, ops.GlobalPool) and source not in self._shared:
            self.operators[source] = replace(before, shape=before.shape[:2])
            return source
        return self._leaf(ops.Reshape, leaf, source, path)

    def shuffle(self, leaf: plan.Shuffle, source: str, path: str) -> str:
        _, channels, *size = shape = self.operators[source].shape
        columns = channels // leaf.groups
        apart, swapped = (1, leaf.groups, columns, *size), (1, columns, leaf.groups, *size)
        source = self._add(ops.Reshape(name=f"{path}.apart", inputs=(source,), shape=apart, module=path))
        order = (0, 2, 1, *range(3, len(apart)))
        source = self._add(
            ops.Transpose(name=f"{path}.swapped", inputs=(source,), shape=swapped, module=path, permutation=order)
        )
        return self._add(ops.Reshape(name=path, inputs=(source,), shape=shape, module=path))

    def _leaf(self, kind: type[ops.Operator], leaf: plan.Leaf, source: str, path: str, **attributes: Any) -> str:
        shape = (1, *leaf.output(self.operators[source].shape[1:]))
        return self._add(kind(name=path, inputs=(source,), shape=shape, module=path, **attributes))

    def _add(self, operator: ops.Operator) -> str:
        self.operators[operator.name] = operator
        return operator.name


# What is not listed leaves no operator: dropout, batch norm (folded), side branches (training only).
_LEAVES: dict[type, Callable[..., str]] = {
    plan.Conv: _Pen.conv,
    plan.Dense: _Pen.dense,
    plan.Pool: _Pen.pool,
    plan.GridPool: _Pen.grid_pool,
    plan.GlobalPool: lambda pen, leaf, source, path: pen._leaf(ops.GlobalPool, leaf, source, path),
    plan.Flatten: _Pen.flatten,
    plan.Activation: lambda pen, leaf, source, path: pen.activate(leaf.function, source, path),
    plan.LocalResponseNorm: lambda pen, leaf, source, path: pen._leaf(
        ops.LocalResponseNorm, leaf, source, path, size=leaf.size, alpha=leaf.alpha, beta=leaf.beta, k=leaf.k
    ),
    plan.Subsample: lambda pen, leaf, source, path: pen._leaf(
        ops.Subsample, leaf, source, path, stride=(leaf.stride,) * 2
    ),
    plan.PadChannels: lambda pen, leaf, source, path: pen._leaf(
        ops.Pad, leaf, source, path, amounts=((0, 0), (0, leaf.extra), (0, 0), (0, 0))
    ),
    plan.Channels: lambda pen, leaf, source, path: pen._leaf(ops.Slice, leaf, source, path, axis=1, start=leaf.start),
    plan.Shuffle: _Pen.shuffle,
}
