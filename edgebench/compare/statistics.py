"""Comparing two sets of processes: pure arrays in, numbers out. Nothing here knows of files, devices or verdicts.

One process gives one value, since the inferences inside a process share its memory layout, its place among the
caches and the load of the machine at that moment; treating them as independent finds differences where there are none.

The test is Mann-Whitney's, exact. The interval of the ratio inverts the very same test (Hodges and Lehmann 1963,
Annals of Mathematical Statistics 34), so test and interval never disagree. A percentile bootstrap was tried beside it
and covers less than it says at the 7 to 10 processes that a gate has: see tests/benchmarks/compare_statistics.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The significance that a change must reach: asv's, `asv/_stats.py`.
ALPHA: Final = 0.002
CONFIDENCE: Final = 0.95

# The value of one process: its 10th percentile. On a shared machine the upper half of a process's samples is the
# neighbours' work. Over 100 processes of one file on such a machine the median varied by 3.9%, the 10th percentile by
# 2.5%, the minimum by 1.9%; the minimum falls with the number of samples, a percentile does not.
QUANTILE: Final = 0.10

# Two runs of one file on a shared machine differ by its load, which the processes of a run share and no test over
# them can see. In three pools (100, 250 and 120 processes; load averages of about 1, 0.3 to 6, and 5 to 9 on two cores)
# 1500 comparisons of ten processes with ten later ones of the same file were significant and above 5% in 0, 1.8% and 6%
# of cases; with the two rules below in 0, 0 and 0, and of ten with any other ten in 0, 0.6% and 0.

# A change has to exceed this many standard deviations between processes: their spread shows how far the machine's
# load changes the times.
DRIFT: Final = 2.0

# From here on a run counts as disturbed: its processes' medians lie this far (in ln) above their 10th percentiles. On
# an idle shared machine it was 0.02 to 0.06, with eight runnable processes on two cores 0.28 to 0.45.
DISTURBED: Final = 0.10

# How many times its own unrest two stretches of ten processes of one disturbed file can differ by: 2.7 at most in 600
# comparisons with eight runnable processes on two cores.
DISTURBANCE: Final = 3.0


@dataclass(frozen=True)
class Effect:
    """What `new` does relative to `base`.

    `ratio` is new/base (above 1 is more), `low` and `high` its interval at CONFIDENCE; infinite where there are too few
    processes for one. `p` is the two-sided exact p-value, `noise` the standard deviation of ln(value) between
    processes.
    """

    ratio: float
    low: float
    high: float
    p: float
    noise: float


def process_values(samples: Sequence[Sequence[float]], quantile: float = QUANTILE) -> Array:
    """One value a process: the given quantile of its samples. Processes without samples are left out."""
    return np.array([np.quantile(process, quantile) for process in samples if len(process)], dtype=np.float64)


def unrest(samples: Sequence[Sequence[float]]) -> float:
    """ln(median / 10th percentile) inside a process, the median over processes; 0 without samples."""
    gaps = [float(np.log(np.median(process) / np.quantile(process, QUANTILE))) for process in samples if len(process)]
    return float(np.median(gaps)) if gaps else 0.0


def disturbance(samples: Sequence[Sequence[float]]) -> float:
    """By how much (in ln) a busy machine may have lengthened these processes: 0 unless they are disturbed."""
    gap = unrest(samples)
    return DISTURBANCE * gap if gap >= DISTURBED else 0.0


def effect(base: Array, new: Array) -> Effect:
    """Compares the processes' values of two sides, both positive and not empty."""
    base_log, new_log = np.log(base), np.log(new)
    differences = np.sort(np.subtract.outer(new_log, base_log).ravel())
    low, high = _interval(differences, len(base), len(new))
    below = int(np.count_nonzero(differences <= 0))  # a tie counts for the null hypothesis
    above = int(np.count_nonzero(differences >= 0))
    return Effect(
        ratio=math.exp(float(np.median(differences))),
        low=low,
        high=high,
        p=min(1.0, 2 * float(_null_cdf(len(base), len(new))[min(below, above)])),
        noise=_noise(base_log, new_log),
    )


def least_processes(alpha: float = ALPHA) -> int:
    """The fewest processes a side with which the exact test can reach `alpha` at all: 7 for 0.002."""
    count = 2
    while 2 / math.comb(2 * count, count) >= alpha:
        count += 1
    return count


def processes_needed(noise: float, threshold: float) -> int:
    """Processes a side for an interval of +-threshold/2 when ln(value) varies by `noise` between processes.

    Normal approximation: half-width = 1.96 * noise * sqrt(2/n), over the test's efficiency of 3/pi against the mean.
    """
    half = math.log1p(threshold) / 2
    return max(least_processes(), math.ceil(2 * (1.96 * noise / half) ** 2 * math.pi / 3))


def _interval(differences: Array, base: int, new: int) -> tuple[float, float]:
    """The differences that the test at CONFIDENCE cannot reject: all but the `rank` outermost on either side."""
    rank = int(np.searchsorted(_null_cdf(base, new), (1 - CONFIDENCE) / 2, side="right"))
    if rank == 0:
        return 0.0, math.inf
    return math.exp(differences[rank - 1]), math.exp(differences[-rank])


@lru_cache(maxsize=64)
def _null_cdf(base: int, new: int) -> Array:
    """P(U <= u) for u = 0..base*new when both sides are of one distribution.

    Mann and Whitney 1947: the largest of all values belongs to `new` (and exceeds all of `base`) or to `base`.
    """
    size = base * new + 1
    row = [np.eye(1, size)[0] for _ in range(base + 1)]
    for i in range(1, new + 1):
        for j in range(1, base + 1):
            shifted = np.pad(row[j], (j, 0))[:size]
            row[j] = shifted * (i / (i + j)) + row[j - 1] * (j / (i + j))
    return np.cumsum(row[base])


def _noise(base_log: Array, new_log: Array) -> float:
    """Pooled standard deviation between processes; 0 where each side has one."""
    freedom = len(base_log) + len(new_log) - 2
    if freedom < 1:
        return 0.0
    squares = sum(float(np.sum((side - side.mean()) ** 2)) for side in (base_log, new_log))
    return math.sqrt(squares / freedom)
