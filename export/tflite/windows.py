"""Emitters of what moves a window over an image, and how torch's padding becomes TFLite's.

SAME or VALID where they mean the same, explicit padding elsewhere: torch pads symmetrically and leaves rows at the end
unread; TFLite's SAME pads just what the last window needs, the odd row at the end. Both agree for odd kernels at
stride 1 and, at stride 2, for odd sizes only.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite.emit import Code, Emission, Emitter
from edgebench.graph.layout import NHWC, Layout
from edgebench.graph.operators import (
    Activation,
    Concat,
    DepthToSpace,
    Expand,
    Gather,
    GlobalPool,
    Graph,
    LocalResponseNorm,
    Operator,
    Padding,
    Pair,
    Pool,
    Reshape,
    Resize,
    Slice,
    Softmax,
    SpaceToDepth,
    Subsample,
    Transpose,
)

LOWEST: Final = float(np.finfo(np.float32).min)
NOT_NEGATIVE: Final = ("relu", "relu6", "sigmoid", "hardsigmoid", "abs", "exp", "sqrt", "square")
KEEPING: Final = (Pool, GlobalPool, Subsample, Concat, Reshape, Transpose, Slice, Resize, Expand, Gather)


def padding_code(same: bool) -> int:
    """The schema's number of SAME or VALID."""
    return int(schema.Padding.SAME if same else schema.Padding.VALID)


