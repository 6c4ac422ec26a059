"""How far a device's estimates are off: on networks left out of the fits, and on published figures that no fit read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from edgebench.estimate.validation import Validation
from edgebench.ground.units import show_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgebench.estimate.counts import CountedCalibration
    from edgebench.estimate.validation import Check, Line

LEGEND = (
    "median, worst: |estimate / published - 1| with each network left out of the fit in turn; new design: the median"
    " with whole designs left out. coverage: published figures inside the 90% interval, which spans interval times up"
    " and down. tau: Kendall's, of the order of the networks."
)


def blocks(found: Validation) -> list[RenderableType]:
    """The three tables and what their columns mean; without published rows a sentence."""
    if not found.calibrations:
        return [Text(f"{found.device} has no calibration, so nothing was validated.")]
    shown: list[RenderableType] = calibrations(found.calibrations)
    if found.counted:
        shown += [Text(), _counted(found.counted)]
    if found.unseen and found.tally:
        tally = found.tally
        closing = (
            f"{tally.rows} published figures that no fit has read: off by {tally.median:.1%} (median), "
            f"{tally.worst:.0%} (worst); {tally.coverage:.0%} lie inside the interval."
        )
        shown += [Text(), _unseen(found.unseen), Text(closing)]
    else:
        shown += [Text(), Text("No published figure was kept from the fits for this device.")]
    return [*shown, Text(LEGEND, style="dim")]


def calibrations(lines: Sequence[Line]) -> list[RenderableType]:
    """A row a calibration, with its error on networks left out, and what is to be known of some."""
    return [_calibrations(lines), *_notes(lines)]


def rows(found: Validation) -> dict[str, Any]:
    """The same for `--json`: seconds and shares."""
    import msgspec

    checks = [{**msgspec.to_builtins(check), "error": check.error, "inside": check.inside} for check in found.unseen]
    built: dict[str, Any] = msgspec.to_builtins(found)
    return {**built, "unseen": checks}


def _table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in left:
        table.add_column(name)
    for name in right:
        table.add_column(name, justify="right")
    return table


def _calibrations(lines: Sequence[Line]) -> Table:
    columns = "thr", "rows", "networks", "median", "worst", "coverage", "interval", "tau", "new design"
    table = _table("Estimated from the graph", ("runtime", "prec"), columns)
    for line in lines:
        table.add_row(
            line.runtime,
            line.precision,
            str(line.threads),
            str(line.rows),
            str(line.networks),
            f"{line.median:.1%}",
            f"{line.worst:.0%}",
            f"{line.coverage:.0%}",
            f"{line.interval:.2f}x",
            f"{line.kendall_tau:.2f}",
            f"{line.new_design:.1%}",
        )
    return table


def _notes(lines: Sequence[Line]) -> list[Text]:
    """Each note once, with the cells that it is of."""
    concerned: dict[str, list[str]] = {}
    for line in lines:
        if line.note:
            concerned.setdefault(line.note, []).append(f"{line.runtime} {line.precision} x{line.threads}")
    return [Text(f"{', '.join(cells)}: {note}", style="dim") for note, cells in concerned.items()]


def _counted(found: Sequence[CountedCalibration]) -> Table:
    table = _table(
        "From counted instructions, 1 thread", ("runtime", "prec"), ("networks", "median", "worst", "cycles")
    )
    for each in found:
        cycles = ", ".join(f"{name} {value:.3g}" for name, value in each.cycles.items())
        table.add_row(
            each.runtime, each.precision, str(each.networks), f"{each.median:.1%}", f"{each.worst:.0%}", cycles
        )
    return table


def _unseen(checks: Sequence[Check]) -> Table:
    columns = "thr", "published", "estimate", "interval", "error", "inside"
    table = _table("Published, and read by no fit", ("runtime", "prec", "network"), columns)
    for check in checks:
        table.add_row(
            check.runtime,
            check.precision,
            check.network,
            str(check.threads),
            show_seconds(check.published_s),
            show_seconds(check.estimate_s),
            f"{show_seconds(check.low_s)} to {show_seconds(check.high_s)}",
            f"{check.error:+.1%}",
            "yes" if check.inside else "no",
        )
    return table
