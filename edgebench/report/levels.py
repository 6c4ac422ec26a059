"""The history of a cell as its plot needs it: every stored latency, and the levels between which it changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from edgebench.ground.errors import MissingPackage
from edgebench.report.stored import Point

# Changes of less are not told; `edgebench history` has the same default.
THRESHOLD = 0.05
LEAST_POINTS = 2


def points(name: str, stored: Sequence[Point]) -> list[dict[str, Any]]:
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
        starts = _changes([point.latency_s or 0.0 for point in good])
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


def _changes(latency_s: Sequence[float]) -> list[int]:
    import numpy as np

    from edgebench.compare.history import change_points

    return change_points(np.array(latency_s), THRESHOLD)
