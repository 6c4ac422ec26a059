"""Which candidates matter: the best within the limits, its ties, what comes next, and the frontier: the points that no
other beats, accuracy upwards, latency and memory downwards.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec.structs import replace

from edgebench.choose.budget import Budget, feasible, infeasible
from edgebench.choose.pool import Columns, Pool
from edgebench.choose.prior import TIE, Floats, Mask
from edgebench.graph.memory import Indices

FINALISTS: Final = 4
_FRONTIER: Final = 24  # points of a frontier that are shown
_BEYOND: Final = 4.0  # times the picked latency up to which a frontier is shown
_NEAR: Final = 1.1  # a near miss breaks its limit by at most this factor
_NEAR_ACCURACY: Final = 1.0  # or lacks at most this many points
_NEAR_MISSES: Final = 3
_APART: Final = 0.02  # points of accuracy by which near misses differ, so that they are not all neighbours


@dataclass(frozen=True)
class Selection:
    """Indices of candidates. `finalists` are the best first; `upgrade` is None where nothing is better by a tie.

    `frontier` shows some of `frontier_points`.
    """

    finalists: list[int]
    ties: list[int]
    upgrade: int | None
    frontier: list[int]
    frontier_points: int
    near_misses: list[int]


def select(pool: Pool, budget: Budget, finalists: int = FINALISTS) -> Selection:
    """Selects by estimates. Raises Regression, naming the tightest limit and what works, when nothing fits."""
    columns = pool.columns
    fits = feasible(budget, columns.quantities())
    if not fits.any():
        raise infeasible(budget, columns.quantities())
    best = _best_first(columns, np.flatnonzero(fits))
    picked = int(best[0])
    better = columns.accuracy >= columns.accuracy[picked] + TIE
    # The fastest of these that keep the other limits is the upgrade, where there are any.
    kept = better & feasible(replace(budget, max_latency_s=None), columns.quantities())
    among = np.flatnonzero(kept if kept.any() else better)
    shown, points = _shown_frontier(columns, budget, picked)
    return Selection(
        finalists=_spread(columns, best, finalists),
        ties=_ties(columns, np.flatnonzero(fits), picked),
        upgrade=int(among[np.argmin(columns.latency[among])]) if len(among) else None,
        frontier=shown,
        frontier_points=points,
        near_misses=_near_misses(columns, budget, fits, picked),
    )


def _best_first(columns: Columns, among: Indices) -> Indices:
    """Accuracy downwards; equals by latency."""
    order = np.lexsort((columns.latency[among], -columns.accuracy[among]))
    return among[order]


def _spread(columns: Columns, ordered: Indices, number: int) -> list[int]:
    """The first of `ordered`, and then those that each differ a little in accuracy from the one before."""
    kept: list[int] = []
    for index in ordered.tolist():
        if not kept or abs(columns.accuracy[kept[-1]] - columns.accuracy[index]) >= _APART:
            kept.append(index)
        if len(kept) == number:
            break
    return kept


def _ties(columns: Columns, fits: Indices, picked: int) -> list[int]:
    """The fastest and the smallest network whose accuracy the prior cannot tell from the picked one's."""
    alike = fits[columns.accuracy[fits] > columns.accuracy[picked] - TIE]
    fastest = int(alike[np.argmin(columns.latency[alike])])
    space = columns.memory if columns.memory.any() else columns.size  # a runtime's memory may not be known
    smallest = int(alike[np.argmin(space[alike])])
    return [index for index in dict.fromkeys((fastest, smallest)) if index != picked]


def _shown_frontier(columns: Columns, budget: Budget, picked: int) -> tuple[list[int], int]:
    """Accuracy against latency, and accuracy against memory, thinned, and of how many; the picked point is on it."""
    reach = columns.latency <= _BEYOND * columns.latency[picked]
    among = np.flatnonzero(reach)
    zeros = np.zeros(len(among))
    by_latency = among[frontier(columns.accuracy[among], columns.latency[among], zeros)]
    by_memory = among[frontier(columns.accuracy[among], zeros, columns.memory[among])]
    chosen = {picked, *_thinned(by_latency), *_thinned(by_memory)}
    points = len({picked, *by_latency.tolist(), *by_memory.tolist()})
    return sorted(chosen, key=lambda index: float(columns.latency[index])), points


def _thinned(ordered: Indices) -> list[int]:
    steps = np.unique(np.linspace(0, len(ordered) - 1, min(_FRONTIER, len(ordered))).round().astype(int))
    return [int(index) for index in ordered[steps]]


def _near_misses(columns: Columns, budget: Budget, fits: Mask, picked: int) -> list[int]:
    """Better networks that break a limit by a little, and the next best that break none."""
    limits = {name: limit * _NEAR for name, limit in budget.limits().items()}
    loose = Budget(
        max_latency_s=limits.get("latency"),
        max_memory_bytes=round(limits["memory"]) if "memory" in limits else None,
        max_size_bytes=round(limits["size"]) if "size" in limits else None,
        min_accuracy=None if budget.min_accuracy is None else budget.min_accuracy - _NEAR_ACCURACY,
    )
    almost = np.flatnonzero(feasible(loose, columns.quantities()) & ~fits)
    better = almost[columns.accuracy[almost] > columns.accuracy[picked]]
    nearest = _spread(columns, _best_first(columns, better), _NEAR_MISSES)
    others = np.setdiff1d(np.flatnonzero(fits), [picked])
    return [*nearest, *_spread(columns, _best_first(columns, others), _NEAR_MISSES)]


def without_repeats(groups: Sequence[Sequence[int]], known: Sequence[int]) -> list[int]:
    """All indices of the groups in order, each once, those in `known` left out."""
    seen = set(known)
    return [index for index in dict.fromkeys(index for group in groups for index in group) if index not in seen]


def frontier(accuracy: Floats, latency_s: Floats, memory_bytes: Floats) -> Indices:
    """Positions of the points that no other equals or beats in all three, the fastest first.

    Of several points that are equal in all three the first stays.
    """
    order = np.lexsort((np.arange(len(accuracy)), memory_bytes, latency_s, -accuracy))
    # Points seen so far are at least as accurate; the staircase holds the fastest for each amount of memory.
    latencies: list[float] = []
    memories: list[float] = []
    kept = []
    for index in order.tolist():
        latency, memory = float(latency_s[index]), float(memory_bytes[index])
        faster = bisect_right(latencies, latency)
        if faster and memories[faster - 1] <= memory:
            continue
        kept.append(index)
        at = bisect_left(latencies, latency)
        end = at
        while end < len(memories) and memories[end] >= memory:
            end += 1
        latencies[at:end] = [latency]
        memories[at:end] = [memory]
    unbeaten = np.array(kept, dtype=np.intp)
    return unbeaten[np.argsort(latency_s[unbeaten], kind="stable")]
