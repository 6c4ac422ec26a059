"""Histories and answers to queries, as a table, as Markdown or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import numpy as np

from edgebench.compare.database import QueryResult
from edgebench.compare.history import Change, History, Point, Series
from edgebench.ground.errors import unknown
from edgebench.ground.units import show_seconds
from edgebench.report import output
from edgebench.report.comparison import show_sheet
from edgebench.report.comparison.sheet import Line, Sheet, fits, vertical

FORMATS: Final = ("table", "markdown", "json")

_BARS: Final = "▁▂▃▄▅▆▇█"
_TREND_WIDTH: Final = 40


def check_format(form: str) -> str:
    """Returns `form`; UsageError when it is none of FORMATS."""
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    return form


def show(past: History, form: str) -> None:
    """Prints a history."""
    if form == "json":
        output.json(past)
    else:
        show_sheet(history(past), form)


def show_answer(result: QueryResult, form: str) -> None:
    """Prints the rows of a query; a table wider than the terminal as one line a column and row."""
    shown = rows(result)
    if form == "json":
        output.json([dict(zip(result.columns, row, strict=True)) for row in result.rows])
    elif form == "table" and not fits(shown, output.room(output.wide_console(sys.stdout))):
        for line in vertical(shown):
            output.line(line)
    else:
        show_sheet(shown, form)


def history(past: History) -> Sheet:
    """One line a level: since when, by which commit, how many results, how fast, and against the level before."""
    return Sheet(
        title="Latency over time (p10 of a process)",
        columns=("series", "since", "commit", "results", "latency", "change", "verdict"),
        numbers=frozenset({"results", "latency", "change"}),
        lines=tuple(line for series in past.series for line in _levels(series)),
        notes=tuple(note for series in past.series for note in _notes(series)),
    )


def rows(result: QueryResult) -> Sheet:
    """The rows of a query, unjudged."""
    unit = "row" if len(result.rows) == 1 else "rows"
    lines = tuple(Line("", "", tuple(map(_text, row)), "info", unit, "") for row in result.rows)
    columns = range(len(result.columns))
    numeric = {result.columns[i] for i in columns if all(isinstance(row[i], int | float) for row in result.rows)}
    return Sheet(title="", columns=result.columns, numbers=frozenset(numeric), lines=lines)


def _levels(series: Series) -> Iterator[Line]:
    counts = [change.results_before for change in series.changes]
    first = series.changes[0].before_s if series.changes else float(np.median([p.latency_s for p in series.points]))
    yield _line(series, series.points[0], counts[0] if counts else len(series.points), first, None)
    for change in series.changes:
        yield _line(series, change.first, change.results_after, change.after_s, change)


def _line(series: Series, point: Point, count: int, latency_s: float, change: Change | None) -> Line:
    verdict = "start" if change is None else "slower" if change.ratio > 1 else "faster"
    name = f"{series.name}" + ("" if series.provenance == "measured" else f", {series.provenance}")
    moved = "-" if change is None else f"{change.ratio - 1:+.1%}"
    texts = (name, _day(point.time), _short(point.commit), str(count), show_seconds(latency_s), moved, verdict)
    reason = "" if change is None else f"{moved} since {_day(point.time)}, commit {_short(point.commit)}"
    return Line(series.name, _day(point.time), texts, "info" if change is None else "pass", verdict, reason)


def _notes(series: Series) -> Iterator[str]:
    # The medians of up to 40 stretches as bars, from the fastest to the slowest.
    values = np.array([point.latency_s for point in series.points])
    medians = np.array([np.median(part) for part in np.array_split(values, min(_TREND_WIDTH, len(values)))])
    low, high = float(medians.min()), float(medians.max())
    steps = np.zeros(len(medians)) if high == low else (medians - low) / (high - low)
    bars = "".join(_BARS[round(step * (len(_BARS) - 1))] for step in steps)
    yield f"{series.name}: {bars} {show_seconds(low)} to {show_seconds(high)}"
    bad = series.first_bad
    if bad is not None:
        commits = f"first bad commit {_short(bad.first.commit)}, last good {_short(bad.last_before.commit)}"
        also = f"; with it changed {', '.join(bad.also_changed)}" if bad.also_changed else ""
        yield f"{series.name}: {commits}{also}"


def _day(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M")


def _short(commit: str | None) -> str:
    return commit[:12] if commit else "-"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
