"""Where activations lie in memory: TFLite's greedy-by-size arena plan, computed from the graph alone.

Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference" (2020), section 5.2; TensorFlow Lite's
arena_planner.cc keeps graph inputs and outputs for the whole run, and so does this plan.

Networks that differ in width and resolution only have the same buffers with the same lifetimes; sizes differ, and with
them the order in which buffers are placed. `place` therefore plans many at once, with one array operation a buffer:
step s places each network's own s-th largest. One graph is a batch of one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgebench.graph.operators import Activation, Binary, Graph, Operator, Reshape, once

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]

ALIGNMENT: Final = 64  # bytes; TFLite's kDefaultTensorAlignment

_IN_PLACE: Final = (Activation, Binary)
_SIZES: Final = {"int32": 4, "bool": 1}  # bytes of what a precision does not change
_CHUNK: Final = 4096  # networks at a time, so that the working arrays stay in a cache
_MANY: Final = 12  # a buffer with more neighbours than this (the input lives through the whole run) is looked at apart
_BITS: Final = 31  # of a size in blocks of ALIGNMENT bytes; as many for an offset
_SIZE: Final = (1 << _BITS) - 1
_UNPLACED: Final = 1 << 2 * _BITS


@dataclass(frozen=True)
class Buffer:
    """A stretch of the arena that is live from operator `first` to operator `last`, both included."""

    tensors: tuple[str, ...]
    size_bytes: int
    first: int
    last: int
    offset: int = 0


@dataclass(frozen=True)
class MemoryPlan:
    """The placed buffers. Tensors that share storage (reshapes, in-place operators) share a buffer."""

    buffers: tuple[Buffer, ...]

    @property
    def peak_bytes(self) -> int:
        """Size of the arena."""
        return max((buffer.offset + buffer.size_bytes for buffer in self.buffers), default=0)

    @property
    def offsets(self) -> dict[str, int]:
        """Byte offset of every tensor in the arena."""
        return {tensor: buffer.offset for buffer in self.buffers for tensor in buffer.tensors}


@once
def plan_arena(graph: Graph, element_bytes: int = 4) -> MemoryPlan:
    """Plans the activations of `graph`, `element_bytes` an element, aligned to 64 bytes.

    Largest buffers are placed first, each into the tightest gap left by the placed buffers it coexists with.
    """
    buffers = lifetimes(graph, element_bytes)
    sizes = np.array([[buffer.size_bytes for buffer in buffers]])
    offsets = place(sizes, np.array([b.first for b in buffers]), np.array([b.last for b in buffers]))[0].tolist()
    return MemoryPlan(tuple(replace(b, offset=offset) for b, offset in zip(buffers, offsets, strict=True)))


def lifetimes(graph: Graph, element_bytes: int = 4) -> list[Buffer]:
    """Returns the unplaced buffers of `graph` by their first use, tensors that share storage merged into one."""
    # Inputs and outputs are read after the last step, by the caller.
    last_use = {operator.name: step for step, operator in enumerate(graph.operators)}
    for step, operator in enumerate(graph.operators):
        last_use.update(dict.fromkeys(operator.inputs, step))
    last_use |= dict.fromkeys((*(one.name for one in graph.inputs), *graph.outputs), len(graph.operators))
    buffers: dict[str, Buffer] = {}
    for step, operator in enumerate(graph.operators):
        last = last_use[operator.name]
        shared = _shares_with(graph, operator, step, buffers)
        if shared is None:
            size = aligned(operator.elements * _SIZES.get(operator.dtype, element_bytes))
            buffers[operator.name] = Buffer((operator.name,), size, step, last)
            continue
        merged = replace(shared, tensors=(*shared.tensors, operator.name), last=max(shared.last, last))
        buffers.update(dict.fromkeys(merged.tensors, merged))
    return list({buffer.tensors: buffer for buffer in buffers.values()}.values())


def _shares_with(graph: Graph, operator: Operator, step: int, buffers: dict[str, Buffer]) -> Buffer | None:
    """The buffer that `operator` writes into instead of one of its own."""
    if isinstance(operator, Reshape):
        return buffers[operator.inputs[0]]
    if isinstance(operator, _IN_PLACE):
        for producer in graph.producers(operator):
            buffer = buffers[producer.name]
            same = (producer.elements, producer.dtype) == (operator.elements, operator.dtype)
            if same and buffer.last == step:
                return buffer
    return None


def aligned(size: Any) -> Any:
    """`size` bytes, or an array of such, rounded up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def place(sizes: Ints, first: Ints, last: Ints) -> Ints:
    """Returns the offsets of each network's buffers in its arena.

    `sizes` is (networks, buffers) in aligned bytes, buffers in the order of their first use; each is live from operator
    `first` to `last`, both included.
    """
    overlap = (first[:, None] <= last[None, :]) & (first[None, :] <= last[:, None])
    np.fill_diagonal(overlap, False)
    neighbours = [np.flatnonzero(row) for row in overlap]
    is_many = np.array([len(each) > _MANY for each in neighbours])
    row = np.where(is_many, np.cumsum(is_many), np.cumsum(~is_many)) - 1
    few = [each for each, many in zip(neighbours, is_many, strict=True) if not many]
    many = [each for each, many in zip(neighbours, is_many, strict=True) if many]
    tables = _Tables(_padded(few, len(neighbours)), _padded(many, len(neighbours)), row, is_many)
    chunks = [_placed(sizes[at : at + _CHUNK], tables) for at in range(0, len(sizes), _CHUNK)]
    return np.concatenate(chunks) if chunks else np.zeros_like(sizes)


