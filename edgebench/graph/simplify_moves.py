"""Rewrites of moves: chains of reshapes and transposes, slices of joins, pads and picks that a layer takes in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import numpy as np

from edgebench.graph.builder import Operand
from edgebench.graph.operators import (
    Activation,
    Array,
    Binary,
    Compare,
    Concat,
    Conv,
    Dense,
    Expand,
    Gather,
    GlobalPool,
    Graph,
    Operator,
    Pad,
    Padding,
    Pool,
    Reshape,
    Shape,
    Slice,
    Subsample,
    Transpose,
    Where,
)
from edgebench.graph.rewriter import Rewriter, wide
from edgebench.graph.simplify_affine import axis_blocks

_MOST_AXES = 6  # of a transpose: what runtimes move at once
_NARROWEST = 16  # channels: a layer of its own for a narrower slice costs more than the slice


def twin(rewriter: Rewriter, operator: Operator) -> Operator | None:
    """An operator without weights that another one repeats, on the same inputs: that one stands for both."""
    x, own = rewriter.source(operator), _computes(operator)
    others = [] if x is None else rewriter.readers_of(x)
    return next((each for each in others if each is not operator and _computes(each) == own), None)


def _computes(operator: Operator) -> tuple[Any, ...]:
    """What two operators must share to compute the same."""
    return type(operator), *(value for name, value in vars(operator).items() if name not in ("name", "module"))


# ---- reshapes and transposes ----


def same_shape(rewriter: Rewriter, operator: Reshape | Transpose) -> Operator | None:
    """A move that changes nothing goes; a transpose that only moves axes of size 1 is a reshape."""
    x = rewriter.source(operator)
    if x is None:
        return None
    if isinstance(operator, Reshape):
        return x if x.shape == operator.shape else None
    moved = [axis for axis in operator.permutation if x.shape[axis] != 1]
    return rewriter.reshape(x, operator.shape) if moved == sorted(moved) else None


def move_twice(rewriter: Rewriter, operator: Reshape | Transpose) -> Operator | None:
    """Two reshapes, or two transposes, one after the other, are one."""
    x = rewriter.source(operator)
    source = rewriter.source(x) if x is not None and type(x) is type(operator) else None
    if source is None:
        return None
    if isinstance(operator, Reshape):
        return rewriter.reshape(source, operator.shape)
    before = cast(Transpose, x).permutation
    return rewriter.transpose(source, [before[axis] for axis in operator.permutation])


def moves_as_one(rewriter: Rewriter, operator: Reshape | Transpose) -> Operator | None:
    """A chain of reshapes and transposes, two of these or more, is one transpose of the finest axes."""
    readers = rewriter.readers_of(operator)
    if len(readers) == 1 and isinstance(readers[0], Reshape | Transpose) and not rewriter.is_output(operator):
        return None  # not the end of the chain
    chain: list[Reshape | Transpose] = [operator]
    x = rewriter.source(operator)
    while isinstance(x, Reshape | Transpose) and rewriter.is_single(x):
        chain.append(x)
        x = rewriter.source(x)
    if x is None or sum(isinstance(move, Transpose) for move in chain) < 2:
        return None
    axes = _FinestAxes(x.shape)
    if not all(axes.follow(move) for move in reversed(chain)):
        return None
    shape, permutation = axes.result()
    if len(shape) > _MOST_AXES:
        return None
    if x.shape[:1] == (1,):  # the batch keeps an axis of its own, in front
        shape, permutation = [1, *shape], [0, *(axis + 1 for axis in permutation)]
    return rewriter.reshape(rewriter.transpose(rewriter.reshape(x, shape), permutation), operator.shape)


class _FinestAxes:
    """The axes of a tensor, cut so finely that every move of a chain keeps them whole.

    `source` lists them in the tensor's own order, `axes` in the order they have come to, grouped by the axes there.
    """

    def __init__(self, shape: Shape) -> None:
        self.size = dict(enumerate(shape))
        self.source = list(self.size)
        self.axes = [[axis] for axis in self.source]

    def follow(self, move: Reshape | Transpose) -> bool:
        """Moves the axes; False where a reshape cuts an axis at no whole number."""
        if isinstance(move, Transpose):
            self.axes = [self.axes[axis] for axis in move.permutation]
            return True
        flat = [part for axis in self.axes for part in axis if self.size[part] != 1]
        self.axes = []
        for size in move.shape:
            parts = self._taken(flat, size)
            if parts is None:
                return False
            self.axes.append(parts)
        return True

    def _taken(self, flat: list[int], size: int) -> list[int] | None:
        """Takes axes off the front of `flat` that are `size` long together; cuts the last one if it must."""
        parts: list[int] = []
        while size > 1:
            part = flat.pop(0)
            if size % self.size[part]:
                if self.size[part] % size:
                    return None
                rest = len(self.size)
                self.size[rest], self.size[part] = self.size[part] // size, size
                self.source.insert(self.source.index(part) + 1, rest)
                flat.insert(0, rest)
            parts.append(part)
            size //= self.size[part]
        return parts

    def result(self) -> tuple[list[int], list[int]]:
        """The tensor's shape in its finest axes, those that stay together merged, and the permutation of these."""
        order = [part for axis in self.axes for part in axis]
        runs: list[list[int]] = []
        for part in (one for one in self.source if self.size[one] != 1):
            if runs and order.index(runs[-1][-1]) + 1 == order.index(part):
                runs[-1].append(part)
            else:
                runs.append([part])
        number = {run[0]: at for at, run in enumerate(runs)}
        shape = [math.prod(self.size[part] for part in run) for run in runs]
        return shape, [number[part] for part in order if part in number]


