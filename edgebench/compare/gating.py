"""Holds results against budgets: over, below the band, within, or too uncertain to say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from edgebench.compare.budgets import Band, Budget, Waiver
from edgebench.compare.metrics import METRICS
from edgebench.compare.pairing import newest
from edgebench.compare.records import Cell
from edgebench.compare.statistics import disturbance
from edgebench.compare.verdicts import conclude
from edgebench.ground.records import SCHEMA, Interval, Provenance, Record, Result, headline

GateVerdict = Literal["within", "over", "below", "inconclusive", "missing", "failed", "waived"]


class Gate(Record, frozen=True, kw_only=True):
    """One budget's metric against one result: `value`, bounded by `low` and `high` at `confidence`, against the budget.

    All in base units. `least` and `most` are allowed. A missing result has no cell; a bound that is not set is None.
    """

    budget: str
    cell: Cell | None = None
    metric: str
    unit: str
    provenance: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    least: float | None = None
    most: float | None = None
    verdict: GateVerdict
    reason: str


class GateReport(Record, frozen=True, kw_only=True):
    """All budgets of a file against a set of results."""

    schema: int = SCHEMA
    budgets_name: str
    results_name: str
    gates: tuple[Gate, ...]

    @property
    def failing(self) -> tuple[Gate, ...]:
        """The rows that are outside their budget, failed or missing."""
        return tuple(gate for gate in self.gates if gate.verdict in ("over", "below", "missing", "failed"))

    @property
    def undecided(self) -> tuple[Gate, ...]:
        """The rows whose interval holds a bound of the budget."""
        return tuple(gate for gate in self.gates if gate.verdict == "inconclusive")

    @property
    def exit_code(self) -> int:
        """1 with an exceeded budget, else 3 with an undecided one, else 0."""
        return 1 if self.failing else 3 if self.undecided else 0


def gate(
    results: Sequence[Result],
    budgets: Sequence[Budget],
    waivers: Sequence[Waiver],
    *,
    names: tuple[str, str] = ("budgets", "results"),
) -> GateReport:
    """Holds the newest result of every cell against each budget that matches it; a budget without one is missing."""
    cells = newest(results)
    rows = [row for budget in budgets for row in _gates(budget, cells, waivers)]
    return GateReport(budgets_name=names[0], results_name=names[1], gates=tuple(rows))


def check(report: GateReport) -> None:
    """Raises Regression (exit code 1) or Inconclusive (3) when a budget is not kept, or cannot be said to be."""
    failing, undecided = (
        [f"{row.budget} {row.metric}: {row.reason}" for row in rows] for rows in (report.failing, report.undecided)
    )
    conclude("budgets", len(report.gates), failing, undecided)


def _gates(budget: Budget, cells: Mapping[Cell, Result], waivers: Sequence[Waiver]) -> Iterator[Gate]:
    """The rows of one budget: each of its metrics against each matching result that has it, else one of missing."""
    matching = {cell: result for cell, result in cells.items() if _matches(budget, cell, result)}
    # Of several waivers of one metric the first counts.
    waived = {(each.device, each.model, each.metric): each for each in reversed(waivers)}
    for metric, band in budget.bands.items():
        rows = [_row(budget, metric, band, cell, result) for cell, result in matching.items()]
        missing = [*rows, _verdict_only(budget, metric, band, "missing", "there is no result for it")][:1]
        waiver = waived.get((budget.device, budget.model, metric))
        for row in [row for row in rows if row.verdict != "missing"] or missing:
            if waiver is None or row.verdict not in ("over", "below", "missing", "failed"):
                yield row
            else:
                reason = f"{row.verdict} ({row.reason}), waived until {waiver.until}: {waiver.reason}"
                yield msgspec.structs.replace(row, verdict="waived", reason=reason)


def _matches(budget: Budget, cell: Cell, result: Result) -> bool:
    wanted = (budget.device, budget.format, budget.precision, budget.runtime, budget.threads)
    held = (result.device, result.export.format, result.export.precision, result.runtime, cell.threads)
    return budget.model in (result.model.name, result.model.key) and all(
        asked in (None, has) for asked, has in zip(wanted, held, strict=True)
    )


def _row(budget: Budget, metric: str, band: Band, cell: Cell, result: Result) -> Gate:
    if result.status == "failed":
        return _verdict_only(budget, metric, band, "failed", result.error or "failed without a message", cell)
    if result.status == "invalid":
        return _verdict_only(budget, metric, band, "inconclusive", f"the run is invalid: {result.error}", cell)
    interval = _value(result, metric) if result.status == "ok" else None
    if interval is None:
        lacking = f"the result has no {METRICS[metric].title}"
        if metric == "latency" and result.provenance == "emulated":
            lacking = "emulated latencies are not gated: use instructions, or an estimate"
        return _verdict_only(budget, metric, band, "missing", result.error or lacking, cell)
    verdict, reason = _judge(interval, band, result.provenance)
    judged = _verdict_only(budget, metric, band, verdict, reason, cell)
    judged = msgspec.structs.replace(judged, value=interval.value, provenance=result.provenance)
    if not interval.is_bounded:
        return judged
    low, high, confidence = interval.low, interval.high, interval.confidence
    return msgspec.structs.replace(judged, low=low, high=high, confidence=confidence)


def _verdict_only(
    budget: Budget, metric: str, band: Band, verdict: GateVerdict, reason: str, cell: Cell | None = None
) -> Gate:
    return Gate(
        budget=budget.label,
        cell=cell,
        metric=metric,
        unit=METRICS[metric].unit,
        least=band.low or None,
        most=band.high if band.high != math.inf else None,
        verdict=verdict,
        reason=reason,
    )


def _judge(interval: Interval, band: Band, provenance: Provenance) -> tuple[GateVerdict, str]:
    """Outside only when the whole interval is, within only when the whole interval is."""
    if interval.low > band.high:
        return "over", f"{interval.value / band.high - 1:.1%} over the budget"
    if interval.high < band.low:
        return "below", f"{1 - interval.value / band.low:.1%} below the band: set the new, lower budget"
    if band.low <= interval.low and interval.high <= band.high:
        return "within", ""
    advice = "measure more processes, or on a quieter machine"
    if provenance != "measured":
        advice = "measure on the device, or give a wider budget"
    return "inconclusive", f"the interval holds a bound of the budget: {advice}"


def _exact(value: float) -> Interval:
    return Interval(value=value, low=value, high=value, confidence=1)


def _value(result: Result, metric: str) -> Interval | None:
    """The headline value with its interval; exact values have none, so both bounds are the value.

    A time is the median over processes, as `edgebench profile` prints it; without samples, the estimate. A lone process
    that was timed bounds nothing, and a busy machine's times bound the latency from above only. An emulated time is a
    count times a constant, and exact.
    """
    if metric not in ("latency", "first", "load"):
        reading = METRICS[metric].read(result)
        return _exact(reading.value) if reading else None
    if metric == "latency" and not result.samples_s:
        return result.latency
    samples_s = result.samples_s if metric == "latency" else tuple((time,) for time in getattr(result, f"{metric}_s"))
    interval = headline(samples_s)
    if interval is None or (not interval.is_bounded and result.provenance == "measured"):
        return interval
    if not interval.is_bounded:
        return _exact(interval.value)
    return msgspec.structs.replace(interval, low=interval.low * math.exp(-disturbance(samples_s)))
