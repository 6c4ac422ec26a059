"""Everything the page shows, as one JSON-able value: rows for all cells, details for a bounded number of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edgebench.compare.records import ComparisonReport
from edgebench.ground.records import Measurement, Result
from edgebench.report import levels, operator_rows, overview, samples
from edgebench.report.accuracy import Accuracies
from edgebench.report.page.compared import compared
from edgebench.report.page.environments import Settings
from edgebench.report.stored import Key, Point, Stored

Details = dict[int, dict[str, Any]]


@dataclass(frozen=True)
class Limits:
    """How much goes into a page, so that a browser stays quick; what is left out is said in the page."""

    rows: int = 20_000
    sample_cells: int = 60
    operator_cells: int = 60
    history_cells: int = 60
    history_points: int = 20_000
    environments: int = 20


@dataclass(frozen=True)
class Request:
    """What the user asked for beside the records. `budgets` has latency_s, memory_bytes, both or neither."""

    source: str
    accuracies: Accuracies = field(default_factory=Accuracies)
    budgets: dict[str, float] = field(default_factory=dict)
    comparison: ComparisonReport | None = None
    warnings: tuple[str, ...] = ()
    limits: Limits = Limits()


def payload(stored: Stored, request: Request) -> dict[str, Any]:
    """The page's data: the newest record of every cell, the newest cells first; those are the ones that get details.

    One record is in memory at a time, since the samples of all cells need not fit.
    """
    newest = sorted(stored.series.items(), key=lambda item: -item[1][-1].time_s)
    page = _Page(request)
    for number, (key, points) in enumerate(newest[: request.limits.rows]):
        page.add(number, key, points, stored.read(points[-1]))
    page.leave_out(len(newest) - len(page.rows), "older cells, which have no row")
    return page.finished(stored)


@dataclass
class _Page:
    """What has been gathered so far."""

    request: Request
    rows: list[list[overview.Value]] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    samples: Details = field(default_factory=dict)
    operators: Details = field(default_factory=dict)
    histories: Details = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    points: int = 0

    def add(self, number: int, key: Key, points: Sequence[Point], result: Result) -> None:
        """Takes one cell with its newest record."""
        self.rows.append(overview.row(result, len(points), self.request.accuracies))
        self.families.append(result.model.family)
        self.cells.append(_facts(key.label, result))
        self.settings.add(result)
        if isinstance(result, Measurement):
            self._add_details(number, result)
        self._add_history(number, key.label, points)

    def _add_details(self, number: int, result: Measurement) -> None:
        limits = self.request.limits
        if result.latency_s:
            if len(self.samples) < limits.sample_cells:
                self.samples[number] = _samples(result)
            else:
                self.leave_out(1, "older cells, whose samples are only in the results folder")
        if result.operators is not None and operator_rows.shown(result.operators):
            if len(self.operators) < limits.operator_cells:
                self.operators[number] = _operators(result)
            else:
                self.leave_out(1, "older cells, whose operators are only in the results folder")

    def _add_history(self, number: int, label: str, points: Sequence[Point]) -> None:
        limits, count = self.request.limits, len(levels.usable(points))
        if count < levels.LEAST_POINTS:
            return
        if len(self.histories) >= limits.history_cells or self.points + count > limits.history_points:
            self.leave_out(1, "older cells, whose history `edgebench history` shows")
            return
        self.points += count
        steps, note = levels.levels(label, points)
        self.notes.update({note: None} if note else {})
        self.histories[number] = {"points": levels.points(label, points), "levels": steps}

    def leave_out(self, count: int, what: str) -> None:
        """Notes that something did not fit; the page says so."""
        if count:
            self.left_out[what] = self.left_out.get(what, 0) + count

    def finished(self, stored: Stored) -> dict[str, Any]:
        """The page's data."""
        request = self.request
        environments = self.settings.environments
        self.leave_out(max(0, len(environments) - request.limits.environments), "more machines or sets of versions")
        return {
            "meta": self._meta(stored),
            "columns": [vars(column) for column in overview.COLUMNS],
            "rows": self.rows,
            "families": self.families,
            "cells": self.cells,
            "samples": self.samples,
            "operators": self.operators,
            "histories": self.histories,
            "environments": environments[: request.limits.environments],
            "methods": self.settings.methods,
            "budgets": [request.budgets] if request.budgets else [],
            "comparison": compared(request.comparison) if request.comparison else None,
        }

    def _meta(self, stored: Stored) -> dict[str, Any]:
        from edgebench.ground.version import __version__

        return {
            "source": self.request.source,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": __version__,
            "records": stored.count,
            "cells": len(stored.series),
            "left_out": [f"{count:,} {what}" for what, count in self.left_out.items()],
            "notes": [*self.notes, *self.request.warnings],
        }


def _facts(label: str, result: Result) -> dict[str, Any]:
    """What the details of a row say beside its numbers."""
    return {
        "label": label,
        "id": result.id,
        "file": result.artifact_sha256,
        "version": result.runtime_version if isinstance(result, Measurement) else None,
        "warnings": list(result.warnings),
        "error": result.error,
    }


def _samples(result: Measurement) -> dict[str, Any]:
    return {
        "samples": samples.in_order(result.latency_s),
        "starts": samples.starts(result.latency_s),
        "quantiles": samples.quantiles(result.latency_s),
        "processes": samples.processes(result),
        "notes": samples.notes(result.latency_s),
    }


def _operators(result: Measurement) -> dict[str, Any]:
    if result.operators is None:
        return {}
    return {
        "counted": not result.operators.is_timed,
        "operators": operator_rows.shown(result.operators),
        "caption": operator_rows.caption(result.operators),
    }
