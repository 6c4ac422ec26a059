"""Reports of edgebench.compare as sheets and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NotRequired, TypedDict

from edgebench.compare.ab import AbReport
from edgebench.compare.gating import Gate, GateReport
from edgebench.compare.metrics import METRICS
from edgebench.compare.pairing import explain
from edgebench.compare.records import Comparison, ComparisonReport
from edgebench.compare.sequential import is_bounded
from edgebench.compare.statistics import QUANTILE
from edgebench.compare.verdicts import percent
from edgebench.ground.errors import UsageError
from edgebench.ground.units import show_bytes, show_seconds
from edgebench.report import output
from edgebench.report.comparison.sheet import Line, LineStatus, Sheet

_OUTCOMES: dict[str, LineStatus] = {
    "slower": "fail", "missing": "fail", "failed": "fail", "over": "fail", "below": "fail",
    "inconclusive": "undecided", "faster": "better", "same": "pass", "within": "pass", "new": "info", "waived": "info",
}  # fmt: skip


def sheet(report: ComparisonReport | GateReport | AbReport) -> Sheet:
    """The report as a table without a format."""
    if isinstance(report, GateReport):
        return gates(report)
    return ab(report) if isinstance(report, AbReport) else comparison(report)


def comparison(report: ComparisonReport) -> Sheet:
    """One line a cell and metric. Metrics that do not decide are marked, and neither fail nor stay open."""
    return Sheet(
        title=f"{report.new_name} against {report.base_name}",
        columns=("model", "file", "where", "metric", "base", "new", "new/base", "95% interval", "verdict"),
        numbers=frozenset({"base", "new", "new/base", "95% interval"}),
        lines=tuple(_comparison_line(row) for row in report.comparisons),
        notes=(*_notes(report), *report.notes),
        grouped=3,
    )


def gates(report: GateReport) -> Sheet:
    """One line a budget, metric and result."""
    held = {(row.provenance, row.confidence) for row in report.gates if row.confidence and row.low != row.high}
    shares = ", ".join(f"{percent(share)} {how}" for how, share in sorted(held))
    return Sheet(
        title=f"{report.results_name} against {report.budgets_name}",
        columns=("budget", "metric", "provenance", "value", "interval", "allowed", "verdict"),
        numbers=frozenset({"value", "interval", "allowed"}),
        lines=tuple(_gate_line(row) for row in report.gates),
        notes=(f"Intervals: {shares}",) if held else (),
    )


def ab(report: AbReport) -> Sheet:
    """One line: the ratio after the last pair."""
    ratio, pairs = report.ratio, len(report.path)
    line = Line(
        name=report.new_name,
        aspect="latency",
        texts=(
            report.base_name,
            report.new_name,
            str(pairs),
            f"{report.elapsed_s:.0f} s",
            f"{ratio.value:.3f}",
            _span(ratio.low, ratio.high, "ratio") if is_bounded(ratio, pairs) else "-",
            report.verdict,
        ),
        outcome=_OUTCOMES[report.verdict],
        verdict=report.verdict,
        reason=report.reason,
    )
    interval = f"{percent(ratio.confidence)} interval"
    return Sheet(
        title=f"{report.new_name} against {report.base_name}, in turn",
        columns=("base", "new", "pairs", "time", "new/base", interval, "verdict"),
        numbers=frozenset({"pairs", "time", "new/base", interval}),
        lines=(line,),
        notes=("The interval is valid however often it was looked at.",),
    )


def differences(report: ComparisonReport) -> Sheet:
    """Every difference between the two sides, once, with what it does to a timing."""
    cells = {row.cell: row.differences for row in report.comparisons if row.differences}
    seen = Counter(difference for found in cells.values() for difference in found)
    lines = []
    for each, count in seen.items():
        weight = "decisive" if each.decisive else "minor"
        texts = (each.name, each.base, each.new, str(count), weight, explain(each))
        lines.append(Line(each.name, "", texts, "undecided" if each.decisive else "info", weight, ""))
    return Sheet(
        title=f"What differs between {report.base_name} and {report.new_name}",
        columns=("what", "base", "new", "cells", "weight", "what it does"),
        numbers=frozenset({"cells"}),
        lines=tuple(lines),
        notes=() if seen else ("Nothing that the results tell of their environments differs.",),
    )


def _comparison_line(row: Comparison) -> Line:
    cell = row.cell
    where = f"{cell.device} {cell.runtime} x{cell.threads}" + (f" batch {cell.batch}" if cell.batch != 1 else "")
    if cell.provenance != "measured":
        where += f" ({cell.provenance})"
    verdict = wording(row)
    shown = verdict if row.decides else f"{verdict} (shown only)"
    texts = (
        cell.model,
        cell.export,
        where,
        METRICS[row.metric].title if row.metric else "-",
        show(row.base, row.unit),
        show(row.new, row.unit),
        "-" if row.ratio is None else f"{row.ratio:.3f}",
        "-" if row.low is None or row.high is None else _span(row.low, row.high, "ratio"),
        shown,
    )
    return Line(
        name=cell.label,
        aspect=row.metric,
        texts=texts,
        outcome=_OUTCOMES[row.verdict] if row.decides else "info",
        verdict=verdict,
        reason=row.reason,
        details=row.details,
        counted=row.decides,
    )


def wording(row: Comparison) -> str:
    """The verdict in the metric's own word: a file is not slower but larger."""
    metric = METRICS.get(row.metric)
    words = {"slower": metric.worse, "faster": metric.better} if metric else {}
    return words.get(row.verdict, row.verdict)


