"""The headline of latency samples: the median of the process medians, and an interval over them.

Samples inside one process are not independent (they share its memory layout, its cache colours, its moment), so the
process is the unit of replication.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

CONFIDENCE = 0.95


def interval(medians: Sequence[float]) -> tuple[float, float] | None:
    """Bounds of the median process median with at least 95% confidence; None for fewer than two processes.

    From six processes on: order statistics, x(k) and x(n+1-k) with the largest k that keeps the exact binomial
    coverage 1 - 2 P(B(n, 1/2) < k) at 95% or above; this holds for every continuous distribution (Conover, Practical
    Nonparametric Statistics, 3rd ed., section 3.2; benchstat does the same).
    Below six no pair of order statistics reaches 95% (five: 93.75%), so there a shape must be assumed: Student's t on
    the logarithms (latencies err by factors), widened to the smallest and largest median where these lie outside.
    That holds 95% for log-normal process medians, and 1 - 2^(1-n) for any shape.
    """
    ordered, count = sorted(medians), len(medians)
    if count < 2:
        return None
    if count >= 6:
        rank = order_rank(count)
        return ordered[rank - 1], ordered[count - rank]
    from statistics import fmean, stdev  # it imports a lot, and a listing needs neither

    logs = [math.log(value) for value in ordered]
    half = student_t(count - 1) * stdev(logs) / math.sqrt(count)
    centre = fmean(logs)
    return min(ordered[0], math.exp(centre - half)), max(ordered[-1], math.exp(centre + half))


def order_rank(count: int) -> int:
    """The largest k for which x(k)..x(n+1-k) covers the median with at least 95% confidence; n must be 6 or more."""
    outside, rank = 0.0, 0
    while True:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - CONFIDENCE:
            return rank
        rank += 1


def student_t(freedom: int) -> float:
    """Two-sided 95% points of Student's t for one to four degrees of freedom (any table of it, to three decimals)."""
    return (12.706, 4.303, 3.182, 2.776)[freedom - 1]
