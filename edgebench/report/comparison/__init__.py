"""Comparisons, gates and A/B answers in every format that a terminal or a CI system reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from edgebench.compare.records import ComparisonReport
from edgebench.ground.errors import UsageError
from edgebench.ground.registry import Registry

if TYPE_CHECKING:
    from edgebench.compare.ab import AbReport
    from edgebench.compare.gating import GateReport
    from edgebench.report.comparison.sheet import Sheet

    Judged = ComparisonReport | GateReport | AbReport

_HERE: Final = "edgebench.report.comparison"
FORMATS: Final = Registry(
    "format",
    {
        "table": f"{_HERE}.sheet:plain",
        "markdown": f"{_HERE}.sheet:markdown",
        "json": "edgebench.report.output:document",
        "junit": f"{_HERE}.sheet:junit",
        "github": f"{_HERE}.sheet:github",
        "benchmark-action": f"{_HERE}.build:benchmark_action",
    },
)

# Formats of the record itself; all others are made from its sheet.
_OF_RECORD: Final = ("json", "benchmark-action")

# Formats that can hold a second table.
_EXPLAINING: Final = ("table", "markdown")


def render(report: Judged, form: str) -> str:
    """The report as text in one of FORMATS.

    Raises UsageError for an unknown format, and for benchmark-action of anything but a comparison.
    """
    from edgebench.report.comparison.build import sheet

    form = FORMATS.resolve(form)
    subject: Any = report if form in _OF_RECORD else sheet(report)
    text: str = FORMATS.load(form)(subject)
    return text


def check_format(form: str, *, why: bool = False) -> str:
    """Returns the format's own spelling. Raises UsageError when it is unknown, or cannot hold what --why adds."""
    form = FORMATS.resolve(form)
    if why and form not in _EXPLAINING:
        raise UsageError(f"--why goes with {' and '.join(_EXPLAINING)}; json holds the differences in any case")
    return form


def show(report: Judged, form: str, *, why: bool = False) -> None:
    """Prints the report to standard output, a table with colours where that is a terminal.

    `why` adds the differences between the environments of a comparison.
    """
    from edgebench.report.comparison import build

    if form not in _EXPLAINING:
        print(render(report, form), end="")
        return
    show_sheet(build.sheet(report), form)
    if why and isinstance(report, ComparisonReport):
        show_sheet(build.differences(report), form)


def show_sheet(shown: Sheet, form: str) -> None:
    """Prints a sheet as a table or as Markdown."""
    from edgebench.report import output
    from edgebench.report.comparison.sheet import markdown, table

    if form == "markdown":
        print(markdown(shown), end="")
    else:
        output.blocks(*table(shown))
