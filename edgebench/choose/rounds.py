"""Confirmation in rounds: what the first files tell about the estimates decides which files are looked at next.

Estimates for one device and runtime are off by a factor that hardly differs between neighbouring networks. So after
the finalists every estimate is multiplied by what the confirmed ones were off by, give or take how much they differ in
that. Next is the network that promises most: how much more accurate it is than the best confirmed one, times the chance
that it keeps the latency limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median, stdev
from typing import Final

import msgspec
import numpy as np

from edgebench.choose.budget import Budget, feasible
from edgebench.choose.confirm import Confirmation
from edgebench.choose.pool import Columns, Pool
from edgebench.choose.records import Point
from edgebench.choose.selection import Selection

MORE: Final = 5  # files beyond the first finalists, at most
_GAIN: Final = 0.1  # points of accuracy that the next file must promise
_LEAST_SPREAD: Final = 0.02  # of what confirmed networks were off by, in ln: few of them may agree by chance

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
        room = len(tried) < len(selection.finalists) + MORE
        wanted = _next(told.columns, budget, tried, _spread(describe, tried)) if room else []
    return Settled(tuple(tried.values()), told)


def corrected(columns: Columns, describe: Callable[[int], Point], tried: Mapping[int, Confirmation]) -> Columns:
    """The columns with confirmed values where there are any, and every other estimate as far off as those were."""
    known = {index: each.point for index, each in tried.items() if each.error is None}
    latency, memory, size = columns.latency.copy(), columns.memory.copy(), columns.size.copy()
    for variant in {int(columns.variant[index]) for index in known}:
        mine = columns.variant == variant
        points = {index: point for index, point in known.items() if mine[index]}
        latency[mine] *= median([p.latency_s.value / describe(i).latency_s.value for i, p in points.items()])
        known_memory = [(p.peak_memory_bytes, float(memory[i])) for i, p in points.items() if p.peak_memory_bytes]
        memory[mine] *= median([actual / told for actual, told in known_memory if told] or [1.0])
    for index, point in known.items():
        latency[index], size[index] = point.latency_s.value, point.size_bytes
        memory[index] = point.peak_memory_bytes or memory[index]
    failed = [index for index, each in tried.items() if each.error is not None]
    latency[failed] = np.inf
    return replace(columns, latency=latency, memory=memory, size=size)


def _next(columns: Columns, budget: Budget, tried: Mapping[int, Confirmation], spread: float) -> list[int]:
    """The candidate that promises most, or none."""
    limit = budget.max_latency_s
    kept = feasible(msgspec.structs.replace(budget, max_latency_s=None), columns.quantities()).astype(float)
    chance = kept
    if limit is not None and spread == 0:
        chance = kept * (columns.latency <= limit)
    elif limit is not None:  # the logarithm of a latency is off by `spread`, a standard deviation
        from scipy.special import ndtr

        chance = kept * ndtr(np.log(limit / columns.latency) / spread)
    confirmed = [index for index, each in tried.items() if each.error is None]
    fits = feasible(budget, columns.quantities())
    best = max((float(columns.accuracy[index]) for index in confirmed if fits[index]), default=0.0)
    promise = np.maximum(columns.accuracy - best, 0.0) * chance
    promise[list(tried)] = 0.0
    most = int(np.lexsort((columns.latency, -promise))[0])
    return [most] if promise[most] >= _GAIN else []


def _spread(describe: Callable[[int], Point], tried: Mapping[int, Confirmation]) -> float:
    """How much confirmed networks differ in what their estimates were off by; zero where no latency was confirmed."""
    points = {i: each.point for i, each in tried.items() if each.error is None and each.point.provenance != "estimated"}
    off = [math.log(point.latency_s.value / describe(index).latency_s.value) for index, point in points.items()]
    return max(_LEAST_SPREAD, stdev(off) if len(off) > 1 else 0.0) if off else 0.0
