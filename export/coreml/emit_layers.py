"""Emitters of layers with weights, matrix products and windows."""

from __future__ import annotations

from typing import Final

import numpy as np

from edgebench.formats.coreml.emit import Emission, Emitter, Variable, spread
from edgebench.formats.coreml.emit_elements import clamped
from edgebench.graph.operators import Conv, Dense, MatMul, Operator, Pool, Resize, Transpose, TransposedConv


def conv(emission: Emission, one: Conv) -> Variable:
    """Any padding is its own."""
    made = emission.add(
        "conv",
        x=emission.get(one.inputs[0]),
        weight=emission.weight(one),
        bias=emission.bias(one),
        strides=list(one.stride),
        pad_type="custom" if any(one.padding) else "valid",
        pad=list(one.padding),
        dilations=list(one.dilation),
        groups=one.groups,
    )
    return clamped(emission, one, made)


def transposed_conv(emission: Emission, one: TransposedConv) -> Variable:
    """Rows that torch adds behind all that it computed are computed of zeros behind the input."""
    x = emission.get(one.inputs[0])
    cuts = [
        ((size - 1) * step + taps) - before - wanted
        for size, step, taps, before, wanted in zip(
            x.shape[2:], one.stride, one.kernel, one.padding, one.shape[2:], strict=True
        )
    ]
    more = [-(min(cut, 0) // step) for cut, step in zip(cuts, one.stride, strict=True)]
    if any(more):
        zero = emission.scalar(0)
        x = emission.add("pad", x=x, pad=spread((0, count) for count in more), mode="constant", constant_val=zero)
    ends = [cut + count * step for cut, count, step in zip(cuts, more, one.stride, strict=True)]
    made = emission.add(
        "conv_transpose",
        x=x,
        weight=emission.weight(one),
        bias=emission.bias(one),
        strides=list(one.stride),
        pad_type="custom",
        pad=spread(zip(one.padding, ends, strict=True)),
        output_shape=list(one.shape),
        groups=one.groups,
    )
    return clamped(emission, one, made)


def dense(emission: Emission, one: Dense) -> Variable:
    """Over the last axis of any tensor."""
    x = emission.get(one.inputs[0])
    made = emission.add("linear", x=x, weight=emission.weight(one), bias=emission.bias(one))
    return clamped(emission, one, made)


def matmul(emission: Emission, one: MatMul) -> Variable:
    """Takes transpositions of its operands upon itself."""
    (x, transpose_x), (y, transpose_y) = (_untransposed(emission, name) for name in one.inputs)
    return emission.add("matmul", x=x, y=y, transpose_x=transpose_x, transpose_y=transpose_y)


def _untransposed(emission: Emission, name: str) -> tuple[Variable, bool]:
    source = emission.operator(name)
    if isinstance(source, Transpose):
        axes = tuple(range(len(source.shape)))
        if source.permutation == (*axes[:-2], axes[-1], axes[-2]):
            return emission.get(source.inputs[0]), True
    return emission.get(name), False


def pool(emission: Emission, one: Pool) -> Variable:
    """max_pool, which has no gaps in its windows, or avg_pool."""
    x = emission.get(one.inputs[0])
    if one.dilation != (1, 1):
        return _dilated(emission, one, x)
    padding = {"pad_type": "custom" if any(one.padding) else "valid", "pad": list(one.padding)}
    given = {"x": x, "kernel_sizes": list(one.window), "strides": list(one.stride), **padding}
    if one.mode == "max":
        return emission.add("max_pool", **given)
    size = (int(x.shape[2]), int(x.shape[3]))
    inside, wanted = one.cells(size)
    alike = bool((inside == wanted).all())
    made = emission.add("avg_pool", **given, exclude_padding_from_average=alike)
    factor = np.float32(one.window[0] * one.window[1]) / wanted
    if alike or (factor == 1).all():
        return made
    return emission.add("mul", x=made, y=emission.array(factor[None, None].astype(np.float32)))


def _dilated(emission: Emission, one: Pool, x: Variable) -> Variable:
    """The maximum of shifted slices, along each axis in turn."""
    if any(one.padding):
        lowest = emission.scalar(-np.inf)
        x = emission.add("pad", x=x, pad=list(one.padding), mode="constant", constant_val=lowest)
    for axis, (taps, apart, step) in enumerate(zip(one.window, one.dilation, one.stride, strict=True), 2):
        reach = (one.shape[axis] - 1) * step + 1
        shifted = [emission.cut(x, {axis: (first, first + reach, step)}) for first in range(0, taps * apart, apart)]
        x = shifted[0]
        for other in shifted[1:]:
            x = emission.add("maximum", x=x, y=other)
    return x


def resize(emission: Emission, one: Resize) -> Variable:
    """Bilinear."""
    return emission.add(
        "resize_bilinear",
        x=emission.get(one.inputs[0]),
        target_size_height=one.shape[2],
        target_size_width=one.shape[3],
        sampling_mode="STRICT_ALIGN_CORNERS" if one.align_corners else "UNALIGN_CORNERS",
    )


LAYERS: Final[dict[type[Operator], Emitter]] = {
    Conv: conv,
    Dense: dense,
    MatMul: matmul,
    Pool: pool,
    Resize: resize,
    TransposedConv: transposed_conv,
}
