"""The comparison view's data: every verdict with its reason, and what differs between the two sides."""

from __future__ import annotations

from typing import Any

from edgebench.compare.differences import explain
from edgebench.compare.records import Comparison, ComparisonReport


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
        "verdict": row.verdict,
        "reason": row.reason,
        "differences": [f"{each}: {explain(each)}" if explain(each) else str(each) for each in row.differences],
    }
