"""How a network's latency went over time: one series a cell, the points where it changed, and the first bad commit."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from edgebench.compare import database
from edgebench.compare.statistics import Array
from edgebench.ground.errors import MissingPackage, UsageError, unknown
from edgebench.ground.records import SCHEMA, Record

# A change needs this many results on either side of it: fewer are an incident, not a new level.
LEAST_RESULTS: Final = 3

# PELT's time grows with the square of a series without changes (1 s for 25,000), so longer ones are binned first.
MOST_POINTS: Final = 5000

_SERIES: Final = (
    *("model", "width", "depth", "resolution", "format", "precision"),
    *("device", "runtime", "threads", "provenance"),
)
_POINT: Final = ("time", "processes", "commit", "runtime_version", "machine", "artifact_sha256", "id")
_COLUMNS: Final = (*_SERIES, *_POINT, "latency_p10_s", "status", "schema", "kind", "file")


class Point(Record, frozen=True, kw_only=True):
    """One stored result of a series; `latency_s` is the median of its processes' 10th percentiles, or the estimate."""

    time: datetime
    latency_s: float
    processes: int | None
    commit: str | None
    runtime_version: str | None
    machine: str | None
    artifact_sha256: str | None
    id: str


class Change(Record, frozen=True, kw_only=True):
    """A new level that begins at `first`: the levels' medians, their ratio (above 1 is slower), what else changed."""

    first: Point
    last_before: Point
    before_s: float
    after_s: float
    ratio: float
    results_before: int
    results_after: int
    also_changed: tuple[str, ...]


class Series(Record, frozen=True, kw_only=True):
    """All results of one cell in time order, and where they changed."""

    name: str
    provenance: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...]

    @property
    def first_bad(self) -> Change | None:
        """The latest change for the worse, unless the latency came back since."""
        return self.changes[-1] if self.changes and self.changes[-1].ratio > 1 else None


class History(Record, frozen=True, kw_only=True):
    """The series of a network, and how many stored lines could not be read."""

    schema: int = SCHEMA
    series: tuple[Series, ...]
    unreadable: int = 0


def history(folder: Path, model: str | None, *, device: str | None = None, threshold: float = 0.05) -> History:
    """Reads every result of `model` (on `device`) under `folder`; changes of less than `threshold` are not told.

    Raises UsageError when there is none, or one of a newer schema; MissingPackage without DuckDB or ruptures.
    """
    rows = _rows(folder, {"model": model, "device": device})
    known = [row for row in rows if row["schema"] is not None]
    newest = max((row["schema"] for row in known), default=0)
    if newest > SCHEMA:
        raise UsageError(
            f"the results hold records of schema {newest} and this edgebench reads up to {SCHEMA}: "
            "pip install --upgrade edgebench"
        )
    once = {row["id"]: row for row in known}.values()  # a baseline holds copies of results
    good = [row for row in once if row["status"] == "ok" and 0 < (row["latency_p10_s"] or 0) < math.inf and row["time"]]
    if not good:
        raise _nothing(folder, model, device)
    grouped: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in good:
        grouped[tuple(row[name] for name in _SERIES)].append(row)
    return History(
        series=tuple(_series(group, threshold) for group in grouped.values()), unreadable=len(rows) - len(known)
    )


