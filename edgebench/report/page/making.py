"""From stored results to a page on the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgebench.compare.records import ComparisonReport
from edgebench.ground.paths import write
from edgebench.report import accuracy, stored
from edgebench.report.page import page
from edgebench.report.page.payload import Limits, Request, payload


def write_report(
    source: str,
    output: Path,
    *,
    base: str | None = None,
    accuracies: Path | None = None,
    choice: Path | None = None,
    latency_budget_s: float | None = None,
    memory_budget_bytes: float | None = None,
    on_warning: Callable[[str], None],
    limits: Limits | None = None,
) -> None:
    """Writes the page of the results that `source` names, compared with those of `base` where it is given.

    Both are a file, a folder, or a git revision of either (main:results/baseline). `accuracies` is a CSV file, see
    accuracy.py. `choice` is what `edgebench scale -o` wrote; it becomes a section. Raises UsageError for sources that
    hold no results, and MissingPackage without the extra `report`.
    """
    warnings: list[str] = []

    def warn(sentence: str) -> None:
        warnings.append(sentence)
        on_warning(sentence)

    known = accuracy.read(accuracies) if accuracies else accuracy.Accuracies()
    found = stored.load(source, on_warning=warn)
    comparison = _compared(base, source, found, warn) if base else None
    given = {"latency_s": latency_budget_s, "memory_bytes": memory_budget_bytes}
    request = Request(
        source=source,
        accuracies=known,
        budgets={name: value for name, value in given.items() if value is not None},
        comparison=comparison,
        warnings=tuple(warnings),
        limits=limits or Limits(),
    )
    write(output, page(payload(found, request), _choice(choice)).encode())


def _choice(path: Path | None) -> str:
    if path is None:
        return ""
    from edgebench.report import choice_page

    return choice_page.section(choice_page.read(path))


def _compared(base: str, source: str, found: stored.Stored, warn: Callable[[str], None]) -> ComparisonReport:
    from edgebench.compare import sources
    from edgebench.compare.comparing import Settings, compare

    newest = [found.read(points[-1]) for points in found.series.values()]
    return compare(sources.load(base, on_warning=warn), newest, Settings(), names=(base, source))
