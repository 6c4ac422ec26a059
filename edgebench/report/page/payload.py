"""Everything the page shows, as one JSON-able value: rows for all cells, details for a bounded number of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from edgebench.compare.pairing import explain
from edgebench.compare.records import Comparison, ComparisonReport
from edgebench.ground.records import Result, Scenario
from edgebench.report import operators, overview, plot_rows
from edgebench.report.accuracy import Accuracies
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
class PageRequest:
    """What the user asked for beside the records. `budgets` has latency_s, memory_bytes, both or neither."""

    source: str
    accuracies: Accuracies = field(default_factory=Accuracies)
    budgets: dict[str, float] = field(default_factory=dict)
    comparison: ComparisonReport | None = None
    warnings: tuple[str, ...] = ()
    limits: Limits = Limits()


def payload(stored: Stored, request: PageRequest) -> dict[str, Any]:
    """The page's data: the newest record of every cell, the newest cells first; those are the ones that get details.

    One record is in memory at a time, since the samples of all cells need not fit.
    """
    newest = sorted(stored.series.items(), key=lambda item: -item[1][-1].time_s)
    page = _Page(request)
    for number, (key, points) in enumerate(newest[: request.limits.rows]):
        page.add(number, key, points, stored.read(points[-1]))
    page.leave_out(len(newest) - len(page.rows), "older cells, which have no row")
    return page.finished(stored)


# What differs from run to run on one machine; the records have it.
CHANGING = ("after", "readings", "engine", "load_1m", "temperature_c", "frequency_hz", "commit", "threads", "throttled",
            "emulated_s", "counted")  # fmt: skip


class Surroundings:
    """Gathers machines and methods, result by result."""

    def __init__(self) -> None:
        self._machines: dict[bytes, tuple[dict[str, str], set[str], list[int]]] = {}
        self._methods: dict[str, None] = {}

    def add(self, result: Result) -> None:
        """Takes one result."""
        if result.environment:
            facts = dict(_facts_of(result.environment))
            key = msgspec.json.encode(facts, order="sorted")
            _, devices, rows = self._machines.setdefault(key, (facts, set(), [0]))
            devices.add(result.device)
            rows[0] += 1
        if result.scenario and result.samples_s:
            self._methods.setdefault(f"{result.provenance.capitalize()}: {scenario(result.scenario)}")
        elif result.latency or result.scenario is None:
            self._methods.setdefault(_calibrated(result))

    @property
    def environments(self) -> list[dict[str, Any]]:
        """One entry a distinct machine and software: its facts as text, the devices, and how many rows it has."""
        return [
            {"facts": facts, "devices": sorted(devices), "rows": rows[0]}
            for facts, devices, rows in self._machines.values()
        ]

    @property
    def methods(self) -> list[str]:
        """One sentence a scenario or calibration that the rows rest on."""
        return list(self._methods)


@dataclass
class _Page:
    """What has been gathered so far."""

    request: PageRequest
    rows: list[list[overview.Value]] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    samples: Details = field(default_factory=dict)
    operators: Details = field(default_factory=dict)
    histories: Details = field(default_factory=dict)
    surroundings: Surroundings = field(default_factory=Surroundings)
    left_out: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)
    points: int = 0

    def add(self, number: int, key: Key, points: Sequence[Point], result: Result) -> None:
        """Takes one cell with its newest record."""
        self.rows.append(overview.row(result, len(points), self.request.accuracies))
        self.families.append(result.model.family)
        self.cells.append(
            {
                "label": key.label,
                "confidence": result.latency.confidence if result.latency and result.latency.is_bounded else None,
                "id": result.id,
                "file": result.artifact_sha256,
                "version": result.runtime_version,
                "warnings": list(result.warnings),
                "error": result.error,
            }
        )
        self.surroundings.add(result)
        self._add_details(number, result)
        self._add_history(number, key.label, points)

    def _add_details(self, number: int, result: Result) -> None:
        limits = self.request.limits
        if result.samples_s:
            if len(self.samples) < limits.sample_cells:
                self.samples[number] = {
                    "samples": plot_rows.in_order(result.samples_s),
                    "starts": plot_rows.starts(result.samples_s),
                    "quantiles": plot_rows.quantiles(result.samples_s),
                    "processes": plot_rows.processes(result),
                    "notes": plot_rows.notes(result.samples_s),
                }
            else:
                self.leave_out(1, "older cells, whose samples are only in the results folder")
        if result.operators is not None and operators.shown(result.operators):
            if len(self.operators) < limits.operator_cells:
                self.operators[number] = {
                    "counted": not result.operators.is_timed,
                    "operators": operators.shown(result.operators),
                    "caption": operators.caption(result.operators),
                }
            else:
                self.leave_out(1, "older cells, whose operators are only in the results folder")

    def _add_history(self, number: int, label: str, points: Sequence[Point]) -> None:
        limits, count = self.request.limits, len(plot_rows.usable(points))
        if count < plot_rows.LEAST_POINTS:
            return
        if len(self.histories) >= limits.history_cells or self.points + count > limits.history_points:
            self.leave_out(1, "older cells, whose history `edgebench history` shows")
            return
        self.points += count
        steps, warning = plot_rows.levels(label, points)
        self.warnings.update({warning: None} if warning else {})
        self.histories[number] = {"points": plot_rows.history_points(label, points), "levels": steps}

    def leave_out(self, count: int, what: str) -> None:
        """Notes that something did not fit; the page says so."""
        if count:
            self.left_out[what] = self.left_out.get(what, 0) + count

    def finished(self, stored: Stored) -> dict[str, Any]:
        """The page's data."""
        request = self.request
        environments = self.surroundings.environments
        self.leave_out(max(0, len(environments) - request.limits.environments), "more machines or sets of versions")
        from edgebench.ground.version import __version__

        return {
            "meta": {
                "source": self.request.source,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "version": __version__,
                "records": stored.count,
                "cells": len(stored.series),
                "left_out": [f"{count:,} {what}" for what, count in self.left_out.items()],
                "notes": [*self.warnings, *self.request.warnings],
            },
            "columns": [vars(column) for column in overview.COLUMNS],
            "rows": self.rows,
            "families": self.families,
            "cells": self.cells,
            "samples": self.samples,
            "operators": self.operators,
            "histories": self.histories,
            "environments": environments[: request.limits.environments],
            "methods": self.surroundings.methods,
            "budgets": [request.budgets] if request.budgets else [],
            "comparison": compared(request.comparison) if request.comparison else None,
        }


