"""The activation arenas of many networks at once: graph.memory's greedy-by-size plan, one array operation a buffer.

Networks that differ in width and resolution only have the same buffers with the same lifetimes; sizes differ, and
with them the order in which the plan places buffers. So step s places each network's own s-th largest buffer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]

_CHUNK: Final = 4096  # networks at a time, so that the working arrays stay in a cache
_MANY: Final = 12  # a buffer with more neighbours than this (the input lives through the whole run) is looked at apart
_UNPLACED: Final = np.iinfo(np.int64).max // 4


@dataclass(frozen=True)
class Lifetimes:
    """Buffers in the order of their `first` use; each is live from operator `first` to `last`, both included."""

    first: Ints
    last: Ints

    def neighbours(self) -> list[Indices]:
        """For each buffer the others that are live at some operator at the same time."""
        overlap = (self.first[:, None] <= self.last[None, :]) & (self.first[None, :] <= self.last[:, None])
        np.fill_diagonal(overlap, False)
        return [np.flatnonzero(row) for row in overlap]


def peak_bytes(sizes: Ints, lifetimes: Lifetimes) -> Ints:
    """Returns each network's arena in bytes; `sizes` is (networks, buffers), aligned."""
    tables = _tables(lifetimes.neighbours())
    chunks = [_peaks(sizes[at : at + _CHUNK], tables) for at in range(0, len(sizes), _CHUNK)]
    return np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class _Tables:
    """Neighbours as padded rows; `row` says where a buffer's are, in the table of the few or of the many."""

    few: Indices
    many: Indices
    row: Indices
    is_many: npt.NDArray[np.bool_]


def _tables(neighbours: list[Indices]) -> _Tables:
    is_many = np.array([len(each) > _MANY for each in neighbours])
    row = np.where(is_many, np.cumsum(is_many), np.cumsum(~is_many)) - 1
    few = [each for each, many in zip(neighbours, is_many, strict=True) if not many]
    many = [each for each, many in zip(neighbours, is_many, strict=True) if many]
    return _Tables(_padded(few, len(neighbours)), _padded(many, len(neighbours)), row, is_many)


def _padded(rows: list[Indices], dummy: int) -> Indices:
    width = max((len(row) for row in rows), default=1)
    table = np.full((max(1, len(rows)), max(1, width)), dummy, dtype=np.intp)
    for at, row in enumerate(rows):
        table[at, : len(row)] = row
    return table


def _peaks(sizes: Ints, tables: _Tables) -> Ints:
    networks, buffers = sizes.shape
    padded = np.concatenate([sizes, np.zeros((networks, 1), dtype=np.int64)], axis=1)
    offsets = np.full((networks, buffers + 1), _UNPLACED, dtype=np.int64)
    order = np.argsort(-sizes, axis=1, kind="stable")
    for step in range(buffers):
        placed = order[:, step]
        for table, chosen in ((tables.few, ~tables.is_many[placed]), (tables.many, tables.is_many[placed])):
            rows = np.flatnonzero(chosen)
            if len(rows):
                near = table[tables.row[placed[rows]]]
                offsets[rows, placed[rows]] = _best_gap(
                    offsets[rows[:, None], near], padded[rows[:, None], near], sizes[rows, placed[rows]]
                )
    return np.asarray((offsets[:, :-1] + sizes).max(axis=1))


def _best_gap(offsets: Ints, sizes: Ints, wanted: Ints) -> Ints:
    """Where each network's buffer goes: the smallest gap between its placed neighbours that holds it, else the end."""
    by_offset = np.argsort(offsets, axis=1)
    starts = np.take_along_axis(offsets, by_offset, axis=1)
    is_placed = starts < _UNPLACED
    ends = np.where(is_placed, starts + np.take_along_axis(sizes, by_offset, axis=1), 0)
    reached = np.maximum.accumulate(ends, axis=1)
    before = np.concatenate([np.zeros((len(starts), 1), dtype=np.int64), reached[:, :-1]], axis=1)
    gaps = np.where(is_placed, starts - before, _UNPLACED)
    gaps = np.where(gaps >= wanted[:, None], gaps, _UNPLACED)
    best = gaps.argmin(axis=1)
    lanes = np.arange(len(starts))
    return np.where(gaps[lanes, best] < _UNPLACED, before[lanes, best], reached[:, -1])