@dataclass(frozen=True)
class _Tables:
    """Neighbours as padded rows; `row` says where a buffer's are, in the table of the few or of the many."""

    few: Indices
    many: Indices
    row: Indices
    is_many: npt.NDArray[np.bool_]


def _padded(rows: list[Indices], dummy: int) -> Indices:
    width = max((len(row) for row in rows), default=1)
    table = np.full((max(1, len(rows)), max(1, width)), dummy, dtype=np.intp)
    for at, row in enumerate(rows):
        table[at, : len(row)] = row
    return table


def _placed(sizes: Ints, tables: _Tables) -> Ints:
    networks, buffers = sizes.shape
    # An offset and a size in one number, so that sorting by offsets keeps sizes beside them; a dummy stays unplaced.
    placed = np.full((networks, buffers + 1), _UNPLACED, dtype=np.int64)
    blocks = sizes // ALIGNMENT
    order = np.argsort(-sizes, axis=1, kind="stable")
    for step in range(buffers):
        chosen = order[:, step]
        for table, here in ((tables.few, ~tables.is_many[chosen]), (tables.many, tables.is_many[chosen])):
            rows = np.flatnonzero(here)
            if len(rows):
                buffer = chosen[rows]
                wanted = blocks[rows, buffer]
                offset = _best_gap(placed[rows[:, None], table[tables.row[buffer]]], wanted)
                placed[rows, buffer] = offset << _BITS | wanted
    return (placed[:, :-1] >> _BITS) * ALIGNMENT


def _best_gap(neighbours: Ints, wanted: Ints) -> Ints:
    """Where each network's buffer goes: the smallest gap between its placed neighbours that holds it, else the end."""
    neighbours.sort(axis=1)
    starts = neighbours >> _BITS
    is_placed = neighbours < _UNPLACED
    ends = np.where(is_placed, starts + (neighbours & _SIZE), 0)
    reached = np.maximum.accumulate(ends, axis=1)
    gaps = starts.copy()
    gaps[:, 1:] -= reached[:, :-1]
    gaps[~is_placed | (gaps < wanted[:, None])] = _UNPLACED
    best = gaps.argmin(axis=1)
    lanes = np.arange(len(starts))
    before = np.where(best > 0, reached[lanes, best - 1], 0)
    return np.where(gaps[lanes, best] < _UNPLACED, before, reached[:, -1])