def compared(report: ComparisonReport) -> dict[str, Any]:
    """A comparison for the page: its rows, geometric means and notes."""
    return {
        "base": report.base_name,
        "new": report.new_name,
        "rows": [_row(row) for row in report.comparisons],
        "means": [{"metric": mean.metric, "ratio": mean.ratio, "cells": mean.cells} for mean in report.geometric_means],
        "notes": list(report.notes),
        "failing": len(report.failing),
        "undecided": len(report.undecided),
    }


def _row(row: Comparison) -> dict[str, Any]:
    return {
        "cell": row.cell.label,
        "label": f"{row.cell.model} {row.cell.export} {row.cell.device}",
        "metric": row.metric,
        "unit": row.unit,
        "provenance": row.provenance,
        "base": row.base,
        "new": row.new,
        "ratio": row.ratio,
        "low": row.low,
        "high": row.high,
        "confidence": row.confidence,
        "verdict": row.verdict,
        "reason": row.reason,
        "differences": [f"{each}: {explain(each)}" if explain(each) else str(each) for each in row.differences],
    }


def _facts_of(environment: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in environment.items():
        if name in CHANGING or value is None:
            continue
        if isinstance(value, Mapping):
            yield name, ", ".join(f"{key} {version}" for key, version in value.items())
            continue
        text = str(value)
        if isinstance(value, int | float) and name.endswith(("_bytes", "_hz")):
            text = f"{value / 2**30:.1f} GiB" if name.endswith("_bytes") else f"{value / 1e9:.2f} GHz"
        yield name.removesuffix("_bytes").replace("_", " "), text


def scenario(of: Scenario) -> str:
    """A scenario in words."""
    return (
        f"{of.processes} fresh processes; warm-up of at least {of.warmup_runs} runs and {of.warmup_s:g} s, not stored;"
        f" then at least {of.min_runs} runs and {of.min_s:g} s, at most {of.max_s:g} s;"
        f" {of.threads} thread{'s' * (of.threads > 1)}, batch {of.batch}{', quick' * of.quick}."
    )


def _calibrated(result: Result) -> str:
    """What a number that no clock gave rests on."""
    share = f"{result.latency.confidence:.0%}" if result.latency else "a stated share"
    on, where = result.calibrated_on, f"for {result.device} with {result.runtime}"
    begin = f"Estimated {where}: from the network's graph, calibrated on {on or 'one that the record does not name'}"
    if result.scenario:
        begin = f"Emulated {where} (the time is not measured): from {on}"
    return f"{begin}; the interval should hold the device's median in {share} of cases."