def _gate_line(row: Gate) -> Line:
    bounded = row.low is not None and row.high is not None and row.low < row.high
    interval = _span(row.low, row.high, row.unit) if bounded else "-"
    name = row.cell.label if row.cell else row.budget
    least = f"{show(row.least, row.unit)} to " if row.least is not None else "up to "
    texts = (
        name,
        row.metric,
        row.provenance,
        show(row.value, row.unit),
        interval,
        least + (show(row.most, row.unit) if row.most is not None else "any"),
        row.verdict,
    )
    return Line(name, row.metric, texts, _OUTCOMES[row.verdict], row.verdict, row.reason)


def _notes(report: ComparisonReport) -> Iterator[str]:
    if any(row.metric == "latency" and row.cell.provenance == "measured" for row in report.comparisons):
        yield f"Latency: the {QUANTILE * 100:.0f}th percentile of each process, and the median over processes of these"
    if report.geometric_means:
        parts = (f"{each.metric} {each.ratio:.3f} ({each.cells})" for each in report.geometric_means)
        yield f"Geometric mean of new/base (cells): {', '.join(parts)}"
    decisive = dict.fromkeys(
        str(difference) for row in report.comparisons for difference in row.differences if difference.decisive
    )
    yield from (f"The two sides differ: {each}" for each in decisive)
    if any(row.differences for row in report.comparisons):
        yield "All differences of the environments, and what they do: --why"


def show(value: float | None, unit: str) -> str:
    """A value in base units as people read it."""
    if value is None:
        return "-"
    if unit == "s":
        return show_seconds(value)
    if unit == "B":
        return show_bytes(value)
    return f"{value:,.0f}" if value >= 1 else f"{value:.2g}"


def _span(low: float | None, high: float | None, unit: str) -> str:
    if unit == "ratio":
        return f"{low:.3f} to {high:.3f}"
    return f"{show(low, unit)} to {show(high, unit)}"


# Charts read better in these than in base units: factor and name.
_UNITS: Final = {"s": (1e3, "ms"), "B": (1e-6, "MB"), "1": (1.0, "")}


class Benchmark(TypedDict):
    """One value of github-action-benchmark."""

    name: str
    unit: str
    value: float
    range: NotRequired[str]
    extra: str


def benchmark_action(report: ComparisonReport) -> str:
    """The customSmallerIsBetter JSON of github-action-benchmark (its README, "tool"): one entry a new value.

    The range is that of the ratio's interval. Raises UsageError for a report that is no comparison.
    """
    if not isinstance(report, ComparisonReport):
        raise UsageError("benchmark-action is a format of `edgebench compare` only; use json")
    entries = []
    for row in report.comparisons:
        if row.new is not None:
            factor, unit = _UNITS[row.unit]
            value = row.new * factor
            entry: Benchmark = {
                "name": f"{row.cell.label}: {METRICS[row.metric].title}",
                "unit": unit,
                "value": value,
                "extra": f"{wording(row)}: {row.reason}",
            }
            if row.low is not None and row.high is not None and row.ratio:
                entry["range"] = f"± {value * (row.high - row.low) / 2 / row.ratio:.3g}"
            entries.append(entry)
    return output.document(entries)
