"""JSON: the report as it is, and as github-action-benchmark takes it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from edgebench.compare.metrics import METRICS
from edgebench.compare.records import Comparison, ComparisonReport
from edgebench.ground.errors import UsageError
from edgebench.report.comparison.build import wording

# Charts read better in these than in base units: factor and name.
_UNITS: Final = {"s": (1e3, "ms"), "B": (1e-6, "MB"), "1": (1.0, "")}


def json(value: Any) -> str:
    """Any record as one indented JSON document, in base units."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def benchmark_action(report: ComparisonReport) -> str:
    """The customSmallerIsBetter JSON of github-action-benchmark (its README, "tool"): one entry a new value.

    The range is that of the ratio's interval. Raises UsageError for a report that is no comparison.
    """
    if not isinstance(report, ComparisonReport):
        raise UsageError("benchmark-action is a format of `edgebench compare` only; use json")
    return json([_entry(row) for row in report.comparisons if row.new is not None])


def _entry(row: Comparison) -> dict[str, Any]:
    factor, unit = _UNITS[row.unit]
    value = (row.new or 0.0) * factor
    entry: dict[str, Any] = {"name": f"{row.cell.label}: {METRICS[row.metric].title}", "unit": unit, "value": value}
    if row.low is not None and row.high is not None and row.ratio:
        entry["range"] = f"± {value * (row.high - row.low) / 2 / row.ratio:.3g}"
    entry["extra"] = f"{wording(row)}: {row.reason}"
    return entry
