"""What plots draw, as rows: every run of a measurement, its spread, and a cell's history with its levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from statistics import median
from typing import Any

from edgebench.ground.errors import MissingPackage
from edgebench.ground.records import Result
from edgebench.ground.units import show_seconds
from edgebench.measure.latency import Processes, drift, nearest_rank, variation
from edgebench.report.stored import Point

# Points that a plot of one cell draws at most: beyond it a browser gets slow and the dots run into one another.
MOST_POINTS = 2400
QUANTILES = 100
# A run at hundreds of times the median is one dot, and must not flatten all others: the plot ends at this factor over
# the slowest process's 95th percentile, and what is beyond it is drawn at its edge.
FRAME = 1.3
# Changes of less are not told; `edgebench history` has the same default.
THRESHOLD = 0.05
LEAST_POINTS = 2


def in_order(samples_s: Processes, most: int = MOST_POINTS) -> list[dict[str, Any]]:
    """Rows {"run", "process", "latency_s"} in time order, runs numbered over all processes; "edge_s" beyond the frame.

    Of more than `most` runs, each stretch of equally many gives its fastest, its median and its slowest run.
    """
    edge = frame(samples_s)
    begins = accumulate(map(len, samples_s), initial=0)
    stretch = -(-3 * sum(map(len, samples_s)) // most)
    return [
        {"run": begin + run, "process": process, "latency_s": _short(samples[run])}
        | ({"edge_s": _short(edge)} if samples[run] > edge else {})
        for process, (begin, samples) in enumerate(zip(begins, samples_s, strict=False), 1)
        for run in telling(samples, stretch)
    ]


def frame(samples_s: Processes) -> float:
    """The latency at which the plots of these samples end, in seconds."""
    return FRAME * max(nearest_rank(sorted(samples), 95) for samples in samples_s if samples)


def telling(samples: Sequence[float], stretch: int) -> Iterator[int]:
    """The numbers of the fastest, the median and the slowest run of each `stretch` runs; all when it is 3 or less."""
    if stretch <= 3:
        yield from range(len(samples))
        return
    for begin in range(0, len(samples), stretch):
        ordered = sorted(range(begin, min(begin + stretch, len(samples))), key=samples.__getitem__)
        yield from sorted({ordered[0], ordered[len(ordered) // 2], ordered[-1]})


def starts(samples_s: Processes) -> list[dict[str, Any]]:
    """Rows {"run", "process"}: the first run of each process."""
    begins = accumulate(map(len, samples_s), initial=0)
    return [{"run": begin, "process": process} for process, begin in enumerate(list(begins)[:-1], 1)]


def quantiles(samples_s: Processes) -> list[dict[str, Any]]:
    """Rows {"process", "share", "latency_s"}: nearest-rank percentiles of each process, as far as the frame."""
    edge = frame(samples_s)
    return [
        {"process": process, "share": percent / QUANTILES, "latency_s": _short(value)}
        for process, samples in enumerate(samples_s, 1)
        for ordered in [sorted(samples)]
        for percent in range(QUANTILES + 1)
        for value in [nearest_rank(ordered, percent)]
        if value <= edge
    ]


def processes(result: Result) -> list[dict[str, Any]]:
    """One row a process: its times, how they spread and drift, and the clock and temperature before and after."""
    readings = result.environment.get("readings")
    readings = readings if isinstance(readings, list) else []
    return [
        {
            "process": number + 1,
            "load_s": next(iter(result.load_s[number:]), None),
            "first_s": next(iter(result.first_s[number:]), None),
            "runs": len(samples),
            "fastest_s": min(samples),
            "median_s": median(samples),
            "slowest_s": max(samples),
            "variation": variation(samples),
            "drift": drift(samples),
            "frequency_hz": _pair(readings, number, "frequency_hz"),
            "temperature_c": _pair(readings, number, "temperature_c"),
        }
        for number, samples in enumerate(result.samples_s)
        if samples
    ]


def notes(samples_s: Processes, most: int = MOST_POINTS) -> list[str]:
    """What a plot of these samples leaves out or moves, one sentence each."""
    count = sum(map(len, samples_s))
    edge = frame(samples_s)
    beyond = sum(run > edge for samples in samples_s for run in samples)
    left_out = []
    if (stretch := -(-3 * count // most)) > 3:
        left_out.append(f"Of each {stretch} of the {count:,} runs the fastest, the median and the slowest are drawn.")
    if beyond:
        slowest = show_seconds(max(map(max, samples_s)))
        left_out.append(
            f"{beyond:,} runs beyond {show_seconds(edge)} stand at the upper edge; the slowest took {slowest}."
        )
    return left_out


def _pair(readings: Sequence[Any], process: int, name: str) -> list[float | None]:
    """The reading after warm-up and the one after the last run of a process."""
    both = readings[2 * process : 2 * process + 2]
    return [reading.get(name) if isinstance(reading, dict) else None for reading in both]


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def history_points(name: str, stored: Sequence[Point]) -> list[dict[str, Any]]:
    """Rows {"series", "time_s", "latency_s", "commit"} of the records that have a latency, in time order."""
    return [
        {"series": name, "time_s": round(point.time_s), "latency_s": float(f"{point.latency_s:.5g}"),
         "commit": point.commit[:12]}
        for point in usable(stored)
    ]  # fmt: skip


def levels(name: str, stored: Sequence[Point]) -> tuple[list[dict[str, Any]], str]:
    """Rows {"series", "from_s", "to_s", "latency_s", "change", "commit"}, one a level, and a note, empty or a sentence.

    A level lasts from one change to the next; `change` is its ratio to the level before, and empty for the first.
    Without the packages that find changes there is no level, and the note says so.
    """
    good = usable(stored)
    try:
        import numpy as np

        from edgebench.compare.history import change_points

        starts = change_points(np.array([point.latency_s or 0.0 for point in good]), THRESHOLD)
    except MissingPackage as error:
        return [], f"changes are not marked: {error}"
    parts = [good[begin:end] for begin, end in pairwise([0, *starts, len(good)])]
    middles = [median(point.latency_s or 0.0 for point in part) for part in parts]
    ratios = ["", *(f"{after / before - 1:+.1%}" for before, after in pairwise(middles))]
    rows = [
        {"series": name, "from_s": round(part[0].time_s), "to_s": round(part[-1].time_s), "latency_s": middle,
         "change": ratio, "commit": part[0].commit[:12]}
        for part, middle, ratio in zip(parts, middles, ratios, strict=True)
    ]  # fmt: skip
    return rows, ""


def usable(stored: Sequence[Point]) -> list[Point]:
    """The points with a latency that counts."""
    return [point for point in stored if point.status == "ok" and point.latency_s is not None]
