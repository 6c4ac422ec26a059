"""How a network's latency went over time: one series a cell, the points where it changed, and the first bad commit."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from edgebench.compare.metrics import METRICS
from edgebench.compare.pairing import cell_of, when
from edgebench.compare.records import Cell
from edgebench.compare.statistics import Array
from edgebench.ground import store
from edgebench.ground.errors import MissingPackage, UsageError, unknown
from edgebench.ground.records import SCHEMA, ModelSpec, Record, Result

# A change needs this many results on either side of it: fewer are an incident, not a new level.
LEAST_RESULTS: Final = 3

# PELT's time grows with the square of a series without changes (1 s for 25,000), so longer ones are binned first.
MOST_POINTS: Final = 5000


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
    """The series of a network."""

    schema: int = SCHEMA
    series: tuple[Series, ...]


def history(folder: Path, model: str | None, *, device: str | None = None, threshold: float = 0.05) -> History:
    """Reads every result of `model` (on `device`) under `folder`; changes of less than `threshold` are not told.

    A line that was cut off is warned of. Raises UsageError when there is none, and as store.read does; MissingPackage
    without ruptures.
    """
    names, devices = set[str](), set[str]()
    grouped: dict[Cell, dict[str, Point]] = defaultdict(dict)
    specs: dict[Cell, ModelSpec] = {}
    for file in store.files(folder):
        for result in store.stream(file):
            if result.status != "ok" or not (point := _point(result)):
                continue
            names.add(result.model.name)
            devices.add(result.device)
            if model in (None, result.model.name) and device in (None, result.device):
                cell = cell_of(result)
                specs[cell] = result.model
                grouped[cell].setdefault(point.id, point)  # a baseline holds copies of results
    for kind, asked, known in (("model", model, names), ("device", device, devices)):
        if known and asked is not None and asked not in known:
            raise unknown(f"{kind} in the history", asked, known)
    if not grouped:
        raise UsageError(f"{folder} holds no latency of {model or 'any model'} on {device or 'any device'}")
    return History(
        series=tuple(_series(cell, specs[cell], points.values(), threshold) for cell, points in grouped.items())
    )


def _point(result: Result) -> Point | None:
    """What a series keeps of a result; None where it has no latency."""
    level = METRICS["latency"].read(result)
    if level is None:
        return None
    told = {name: result.environment.get(name) for name in ("commit", "machine")}
    return Point(
        time=when(result),
        latency_s=level.value,
        processes=len(result.samples_s) or None,
        runtime_version=result.runtime_version,
        artifact_sha256=result.artifact_sha256,
        id=result.id,
        **{name: None if value is None else str(value) for name, value in told.items()},
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


def _series(cell: Cell, spec: ModelSpec, found: Iterable[Point], threshold: float) -> Series:
    points = tuple(sorted(found, key=lambda point: point.time))
    starts = change_points(np.array([point.latency_s for point in points]), threshold)
    edges = [0, *starts, len(points)]
    levels = [points[begin:end] for begin, end in pairwise(edges)]
    threads = f"{cell.threads} thread" + ("s" if cell.threads != 1 else "")
    network = f"{spec.name} w{spec.width:g} d{spec.depth:g} r{spec.resolution} {cell.export.replace('-', ' ')}"
    return Series(
        name=f"{network} on {cell.device} ({cell.runtime}, {threads})",
        provenance=cell.provenance,
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
