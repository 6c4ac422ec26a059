"""Emitters of what only moves elements about."""

from __future__ import annotations

from typing import Final

import numpy as np

from edgebench.formats.coreml.emit import AXES, Emission, Emitter, Variable, spread
from edgebench.graph.operators import (
    Concat,
    DepthToSpace,
    Expand,
    Gather,
    GlobalPool,
    Graph,
    Operator,
    Pad,
    Pick,
    Reduce,
    Reshape,
    Slice,
    SpaceToDepth,
    Subsample,
    Transpose,
)


def concat(emission: Emission, one: Concat) -> Variable:
    """Along one axis."""
    return emission.add("concat", values=[emission.get(name) for name in one.inputs], axis=one.axis)


def reshape(emission: Emission, one: Reshape) -> Variable:
    """A reduction whose axes are dropped drops them itself; of more than five axes a tensor stays as it was."""
    if len(one.shape) > AXES:
        return emission.get(one.inputs[0])
    source = emission.operator(one.inputs[0])
    if isinstance(source, GlobalPool | Reduce) and source.shape != one.shape:
        function, axes = (source.function, source.axes) if isinstance(source, Reduce) else ("mean", (2, 3))
        left = tuple(size for axis, size in enumerate(source.shape) if axis not in axes)
        if left == one.shape and left:
            x = emission.get(source.inputs[0])
            return emission.add(f"reduce_{function}", x=x, axes=list(axes), keep_dims=False)
    return emission.reshaped(emission.get(one.inputs[0]), one.shape)


def transpose(emission: Emission, one: Transpose) -> Variable:
    """Of five axes at most."""
    return emission.add("transpose", x=emission.get(one.inputs[0]), perm=list(one.permutation))


def slice_(emission: Emission, one: Slice) -> Variable:
    """Along one axis; parts that make up the whole are one split."""
    x, parts = emission.get(one.inputs[0]), _parts(emission.graph, one)
    if len(parts) < 2:
        stop = one.start + (one.shape[one.axis] - 1) * one.step + 1
        return emission.cut(x, {one.axis: (one.start, stop, one.step)})
    made = emission.add("split", x=x, split_sizes=[part.shape[one.axis] for part in parts], axis=one.axis)
    found = dict(zip(parts, made, strict=True))
    emission.variables.update({part.name: variable for part, variable in found.items()})
    return found[one]


def _parts(graph: Graph, one: Slice) -> list[Slice]:
    """All slices of a tensor along an axis, in order, where they are the whole of it, each element once."""
    alike = [each for each in graph.operators if isinstance(each, Slice) and each.inputs == one.inputs]
    parts = sorted((each for each in alike if each.axis == one.axis), key=lambda each: each.start)
    ends = [each.start + each.shape[one.axis] for each in parts]
    whole = [each.start for each in parts] == [0, *ends[:-1]] and ends[-1] == graph.shape(one.inputs[0])[one.axis]
    return parts if whole and all(each.step == 1 for each in parts) else []


def subsample(emission: Emission, one: Subsample) -> Variable:
    """Every n-th row and column."""
    sizes = emission.graph.shape(one.inputs[0])
    return emission.cut(emission.get(one.inputs[0]), {axis: (0, sizes[axis], one.stride[axis - 2]) for axis in (2, 3)})


def pad(emission: Emission, one: Pad) -> Variable:
    """A mirror image of other axes than the last two is picked by indices: MIL has none."""
    x = emission.get(one.inputs[0])
    amounts, before = list(one.amounts), max(0, len(one.amounts) - 2)
    if one.mode == "reflect":
        for axis, ends in enumerate(amounts[:before]):
            if any(ends):
                index = np.pad(np.arange(x.shape[axis], dtype=np.int32), ends, mode="reflect")
                x = emission.add("gather", x=x, indices=index, axis=axis)
        amounts = amounts[before:]
    if not any(map(any, amounts)):
        return x
    value = emission.scalar(one.value) if one.mode == "constant" else None
    return emission.add("pad", x=x, pad=spread(amounts), mode=one.mode, constant_val=value)


def expand(emission: Emission, one: Expand) -> Variable:
    """Repeated along axes of size 1."""
    x = emission.get(one.inputs[0])
    return emission.add("tile", x=x, reps=[new // old for new, old in zip(one.shape, x.shape, strict=True)])


def gather(emission: Emission, one: Gather) -> Variable:
    """Constant indices along one axis."""
    indices = np.array(one.indices, np.int32)
    return emission.add("gather", x=emission.get(one.inputs[0]), indices=indices, axis=one.axis)


def pick(emission: Emission, one: Pick) -> Variable:
    """Indices that are computed."""
    x, indices = (emission.get(name) for name in one.inputs)
    return emission.add("gather", x=x, indices=indices, axis=one.axis)


def blocks(emission: Emission, one: DepthToSpace | SpaceToDepth) -> Variable:
    """MIL's order of channels is the Graph's."""
    kind = "depth_to_space" if isinstance(one, DepthToSpace) else "space_to_depth"
    return emission.add(kind, x=emission.get(one.inputs[0]), block_size=one.block)


MOVES: Final[dict[type[Operator], Emitter]] = {
    Concat: concat,
    DepthToSpace: blocks,
    Expand: expand,
    Gather: gather,
    Pad: pad,
    Pick: pick,
    Reshape: reshape,
    Slice: slice_,
    SpaceToDepth: blocks,
    Subsample: subsample,
    Transpose: transpose,
}
