"""Confirmation in rounds: what the first files tell about the estimates decides which files are looked at next.

Estimates for one device and runtime are off by a factor that hardly differs between neighbouring networks. So after the
finalists every estimate is multiplied by what the confirmed ones were off by, and as long as the best network by these
values has not been confirmed itself, it is next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

import numpy as np

from edgebench.choose.budget import Budget
from edgebench.choose.confirm import Confirmation
from edgebench.choose.pool import Columns, Pool
from edgebench.choose.records import Point
from edgebench.choose.selection import Selection, select
from edgebench.errors import Regression

MORE: Final = 3  # files beyond the first finalists, at most

Confirm = Callable[[Sequence[Point]], Iterable[Confirmation]]


@dataclass(frozen=True)
class Settled:
    """Everything that was confirmed, and the pool with what that tells of all others; see `corrected`."""

    tried: tuple[Confirmation, ...]
    pool: Pool


def settle(
    pool: Pool, budget: Budget, selection: Selection, describe: Callable[[int], Point], confirm: Confirm
) -> Settled:
    """Confirms the selection's finalists and what turns out to be better, each once."""
    tried: dict[int, Confirmation] = {}
    wanted, told = list(selection.finalists), pool
    while wanted:
        tried |= zip(wanted, confirm([describe(index) for index in wanted]), strict=True)
        told = replace(pool, columns=corrected(pool.columns, describe, tried))
        best = _best(told, budget)
        room = len(tried) < len(selection.finalists) + MORE
        wanted = [best] if room and best is not None and best not in tried else []
    return Settled(tuple(tried.values()), told)


def corrected(columns: Columns, describe: Callable[[int], Point], tried: Mapping[int, Confirmation]) -> Columns:
    """The columns with confirmed values where there are any, and every other estimate as far off as those were."""
    known = {index: each.point for index, each in tried.items() if each.error is None}
    latency, memory, size = columns.latency.copy(), columns.memory.copy(), columns.size.copy()
    for variant in {int(columns.variant[index]) for index in known}:
        mine = columns.variant == variant
        points = {index: point for index, point in known.items() if mine[index]}
        latency[mine] *= _factor([p.latency_s.value / describe(i).latency_s.value for i, p in points.items()])
        memory[mine] *= _factor(
            [p.peak_memory_bytes / m for i, p in points.items() if p.peak_memory_bytes and (m := float(memory[i]))]
        )
    for index, point in known.items():
        latency[index], size[index] = point.latency_s.value, point.size_bytes
        memory[index] = point.peak_memory_bytes or memory[index]
    failed = [index for index, each in tried.items() if each.error is not None]
    latency[failed] = np.inf
    return replace(columns, latency=latency, memory=memory, size=size)


def _best(pool: Pool, budget: Budget) -> int | None:
    try:
        return select(pool, budget, 1).finalists[0]
    except Regression:
        return None


def _factor(ratios: Sequence[float]) -> float:
    """The middle of the ratios; 1 where there is none."""
    return median(ratios) if ratios else 1.0
