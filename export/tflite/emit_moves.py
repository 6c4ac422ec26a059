"""Emitters of what moves elements, and of what works along whole axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import groupby, takewhile
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite.emit import Code, Emission, Emitter
from edgebench.formats.tflite.windows import share
from edgebench.graph.layout import NHWC, Layout, through
from edgebench.graph.operators import (
    ArgMax,
    Concat,
    Expand,
    Gather,
    GlobalPool,
    Operator,
    Pad,
    Pick,
    Reduce,
    Reshape,
    Slice,
    Softmax,
    Subsample,
    TopK,
    Transpose,
)
from edgebench.ground.errors import ExportError

REDUCTIONS: Final = {"mean": Code.MEAN, "sum": Code.SUM, "max": Code.REDUCE_MAX, "min": Code.REDUCE_MIN}
MOST_AXES: Final = 6  # of XNNPACK's arithmetic


def reduce(emission: Emission, one: Reduce, layout: Layout) -> int:
    """A reduction that keeps its axes; where only a reshape reads it and drops them, it drops them itself."""
    source = emission.get(one.inputs[0], layout)
    kept = tuple(size for axis, size in enumerate(one.shape) if axis not in one.axes)
    readers = emission.layouts.readers[one.name]
    if len(readers) == 1 and one.name not in emission.graph.outputs:
        (reader,) = readers
        if isinstance(reader, Reshape) and reader.shape == kept:
            left = [axis for axis in layout if axis not in one.axes]
            made = _reduced(emission, REDUCTIONS[one.function], source, layout, one.axes, keep=False)
            emission.put(one.name, layout, made)
            emission.put(reader.name, tuple(sorted(left).index(axis) for axis in left), made)
            return made
    return _reduced(emission, REDUCTIONS[one.function], source, layout, one.axes, keep=True)


def global_pool(emission: Emission, one: GlobalPool, layout: Layout) -> int:
    """MEAN over height and width."""
    (inner,) = emission.layouts.needed(one, layout) or []
    source, before = emission.as_it_lies(one.inputs[0], inner)
    return _reduced(emission, Code.MEAN, source, before, (2, 3), keep=len(one.shape) == 4)


def _reduced(emission: Emission, code: int, source: int, layout: Layout, axes: tuple[int, ...], *, keep: bool) -> int:
    numbers = sorted(layout.index(axis) for axis in axes)
    sizes = list(enumerate(emission.model.shape(source)))
    kept = [1 if number in numbers else size for number, size in sizes if keep or number not in numbers]
    return emission.add(code, [source, emission.ints("axes", *numbers)], kept, keepDims=keep)


def softmax(emission: Emission, one: Softmax, layout: Layout) -> int:
    """SOFTMAX over the last axis in memory."""
    return emission.add(Code.SOFTMAX, emission.inputs(one, layout), beta=1.0)


def argmax(emission: Emission, one: ArgMax, layout: Layout) -> int:
    """ARG_MAX, whose axis TFLite always drops."""
    (inner,) = emission.layouts.needed(one, layout) or []
    source, before = emission.as_it_lies(one.inputs[0], inner)
    kept = [size for axis, size in zip(before, emission.model.shape(source), strict=True) if axis != one.axis]
    inputs = [source, emission.ints("axis", before.index(one.axis))]
    made = emission.add(Code.ARG_MAX, inputs, kept, "int32", outputType=schema.TensorType.INT32)
    return emission.reshaped(made, emission.physical(one, layout))


def concat(emission: Emission, one: Concat, layout: Layout) -> int:
    """CONCATENATION; where the batch is open, constants are added in front of what they precede, as they have none."""
    axis, constants = layout.index(one.axis), emission.graph.constants
    if min(emission.physical(one, layout)) > 0:
        return emission.joined(emission.inputs(one, layout), axis)
    made: list[int] = []
    before: list[npt.NDArray[Any]] = []
    flowing = [name for name in one.inputs if name not in constants]
    for name in one.inputs:
        if name in constants:
            before.append(constants[name].transpose(layout))
        else:
            last = name == flowing[-1] and len(made) == len(flowing) - 1
            behind = [constants[other].transpose(layout) for other in _trailing(one, constants)] if last else []
            made.append(_framed(emission, emission.get(name, layout), axis, before, behind))
            before = []
    return emission.joined(made, axis)


def _trailing(one: Concat, constants: Mapping[str, Any]) -> list[str]:
    """The constants behind the last tensor that is computed."""
    return list(takewhile(lambda name: name in constants, reversed(one.inputs)))[::-1]


def _framed(
    emission: Emission, tensor: int, axis: int, before: list[npt.NDArray[Any]], behind: list[npt.NDArray[Any]]
) -> int:
    """A tensor with constants joined on along an axis: zeros to which they are added, which is exact."""
    if not before and not behind:
        return tensor
    shape = emission.model.shape(tensor)
    sides = [sum(part.shape[axis] for part in parts) for parts in (before, behind)]
    padded = emission.padded(tensor, [tuple(sides) if number == axis else (0, 0) for number in range(len(shape))])
    between = [max(one.shape[number] for one in (*before, *behind)) for number in range(len(shape))]
    between[axis] = shape[axis]
    middle = np.zeros(between, np.float32)
    frame = np.concatenate([*before, middle, *behind], axis)
    return emission.add(Code.ADD, [padded, emission.constant("frame", frame)])


def reshape(emission: Emission, one: Reshape, layout: Layout) -> int:
    """RESHAPE of the input in the layout in which it moves nothing."""
    (name,) = one.inputs
    shapes = emission.layouts.shapes
    before = through(shapes[one.name], layout, shapes[name], emission.tensors[name])
    if before is None:
        raise ValueError(f"'{one.name}' cannot come out in the layout {layout}")
    return emission.reshaped(emission.get(name, before), emission.physical(one, layout))


def transpose(emission: Emission, one: Transpose, layout: Layout) -> int:
    """Another name for the same elements in the same order; whoever reads them transposes, if need be."""
    return emission.get(one.inputs[0], tuple(one.permutation[axis] for axis in layout))


def pad(emission: Emission, one: Pad, layout: Layout) -> int:
    """PAD, or the mirrored rows and columns joined on."""
    source = emission.get(one.inputs[0], layout)
    amounts = [one.amounts[axis] for axis in layout]
    if one.mode == "constant":
        return emission.padded(source, amounts, one.value)
    for axis, (before, after) in enumerate(amounts):
        last = emission.model.shape(source)[axis] - 1
        if before or after:
            indices = [last - abs(last - abs(index)) for index in range(-before, last + 1 + after)]
            source = emission.picked(source, axis, indices)
    return source


def slice_(emission: Emission, one: Slice, layout: Layout) -> int:
    """Every n-th element along one axis, from the start."""
    source = emission.get(one.inputs[0], layout)
    return _every(emission, source, layout.index(one.axis), one.start, one.shape[one.axis], one.step)


def subsample(emission: Emission, one: Subsample, layout: Layout) -> int:
    """A depthwise convolution of ones, 1x1 and strided, where channels lie last; times one is exact."""
    source = emission.get(one.inputs[0], layout)
    if layout == NHWC:
        return share(emission, source, (1, 1), one.stride, emission.physical(one, NHWC))
    for axis, step in zip((2, 3), one.stride, strict=True):
        source = _every(emission, source, layout.index(axis), 0, one.shape[axis], step)
    return source


def _every(emission: Emission, source: int, axis: int, start: int, count: int, step: int) -> int:
    """A slice; every n-th element is the same one of each group of n, as XNNPACK has no steps."""
    shape = emission.model.shape(source)
    if step == 1:
        return emission.part(source, axis, start, count)
    inside = start % step
    first = start - inside
    missing = max(0, first + count * step - shape[axis])
    padded = emission.padded(source, [(0, missing if number == axis else 0) for number in range(len(shape))])
    cut = emission.part(padded, axis, first, count * step)
    grouped = emission.reshaped(cut, (*shape[:axis], count, step, *shape[axis + 1 :]))
    return emission.reshaped(emission.part(grouped, axis + 1, inside, 1), (*shape[:axis], count, *shape[axis + 1 :]))


def expand(emission: Emission, one: Expand, layout: Layout) -> int:
    """MUL by ones, or LOGICAL_AND, which broadcast: XNNPACK has no BROADCAST_TO.

    Axes that stay or grow together are merged first.
    """
    source, shape = emission.get(one.inputs[0], layout), emission.physical(one, layout)
    if emission.model.shape(source) == shape:
        return source
    pairs = list(zip(emission.model.shape(source), shape, strict=True))
    groups = [list(group) for _, group in groupby(pairs, key=lambda pair: pair[0] == pair[1])]
    before = [math.prod(old for old, _ in group) for group in groups]
    after = [math.prod(new for _, new in group) for group in groups]
    if len(groups) > MOST_AXES:
        raise ExportError(f"'{one.name}' repeats along too many axes for TFLite: use `converter='litert-torch'`")
    ones = np.ones([1 if old == new else new for old, new in zip(before, after, strict=True)], one.dtype)
    given = [emission.reshaped(source, before), emission.constant("ones", ones, one.dtype)]
    made = emission.add(Code.LOGICAL_AND if one.dtype == "bool" else Code.MUL, given, after, one.dtype)
    return emission.reshaped(made, shape)


def gather(emission: Emission, one: Gather, layout: Layout) -> int:
    """Slices, joined, or a GATHER."""
    return emission.picked(emission.get(one.inputs[0], layout), layout.index(one.axis), one.indices)


def pick(emission: Emission, one: Pick, layout: Layout) -> int:
    """GATHER by indices that are computed."""
    given = [emission.get(one.inputs[0], layout), emission.get(one.inputs[1], (0,))]
    return emission.add(Code.GATHER, given, emission.physical(one, layout), one.dtype, axis=layout.index(one.axis))


def topk(emission: Emission, one: TopK, layout: Layout) -> int:
    """TOPK_V2 over the last axis in memory: its values, or where they are."""
    shape = emission.physical(one, layout)
    given = [*emission.inputs(one, layout), emission.ints("k", shape[-1])]
    both = [emission.model.computed(f"{one.name}/topk", shape, kind) for kind in ("float32", "int32")]
    emission.model.several(Code.TOPK_V2, given, both)
    for other in one.twins(emission.graph):
        emission.put(other.name, layout, both[int(other.indices)])
    return both[int(one.indices)]


MOVES: Final[dict[type[Operator], Emitter[Any]]] = {
    ArgMax: argmax,
    Concat: concat,
    Expand: expand,
    Gather: gather,
    GlobalPool: global_pool,
    Pad: pad,
    Pick: pick,
    Reduce: reduce,
    Reshape: reshape,
    Slice: slice_,
    Softmax: softmax,
    Subsample: subsample,
    TopK: topk,
    Transpose: transpose,
}