def change_points(values: Array, threshold: float) -> list[int]:
    """Indices at which a new level begins, in time order, for positive values; levels differ by more than `threshold`.

    PELT (Killick, Fearnhead and Eckley 2012, JASA 107) on ln(value), by the package ruptures, with the penalty
    3 s^2 ln(n) and s from the median absolute step, which a few jumps do not move. Neighbouring levels whose medians
    differ by less than the threshold are one level.
    """
    if len(values) < 2 * LEAST_RESULTS:
        return []
    logs = np.log(values)
    width = math.ceil(len(logs) / MOST_POINTS)
    if width == 1:
        return _merged(logs, _pelt(logs), math.log1p(threshold))
    bins = np.median(logs[: len(logs) // width * width].reshape(-1, width), axis=1)
    return [_refined(logs, start * width, width) for start in _merged(bins, _pelt(bins), math.log1p(threshold))]


def _pelt(logs: Array) -> list[int]:
    try:
        import ruptures
    except ModuleNotFoundError as error:
        raise MissingPackage("ruptures", "history", "finding change points") from error
    noise = max(1.4826 * float(np.median(np.abs(np.diff(logs)))) / math.sqrt(2), 1e-4)
    detector = ruptures.KernelCPD(kernel="linear", min_size=LEAST_RESULTS).fit(logs.reshape(-1, 1))
    return [int(end) for end in detector.predict(pen=3 * noise**2 * math.log(len(logs)))][:-1]


def _refined(logs: Array, start: int, width: int) -> int:
    """The split within a bin of `start` that leaves the least absolute error around the medians of either side."""
    begin, end = max(0, start - 2 * width), min(len(logs), start + 2 * width)
    window = logs[begin:end]
    before, after = np.median(window[:width]), np.median(window[-width:])
    errors = np.cumsum(np.abs(window - before) - np.abs(window - after))
    return begin + int(np.argmin(errors)) + 1


def _merged(logs: Array, starts: list[int], least: float) -> list[int]:
    """Drops the smallest step again and again until every step between neighbouring medians is `least` or more."""
    while starts:
        edges = [0, *starts, len(logs)]
        levels = [float(np.median(logs[begin:end])) for begin, end in pairwise(edges)]
        steps = [abs(after - before) for before, after in pairwise(levels)]
        smallest = int(np.argmin(steps))
        if steps[smallest] >= least:
            return starts
        starts = starts[:smallest] + starts[smallest + 1 :]
    return starts


def _rows(folder: Path, wanted: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """The lines that match, in time order, and those that could not be read.

    The files are read for measurements first, and those that hold estimates once more for these.
    """
    asked = {column: value for column, value in wanted.items() if value is not None}
    matching, values = " AND ".join(f"{column} = ?" for column in asked) or "TRUE", tuple(asked.values())
    rows = _select(database.files_of(folder), "samples", f'({matching}) OR "schema" IS NULL', values)
    estimated = sorted({Path(row["file"]) for row in rows if row["kind"] == "estimate"})
    if not estimated:
        return rows
    others = [row for row in rows if row["kind"] != "estimate"]
    return [*others, *_select(estimated, "interval", f"({matching}) AND kind = 'estimate'", values)]


def _select(
    files: Sequence[Path], latency: database.Latency, condition: str, values: tuple[str, ...]
) -> list[dict[str, Any]]:
    columns = ", ".join(f'"{name}"' for name in _COLUMNS)
    sql = f"SELECT {columns} FROM results WHERE {condition} ORDER BY time"
    answer = database.run(database.connect(files, latency), sql, values)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def _series(rows: Sequence[Mapping[str, Any]], threshold: float) -> Series:
    points = tuple(Point(latency_s=row["latency_p10_s"], **{name: row[name] for name in _POINT}) for row in rows)
    starts = change_points(np.array([point.latency_s for point in points]), threshold)
    edges = [0, *starts, len(points)]
    levels = [points[begin:end] for begin, end in pairwise(edges)]
    row = rows[0]
    threads = f"{row['threads']} thread" + ("s" if row["threads"] != 1 else "")
    cell = f"{row['model']} w{row['width']:g} d{row['depth']:g} r{row['resolution']} {row['format']} {row['precision']}"
    return Series(
        name=f"{cell} on {row['device']} ({row['runtime']}, {threads})",
        provenance=row["provenance"],
        points=points,
        changes=tuple(_change(before, after) for before, after in pairwise(levels)),
    )


def _change(before: Sequence[Point], after: Sequence[Point]) -> Change:
    level_before, level_after = (float(np.median([point.latency_s for point in level])) for level in (before, after))
    first, last = after[0], before[-1]
    changed = [
        f"{name.replace('_', ' ')}: {getattr(last, name)}, now {getattr(first, name)}"
        for name in ("runtime_version", "machine", "artifact_sha256")
        if getattr(last, name) != getattr(first, name)
    ]
    return Change(
        first=first,
        last_before=last,
        before_s=level_before,
        after_s=level_after,
        ratio=level_after / level_before,
        results_before=len(before),
        results_after=len(after),
        also_changed=tuple(changed),
    )


def _nothing(folder: Path, model: str | None, device: str | None) -> UsageError:
    """The error for a model or device that no stored result has."""
    answer = database.query(folder, "SELECT DISTINCT model, device FROM results WHERE status = 'ok'")
    models, devices = ({row[column] for row in answer.rows if row[column]} for column in (0, 1))
    if model is not None and models and model not in models:
        return unknown("model in the history", model, models)
    if device is not None and devices and device not in devices:
        return unknown("device in the history", device, devices)
    return UsageError(f"{folder} holds no latency of {model or 'any model'} on {device or 'any device'}")