def padded_window(
    emission: Emission,
    operator: Operator,
    source: int,
    kernel: Pair,
    stride: Pair,
    dilation: Pair,
    padding: Padding,
    *,
    edge: bool = False,
    explicit: bool = False,
) -> tuple[int, bool]:
    """What windows over the image `source` read: (tensor, whether by SAME).

    Padding that SAME does not add, or any if `explicit`, goes before the operator: zeros or, with `edge`, the image's
    own edge repeated, which leaves a maximum as it is.
    """
    used: list[Pair] = []
    same: list[Pair | None] = []
    for length, count, window, step, apart, (before, after) in zip(
        emission.model.shape(source)[1:3],
        operator.shape[2:],
        kernel,
        stride,
        dilation,
        (padding[:2], padding[2:]),
        strict=True,
    ):
        reach = (count - 1) * step + (window - 1) * apart + 1  # cells from the first to the last that is read
        used.append((before, min(after, max(0, reach - length - before))))
        total = max(0, reach - length)
        # SAME may give another output size.
        same.append((total // 2, total - total // 2) if count == -(-length // step) else None)
    if used == [(0, 0), (0, 0)]:
        return source, False
    if used == same and not explicit:
        return source, True
    if not edge:
        return emission.padded(source, [(0, 0), *used, (0, 0)]), False
    for axis, (before, after) in enumerate(used, 1):
        size = emission.model.shape(source)[axis]
        source = emission.picked(source, axis, [0] * before + list(range(size)) + [size - 1] * after)
    return source, False


def pool(emission: Emission, one: Pool, layout: Layout) -> int:
    """MAX_POOL_2D or AVERAGE_POOL_2D; XNNPACK has no windows of one pixel: they are a subsample."""
    if one.window == (1, 1) and one.divisor is None:
        return share(emission, emission.get(one.inputs[0], NHWC), (1, 1), one.stride, emission.physical(one, NHWC))
    source = emission.get(one.inputs[0], NHWC)
    if one.mode == "average":
        return _average(emission, one, source)
    if one.dilation != (1, 1):
        return _dilated(emission, one, source)
    edge = not nonnegative(emission.graph, one.inputs[0])
    padded, same = padded_window(emission, one, source, one.window, one.stride, (1, 1), one.padding, edge=edge)
    return _pool(emission, one, padded, same)


def share(emission: Emission, source: int, window: Pair, stride: Pair, shape: tuple[int, ...]) -> int:
    """The average of each window as a depthwise convolution of equal weights; of one pixel, exactly."""
    channels = shape[3]
    inputs = [
        source,
        emission.constant("share", np.full((1, *window, channels), 1 / math.prod(window), np.float32)),
        emission.constant("zero", np.zeros(channels, np.float32)),
    ]
    return emission.add(
        Code.DEPTHWISE_CONV_2D,
        inputs,
        shape,
        padding=padding_code(False),
        strideH=stride[0],
        strideW=stride[1],
        depthMultiplier=1,
    )


def resize(emission: Emission, one: Resize, layout: Layout) -> int:
    """RESIZE_BILINEAR."""
    inputs = [emission.get(one.inputs[0], NHWC), emission.ints("size", *one.shape[2:])]
    fields: dict[str, Any] = {"alignCorners": one.align_corners, "halfPixelCenters": not one.align_corners}
    return emission.add(Code.RESIZE_BILINEAR, inputs, emission.physical(one, NHWC), version=3, **fields)


def blocks(emission: Emission, one: DepthToSpace | SpaceToDepth, layout: Layout) -> int:
    """DEPTH_TO_SPACE or SPACE_TO_DEPTH."""
    code = Code.DEPTH_TO_SPACE if isinstance(one, DepthToSpace) else Code.SPACE_TO_DEPTH
    return emission.add(code, emission.inputs(one, NHWC), emission.physical(one, NHWC), blockSize=one.block)


def local_response_norm(emission: Emission, one: LocalResponseNorm, layout: Layout) -> int:
    """x / d^beta with d = k + alpha / size * (sum of x^2 over neighbouring channels).

    The sum is a 1x1 convolution with a band matrix; measured twice as fast as TFLite's own
    LOCAL_RESPONSE_NORMALIZATION, and the delegate stays in one piece. The power is made of reciprocal roots for the
    usual exponents, else of a logarithm: XNNPACK has no POW.
    """
    source, channels = emission.get(one.inputs[0], NHWC), one.shape[1]
    inputs = [
        emission.add(Code.MUL, [source, source]),
        emission.constant("band", band(channels, one).reshape(channels, 1, 1, channels)),
        emission.constant("k", np.full(channels, one.k, np.float32)),
    ]
    divisor = emission.add(Code.CONV_2D, inputs, padding=padding_code(False), strideH=1, strideW=1)
    if one.beta not in ROOTS:
        log = emission.add(Code.LOG, [divisor])
        scaled = emission.add(Code.MUL, [log, emission.scalar(-one.beta)])
        return emission.add(Code.MUL, [source, emission.add(Code.EXP, [scaled])])
    halves, quarters = ROOTS[one.beta]
    half = emission.add(Code.RSQRT, [divisor])
    factors = [half] * halves + ([emission.add(Code.SQRT, [half])] if quarters else [])
    factor = factors[0] if len(factors) == 1 else emission.add(Code.MUL, factors)
    return emission.add(Code.MUL, [source, factor])


# d^-beta as a product of reciprocal roots: how often rsqrt(d), and how often its square root.
ROOTS: Final[dict[float, tuple[int, int]]] = {0.25: (0, 1), 0.5: (1, 0), 0.75: (1, 1), 1.0: (2, 0)}


def band(channels: int, one: LocalResponseNorm) -> npt.NDArray[np.float32]:
    """Returns the (out, in) matrix that sums alpha / size over each channel's window.

    torch's window of an even size has the odd channel before the centre.
    """
    offset = np.arange(channels)[None] - np.arange(channels)[:, None]
    inside = (offset >= -(one.size // 2)) & (offset <= (one.size - 1) // 2)
    return inside.astype(np.float32) * np.float32(one.alpha / one.size)


def nonnegative(graph: Graph, name: str) -> bool:
    """Whether no element of a tensor can be below zero, so that zeros do not change a maximum."""
    if name in graph.constants:
        return bool((graph.constants[name] >= 0).all())
    operator = graph[name]
    if isinstance(operator, KEEPING):
        return all(nonnegative(graph, source) for source in operator.inputs)
    function = operator.function if isinstance(operator, Activation) else getattr(operator, "activation", None)
    return isinstance(operator, Softmax) or function in NOT_NEGATIVE


def _average(emission: Emission, one: Pool, source: int) -> int:
    """The average over whole windows, or over what SAME finds real, and a factor where torch divides by another count.

    XNNPACK has no averages in int8, nor of one pixel: there they are depthwise convolutions.
    """
    sizes = emission.model.shape(source)[1:3]
    whole = emission.precision == "int8" or one.window == (1, 1)
    explicit = whole or one.counts_padding
    padded, same = padded_window(emission, one, source, one.window, one.stride, (1, 1), one.padding, explicit=explicit)
    shape = emission.physical(one, NHWC)
    made = share(emission, padded, one.window, one.stride, shape) if whole else _pool(emission, one, padded, same)
    real, wanted = one.cells((sizes[0], sizes[1]))
    used = real if same else np.full(one.shape[2:], math.prod(one.window))
    if (used == wanted).all():
        return made
    return emission.add(Code.MUL, [made, emission.constant("share", (used / wanted)[None, :, :, None])])


def _dilated(emission: Emission, one: Pool, source: int) -> int:
    """The maximum of windows with gaps: along each axis that of shifted slices, then every stride-th."""
    top, bottom, left, right = one.padding
    lowest = 0.0 if nonnegative(emission.graph, one.inputs[0]) else LOWEST
    made = emission.padded(source, [(0, 0), (top, bottom), (left, right), (0, 0)], lowest)
    for axis, (window, apart) in enumerate(zip(one.window, one.dilation, strict=True), 1):
        size = emission.model.shape(made)[axis] - (window - 1) * apart
        shifted = [emission.part(made, axis, number * apart, size) for number in range(window)]
        made = shifted[0]
        for other in shifted[1:]:
            made = emission.add(Code.MAXIMUM, [made, other])
    if one.stride == (1, 1):
        return made
    return share(emission, made, (1, 1), one.stride, emission.physical(one, NHWC))


def _pool(emission: Emission, one: Pool, source: int, same: bool) -> int:
    return emission.add(
        Code.MAX_POOL_2D if one.mode == "max" else Code.AVERAGE_POOL_2D,
        [source],
        emission.physical(one, NHWC),
        padding=padding_code(same),
        strideH=one.stride[0],
        strideW=one.stride[1],
        filterHeight=one.window[0],
        filterWidth=one.window[1],
    )


WINDOWS: Final[dict[type[Operator], Emitter[Any]]] = {
    Pool: pool,
    Resize: resize,
    DepthToSpace: blocks,
    SpaceToDepth: blocks,
    LocalResponseNorm: local_response_norm,
}
