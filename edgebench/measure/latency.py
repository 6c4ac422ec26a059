"""Statistics of latency samples. Pure: takes numbers, returns numbers, and knows nothing of files or machines.

The headline is the median of the process medians, with its interval over them (see ground/statistics.py). Percentiles
describe single runs, and are taken over all of them. No sample is ever left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median

from edgebench.ground.records import Record
from edgebench.ground.statistics import interval

# Runs that a percentile needs to be supported at 99% confidence, as MLPerf LoadGen's early stopping counts them: the
# least n with P(B(n, 1 - percentile) <= 1) <= 1%.
RUNS_NEEDED = {"p90": 64, "p95": 130, "p99": 662}
TAIL = ("p95", "p99")

Processes = Sequence[Sequence[float]]


class LatencySummary(Record, frozen=True, kw_only=True):
    """What samples say of a network's latency, in seconds.

    `median` is the median of the process medians; `low` and `high` bound it with at least 95% confidence and are None
    for a single process. A percentile is None where there are too few runs for it, and `refused` says what it needs.
    `cv_between` is the coefficient of variation of the process medians (None for one process), `cv_within` the median
    of the processes' own, `drift` the median over processes of (last third / first third), each by its median.
    """

    processes: int
    runs: int
    median: float
    low: float | None
    high: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    refused: dict[str, str]
    least: float
    most: float
    cv_between: float | None
    cv_within: float
    drift: float


def summarize(latency_s: Processes, *, quick: bool = False) -> LatencySummary:
    """Summarizes `latency_s[process][i]`, in time order. A quick scenario gives no p95 and p99, however many runs.

    Raises ValueError when there is no process, or one without samples.
    """
    if not latency_s or not all(latency_s):
        raise ValueError("every process needs at least one sample")
    medians = [median(samples) for samples in latency_s]
    runs = sorted(sample for samples in latency_s for sample in samples)
    refused = {name: why for name in RUNS_NEEDED if (why := refusal(name, len(runs), quick))}
    shown = {name: None if name in refused else nearest_rank(runs, int(name[1:])) for name in RUNS_NEEDED}
    low, high = interval(medians) or (None, None)
    return LatencySummary(
        processes=len(medians),
        runs=len(runs),
        median=median(medians),
        low=low,
        high=high,
        p90=shown["p90"],
        p95=shown["p95"],
        p99=shown["p99"],
        refused=refused,
        least=runs[0],
        most=runs[-1],
        cv_between=variation(medians),
        cv_within=median(variation(samples) or 0.0 for samples in latency_s),
        drift=median(drift(samples) for samples in latency_s),
    )


def refusal(name: str, runs: int, quick: bool) -> str | None:
    """Why a percentile is not printed, as what it needs; None when it is."""
    if quick and name in TAIL:
        return "needs a run without --quick"
    return f"needs {RUNS_NEEDED[name]} runs" if runs < RUNS_NEEDED[name] else None


def nearest_rank(ordered: Sequence[float], percent: int) -> float:
    """The smallest of the sorted values that at least `percent` % of them do not exceed."""
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


def variation(values: Sequence[float]) -> float | None:
    """Coefficient of variation: standard deviation over mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    mean = fmean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)) / mean


def drift(samples: Sequence[float]) -> float:
    """Median of the last third over median of the first third; 1 for fewer than six samples."""
    third = len(samples) // 3
    return median(samples[-third:]) / median(samples[:third]) if third >= 2 else 1.0
