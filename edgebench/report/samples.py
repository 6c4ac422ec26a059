"""The samples of one measurement as its plots need them: every run, or of many the telling ones; and their spread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from statistics import median
from typing import Any

from edgebench.ground.records import Measurement
from edgebench.ground.units import show_seconds
from edgebench.measure.latency import drift, nearest_rank, variation

# Points that a plot of one cell draws at most: beyond it a browser gets slow and the dots run into one another.
MOST_POINTS = 2400
QUANTILES = 100
# A run at hundreds of times the median is one dot, and must not flatten all others: the plot ends at this factor over
# the slowest process's 95th percentile, and what is beyond it is drawn at its edge.
FRAME = 1.3


def in_order(latency_s: Sequence[Sequence[float]], most: int = MOST_POINTS) -> list[dict[str, Any]]:
    """Rows {"run", "process", "latency_s"} in time order, runs numbered over all processes; "edge_s" beyond the frame.

    Of more than `most` runs, each stretch of equally many gives its fastest, its median and its slowest run.
    """
    edge = frame(latency_s)
    begins = accumulate(map(len, latency_s), initial=0)
    stretch = -(-3 * sum(map(len, latency_s)) // most)
    return [
        {"run": begin + run, "process": process, "latency_s": _short(samples[run])}
        | ({"edge_s": _short(edge)} if samples[run] > edge else {})
        for process, (begin, samples) in enumerate(zip(begins, latency_s, strict=False), 1)
        for run in telling(samples, stretch)
    ]


def frame(latency_s: Sequence[Sequence[float]]) -> float:
    """The latency at which the plots of these samples end, in seconds."""
    return FRAME * max(nearest_rank(sorted(samples), 95) for samples in latency_s if samples)


def telling(samples: Sequence[float], stretch: int) -> Iterator[int]:
    """The numbers of the fastest, the median and the slowest run of each `stretch` runs; all when it is 3 or less."""
    if stretch <= 3:
        yield from range(len(samples))
        return
    for begin in range(0, len(samples), stretch):
        ordered = sorted(range(begin, min(begin + stretch, len(samples))), key=samples.__getitem__)
        yield from sorted({ordered[0], ordered[len(ordered) // 2], ordered[-1]})


def starts(latency_s: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Rows {"run", "process"}: the first run of each process."""
    begins = accumulate(map(len, latency_s), initial=0)
    return [{"run": begin, "process": process} for process, begin in enumerate(list(begins)[:-1], 1)]


def quantiles(latency_s: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Rows {"process", "share", "latency_s"}: nearest-rank percentiles of each process, as far as the frame."""
    edge = frame(latency_s)
    return [
        {"process": process, "share": percent / QUANTILES, "latency_s": _short(value)}
        for process, samples in enumerate(latency_s, 1)
        for ordered in [sorted(samples)]
        for percent in range(QUANTILES + 1)
        for value in [nearest_rank(ordered, percent)]
        if value <= edge
    ]


def processes(result: Measurement) -> list[dict[str, Any]]:
    """One row a process: its times, how they spread and drift, and the clock and temperature before and after."""
    readings = result.environment.get("readings")
    readings = readings if isinstance(readings, list) else []
    return [
        {
            "process": number + 1,
            "load_s": _at(result.load_s, number),
            "first_s": _at(result.first_s, number),
            "runs": len(samples),
            "fastest_s": min(samples),
            "median_s": median(samples),
            "slowest_s": max(samples),
            "variation": variation(samples),
            "drift": drift(samples),
            "frequency_hz": _pair(readings, number, "frequency_hz"),
            "temperature_c": _pair(readings, number, "temperature_c"),
        }
        for number, samples in enumerate(result.latency_s)
        if samples
    ]


def notes(latency_s: Sequence[Sequence[float]], most: int = MOST_POINTS) -> list[str]:
    """What a plot of these samples leaves out or moves, one sentence each."""
    count = sum(map(len, latency_s))
    edge = frame(latency_s)
    beyond = sum(run > edge for samples in latency_s for run in samples)
    found = []
    if (stretch := -(-3 * count // most)) > 3:
        found.append(f"Of each {stretch} of the {count:,} runs the fastest, the median and the slowest are drawn.")
    if beyond:
        slowest = show_seconds(max(map(max, latency_s)))
        found.append(
            f"{beyond:,} runs beyond {show_seconds(edge)} stand at the upper edge; the slowest took {slowest}."
        )
    return found


def _at(values: Sequence[float], number: int) -> float | None:
    return values[number] if number < len(values) else None


def _pair(readings: Sequence[Any], process: int, name: str) -> list[float | None]:
    """The reading after warm-up and the one after the last run of a process."""
    both = readings[2 * process : 2 * process + 2]
    return [reading.get(name) if isinstance(reading, dict) else None for reading in both]


def _short(value: float) -> float:
    return float(f"{value:.5g}")
