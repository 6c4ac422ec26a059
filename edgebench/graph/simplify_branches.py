"""Rewrites of parallel linear branches: convolutions, scales and the tensor itself, summed, are one convolution.

RepVGG, MobileOne, FastViT and their like train with such branches (Ding et al., 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from edgebench.graph.operators import Array, Binary, Conv, Operator, Padding, Pair
from edgebench.graph.rewriter import Rewriter, wide
from edgebench.graph.simplify_affine import bias_of, varies_along


@dataclass(frozen=True)
class _Branch:
    """One side of the sum: a convolution of `source`, or scale * source + shift a channel."""

    source: Operator
    conv: Conv | None = None
    scale: Any = 1.0
    shift: Any = 0.0


def parallel_branches(rewriter: Rewriter, operator: Binary) -> Operator | None:
    """The sum or difference of two linear branches of one tensor, at least one a convolution, is one convolution."""
    left, right = rewriter.source(operator), rewriter.source(operator, 1)
    if operator.function not in ("add", "sub") or left is None or right is None or left is right:
        return None
    if len(operator.shape) != 4 or left.shape != right.shape:
        return None
    sign = -1.0 if operator.function == "sub" else 1.0
    one, other = _branch(rewriter, left), _branch(rewriter, right)
    if one.conv and other.conv:
        return _merged(rewriter, one.conv, other.conv, sign) if one.source is other.source else None
    if one.conv:
        return _with_affine(rewriter, one.conv, _at(one.source, other, right), 1.0, sign)
    return _with_affine(rewriter, other.conv, _at(other.source, one, left), sign, 1.0) if other.conv else None


def _branch(rewriter: Rewriter, x: Operator) -> _Branch:
    if isinstance(x, Conv) and rewriter.is_single(x) and x.weight is not None:
        return _Branch(cast(Operator, rewriter.source(x)), conv=x)
    scale: Any = 1.0
    shift: Any = 0.0
    while isinstance(x, Binary) and x.function in ("mul", "add") and rewriter.is_single(x):
        constant, source = rewriter.constant(x), rewriter.source(x)
        if constant is None or source is None or source.shape != x.shape or not varies_along(constant, 1):
            break
        values = constant.reshape(-1).astype(np.float64)
        scale, shift = (scale * values, shift) if x.function == "mul" else (scale, shift + scale * values)
        x = source
    return _Branch(x, None, scale, shift)


def _at(source: Operator, branch: _Branch, end: Operator) -> _Branch | None:
    """The affine branch if it starts at `source`; where its end is the source, the branch is the tensor itself."""
    if end is source:
        return _Branch(source)
    return branch if branch.source is source else None


def _merged(rewriter: Rewriter, one: Conv, other: Conv, sign: float) -> Operator | None:
    """Two convolutions on one grid: kernels laid over each other, so that the larger holds the smaller."""
    if (one.stride, one.dilation, one.groups) != (other.stride, other.dilation, other.groups):
        return None
    reach = [_reach(conv) for conv in (one, other)]
    before = cast(Pair, tuple(max(each[axis][0] for each in reach) for axis in (0, 1)))
    behind = [max(each[axis][1] for each in reach) for axis in (0, 1)]
    spans = [first + last for first, last in zip(before, behind, strict=True)]
    steps = one.dilation
    if any(span % step for span, step in zip(spans, steps, strict=True)):
        return None
    kernel = cast(Pair, tuple(span // step + 1 for span, step in zip(spans, steps, strict=True)))
    if kernel not in (one.kernel, other.kernel):
        return None
    weight = np.zeros((*one.weight_shape[:2], *kernel))
    for conv, factor in ((one, 1.0), (other, sign)):
        offsets = [(first - own) for first, own in zip(before, (conv.padding[0], conv.padding[2]), strict=True)]
        if any(offset % step for offset, step in zip(offsets, steps, strict=True)):
            return None
        row, column = (offset // step for offset, step in zip(offsets, steps, strict=True))
        height, width = conv.kernel
        weight[:, :, row : row + height, column : column + width] += factor * wide(cast(Array, conv.weight))
    ends = [one.padding[2 * axis + 1] + behind[axis] - reach[0][axis][1] for axis in (0, 1)]
    padding: Padding = (before[0], ends[0], before[1], ends[1])
    source, bias = cast(Operator, rewriter.source(one)), bias_of(one) + sign * bias_of(other)
    return rewriter.conv(source, cast(Array, weight), bias, one.stride, padding, steps, one.groups)


def _reach(conv: Conv) -> list[Pair]:
    """How far the kernel reaches before and behind the pixel it stands on, an axis."""
    spans = [step * (size - 1) for step, size in zip(conv.dilation, conv.kernel, strict=True)]
    return [(conv.padding[2 * axis], spans[axis] - conv.padding[2 * axis]) for axis in (0, 1)]


def _with_affine(rewriter: Rewriter, conv: Conv, branch: _Branch | None, factor: float, sign: float) -> Operator | None:
    """factor * conv + sign * (scale * x + shift): the scale is a kernel with one value where the padding ends."""
    row, column = conv.padding[0], conv.padding[2]
    same = conv.stride == (1, 1) and conv.shape[1] == conv.in_channels and conv.dilation == (1, 1)
    if branch is None or not same or row >= conv.kernel[0] or column >= conv.kernel[1]:
        return None
    weight = factor * wide(cast(Array, conv.weight))
    channels = np.arange(conv.in_channels)
    weight[channels, channels % weight.shape[1], row, column] += sign * branch.scale
    bias = factor * bias_of(conv) + sign * branch.shift
    return rewriter.conv(branch.source, weight, bias, (1, 1), conv.padding, (1, 1), conv.groups)