def pooled_flat(rewriter: Rewriter, operator: Reshape) -> Operator | None:
    """A global pool that is flattened to (N, C) gives that itself."""
    x = rewriter.source(operator)
    if not isinstance(x, GlobalPool) or operator.shape != x.shape[:2] or not rewriter.is_single(x):
        return None
    return rewriter.update(x, shape=operator.shape)


# ---- slices and joins ----


def every_nth_pixel(rewriter: Rewriter, operator: Slice) -> Operator | None:
    """Slices that take every n-th row and every n-th column are a subsampling, which takes both in one."""
    x, axis = rewriter.source(operator), operator.axis
    whole = x is not None and operator.shape[axis] == -(-x.shape[axis] // operator.step)
    if x is None or operator.step == 1 or operator.start or len(operator.shape) != 4 or axis < 2 or not whole:
        return None
    stride = [1, 1]
    stride[axis - 2] = operator.step
    if isinstance(x, Subsample) and rewriter.is_single(x):
        stride = [one * other for one, other in zip(stride, x.stride, strict=True)]
        x = cast(Operator, rewriter.source(x))
    return rewriter.subsample(x, (stride[0], stride[1]))


def slice_twice(rewriter: Rewriter, operator: Slice) -> Operator | None:
    """A slice of a slice along one axis is one slice."""
    x = rewriter.source(operator)
    if not isinstance(x, Slice) or x.axis != operator.axis or (x.step, operator.step) != (1, 1):
        return None
    start = x.start + operator.start
    stop = start + operator.shape[operator.axis]
    return rewriter.slice(cast(Operator, rewriter.source(x)), operator.axis, start, stop)


def slice_of_concat(rewriter: Rewriter, operator: Slice) -> Operator | None:
    """A slice of a join: of those parts only that it takes something of."""
    x, axis = rewriter.source(operator), operator.axis
    if not isinstance(x, Concat) or x.axis != axis or operator.step != 1:
        return None
    start, stop, at = operator.start, operator.start + operator.shape[axis], 0
    inside: list[Operand] = []
    for part in rewriter.operands(x):
        end = at + part.shape[axis]
        if start <= at and end <= stop:
            inside.append(part)
        elif at <= start and stop <= end and isinstance(part, Operator):
            return rewriter.slice(part, axis, start - at, stop - at)
        elif at < stop and start < end:
            return None
        at = end
    return rewriter.concat(inside, axis) if any(isinstance(part, Operator) for part in inside) else None


def concat_of_slices(rewriter: Rewriter, operator: Concat) -> Operator | None:
    """All of a tensor's slices joined in order are the tensor."""
    parts = [rewriter.source(operator, at) for at in range(len(operator.inputs))]
    slices = [part for part in parts if isinstance(part, Slice) and (part.axis, part.step) == (operator.axis, 1)]
    if len(slices) < len(parts) or len({part.inputs for part in slices}) != 1:
        return None
    ends = np.cumsum([0, *(part.shape[operator.axis] for part in slices)])
    whole = cast(Operator, rewriter.source(slices[0]))
    starts = [part.start for part in slices]
    return whole if starts == ends[:-1].tolist() and ends[-1] == whole.shape[operator.axis] else None


def concat_of_concats(rewriter: Rewriter, operator: Concat) -> Operator | None:
    """A join that only another join along the same axis reads becomes part of it."""
    found = False
    parts: list[Operand] = []
    for part in rewriter.operands(operator):
        inner = isinstance(part, Concat) and part.axis == operator.axis and rewriter.is_single(part)
        once = isinstance(part, Operator) and operator.inputs.count(part.name) == 1
        if inner and once:
            parts.extend(rewriter.operands(cast(Concat, part)))
            found = True
        else:
            parts.append(part)
    return rewriter.concat(parts, operator.axis) if found else None


def sliced_layer(rewriter: Rewriter, operator: Slice) -> Operator | None:
    """Slices of a layer's output (queries, keys and values) go through moves towards it and become layers of their own.

    All at once: the first one alone would be one more reader, which blocks the others.
    """
    x = rewriter.source(operator)
    if x is None or rewriter.is_output(x):
        return None
    readers = rewriter.readers_of(x)
    slices = [reader for reader in readers if isinstance(reader, Slice) and reader.axis == operator.axis]
    if len(slices) < len(readers) or any(reader.step != 1 for reader in slices):
        return None
    cut = _cut(rewriter, x, slices)
    if cut is None:
        return None
    made = {one.name: cut(one) for one in slices}
    for one in slices:
        if one.name != operator.name:
            rewriter.put(one, made[one.name])
    return made[operator.name]


def _cut(rewriter: Rewriter, x: Operator, slices: list[Slice]) -> Callable[[Slice], Operator] | None:
    """How to take one of the slices of `x` from what x is made of."""
    source, axis = rewriter.source(x), slices[0].axis
    if source is None:
        return None
    if isinstance(x, Transpose) and _from_layer(rewriter, source):
        order = x.permutation
        return lambda one: rewriter.transpose(_slice_like(rewriter, source, order[axis], one), order)
    if isinstance(x, Reshape) and _from_layer(rewriter, source):
        for old, new in axis_blocks(source.shape, x.shape):
            if new[0] == axis and len(old) == 1:
                size = math.prod(x.shape[other] for other in new[1:])
                return lambda one: rewriter.reshape(_slice_like(rewriter, source, old[0], one, size), one.shape)
    if isinstance(x, Dense | Conv) and _is_divisible(x, slices):
        return lambda one: _layer_slice(rewriter, x, one)
    return None


def _slice_like(rewriter: Rewriter, x: Operator, axis: int, one: Slice, size: int = 1) -> Operator:
    start, count = one.start * size, one.shape[one.axis] * size
    return rewriter.slice(x, axis, start, start + count)


def _from_layer(rewriter: Rewriter, x: Operator | None) -> bool:
    """Whether x comes, through moves that only this path reads, from a layer that can be cut."""
    while isinstance(x, Transpose | Reshape) and rewriter.is_single(x):
        x = rewriter.source(x)
    point = isinstance(x, Conv) and x.kernel == (1, 1)
    return x is not None and (point or isinstance(x, Dense)) and not rewriter.is_output(x)


def _is_divisible(x: Dense | Conv, slices: list[Slice]) -> bool:
    """Whether a layer's slices may be layers of their own: no channel twice, and none too narrow."""
    sizes = [one.shape[one.axis] for one in slices]
    axis = len(x.shape) - 1 if isinstance(x, Dense) else 1
    pointwise = isinstance(x, Dense) or (x.groups == 1 and x.kernel == (1, 1))
    enough = len(slices) > 1 and min(sizes) >= _NARROWEST and sum(sizes) <= x.shape[axis]
    return slices[0].axis == axis and pointwise and enough and x.weight is not None and x.activation is None


def _layer_slice(rewriter: Rewriter, layer: Dense | Conv, one: Slice) -> Operator:
    rows = range(one.start, one.start + one.shape[one.axis])
    return _with_rows(rewriter, layer, list(rows), one.shape)


def _with_rows(rewriter: Rewriter, layer: Dense | Conv, rows: list[int], shape: Shape) -> Operator:
    """A layer like `layer`, with those of its output channels."""
    made = rewriter.add(type(layer), rewriter.operands(layer), shape, **_attributes(layer))
    bias = None if layer.bias is None else layer.bias[rows]
    return rewriter.update(made, weight=cast(Array, layer.weight)[rows], bias=bias)


def _attributes(layer: Dense | Conv) -> dict[str, object]:
    plain = ("name", "inputs", "shape", "module", "dtype", "weight", "bias")
    return {name: value for name, value in vars(layer).items() if name not in plain}


# ---- what a layer takes in ----


def padded_window(rewriter: Rewriter, operator: Conv | Pool) -> Operator | None:
    """Zeros just before a convolution, or what is less than all before a maximum, are its own padding."""
    pad = rewriter.source(operator)
    if not isinstance(pad, Pad) or pad.mode != "constant" or any(map(any, pad.amounts[:2])):
        return None
    least = isinstance(operator, Pool) and operator.mode == "max" and pad.value <= np.finfo(np.float32).min
    if not least and (isinstance(operator, Pool) or pad.value != 0):
        return None
    padding = tuple(a + b for a, b in zip(operator.padding, (*pad.amounts[2], *pad.amounts[3]), strict=True))
    return rewriter.update(operator, inputs=pad.inputs, padding=cast(Padding, padding))


def gather_before(rewriter: Rewriter, operator: Conv) -> Operator | None:
    """A convolution of picked channels takes all of them, its columns in their order."""
    pick = rewriter.source(operator)
    if not isinstance(pick, Gather) or pick.axis != 1 or operator.groups != 1 or operator.weight is None:
        return None
    source = cast(Operator, rewriter.source(pick))
    weight = np.zeros((operator.shape[1], source.shape[1], *operator.kernel))
    for column, index in enumerate(pick.indices):
        weight[:, index] += wide(operator.weight[:, column])
    return rewriter.update(operator, inputs=pick.inputs, in_channels=source.shape[1], weight=weight)


def gather_behind(rewriter: Rewriter, operator: Gather) -> Operator | None:
    """Picks from a layer's channels are a layer of those rows."""
    x = rewriter.source(operator)
    if not isinstance(x, Conv | Dense) or not rewriter.is_single(x) or x.weight is None:
        return None
    axis = len(x.shape) - 1 if isinstance(x, Dense) else 1
    if operator.axis != axis or getattr(x, "groups", 1) != 1:
        return None
    return _with_rows(rewriter, x, list(operator.indices), operator.shape)


# ---- broadcasts ----


def expand_before(rewriter: Rewriter, operator: Binary | Compare | Where) -> Operator | None:
    """What reads an expanded tensor beside others broadcasts by itself."""
    sources = [rewriter.source(operator, at) for at in range(len(operator.inputs))]
    if not any(isinstance(source, Expand) for source in sources):
        return None
    inputs = tuple(
        source.inputs[0] if isinstance(source, Expand) else name
        for source, name in zip(sources, operator.inputs, strict=True)
    )
    shapes = [
        (rewriter.operators[name] if name in rewriter.operators else rewriter.constants[name]).shape for name in inputs
    ]
    shape = np.broadcast_shapes(*shapes)
    if shape == operator.shape:
        return rewriter.update(operator, inputs=inputs)
    return _expanded(rewriter, operator, inputs, shape)


def expand_behind(rewriter: Rewriter, operator: Activation) -> Operator | None:
    """A function of an expanded tensor is computed before it is expanded."""
    x = rewriter.source(operator)
    if not isinstance(x, Expand):
        return None
    return _expanded(rewriter, operator, x.inputs, cast(Operator, rewriter.source(x)).shape)


def _expanded(rewriter: Rewriter, operator: Operator, inputs: tuple[str, ...], shape: Shape) -> Operator:
    """`operator` on smaller inputs, its result expanded to the shape it had."""
    name = rewriter.free(f"{operator.name}_{operator.kind}")
    small = replace(operator, name=name, inputs=inputs, shape=shape)
    rewriter.register(small)
    return rewriter.add(Expand, [small], operator.shape)


# ---- flattened images ----


def mark_flattened(graph: Graph) -> Graph:
    """Returns `graph` with `flattened` set on every dense layer whose input is a flattened image.

    Only where all who read the flattened tensor are dense layers (after activations, perhaps): a channels-last writer
    may then leave its order and permute their columns.
    """
    readers: dict[str, list[Operator]] = {}
    for operator in graph.operators:
        for name in operator.inputs:
            readers.setdefault(name, []).append(operator)
    marked: dict[str, Operator] = {}
    for operator in graph.operators:
        image = _flattened_image(graph, operator)
        layers = _dense_readers(graph, readers, operator.name) if image else None
        marked.update({dense.name: replace(dense, flattened=image) for dense in layers or []})
    return replace(graph, operators=tuple(marked.get(one.name, one) for one in graph.operators)) if marked else graph


def _flattened_image(graph: Graph, operator: Operator) -> tuple[int, int, int] | None:
    """The (C, H, W) that `operator` flattens; None if it does not, or if H = W = 1 and order is no matter."""
    if not isinstance(operator, Reshape) or len(operator.shape) != 2:
        return None
    batch, *image = graph.shape(operator.inputs[0])
    flattens = len(image) == 3 and batch == operator.shape[0] and image[1:] != [1, 1]
    return (image[0], image[1], image[2]) if flattens else None


def _dense_readers(graph: Graph, readers: dict[str, list[Operator]], name: str) -> list[Dense] | None:
    """The dense layers that read `name`, directly or after activations; None if anything else does."""
    if name in graph.outputs:
        return None
    found: list[Dense] = []
    for operator in readers.get(name, []):
        if isinstance(operator, Dense):
            found.append(operator)
            continue
        behind = _dense_readers(graph, readers, operator.name) if isinstance(operator, Activation) else None
        if behind is None:
            return None
        found.extend(behind)
    return found
