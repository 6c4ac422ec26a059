"""What `edgebench runtimes` shows: the ranking, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from rich.text import Text

from edgebench.choose.ranking import Ranked
from edgebench.ground.records import Interval, Result
from edgebench.ground.units import show_bytes, show_seconds
from edgebench.report import rows
from edgebench.report.tables import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = ("#", "format", "prec", "thr", "p50", "ratio", "peak mem", "size", "load", "error", "interval")
LEFT = ("format", "prec")
SPARE = ("interval", "load")


class RankedRow(rows.Profile):
    """One way to run a network, with its place among all."""

    place: int | None
    ratio: Interval | None
    install: str
    file: str


def row(way: Ranked) -> RankedRow:
    """One row for `--json`."""
    ranked = {"place": way.place, "ratio": way.ratio, "install": way.install, "file": way.file}
    return cast(RankedRow, ranked | rows.profile(way.result))


def blocks(found: Sequence[Ranked]) -> list[RenderableType]:
    """The table, who cannot be told apart, and why others have no latency."""
    table = plain(None, *COLUMNS, left=LEFT, spare=SPARE)
    timed = [each for each in found if each.place]
    for each in timed:
        table.add_row(*_cells(each, timed))
    legend = [", ".join(sorted({each.result.provenance for each in timed})), "ratio: to the fastest, with its interval"]
    if len({each.place for each in timed}) < len(timed):
        legend.append("=: the difference to the first of that place may be chance")
    installs = dict.fromkeys(f"{each.result.export.format}: {each.install}" for each in timed)
    lines = ("; ".join(legend), f"on the device {'; '.join(installs)}")
    said: list[RenderableType] = [table, *(Text(line, style="dim") for line in lines)]
    untimed = dict.fromkeys(f"! {_title(each)}: {_why(each.result)}" for each in found if not each.place)
    said += [Text(line) for line in untimed]
    return said


def _why(result: Result) -> str:
    """Why there is no latency: what failed, or what an estimate would need."""
    return " ".join((result.error or "".join(result.warnings[-1:])).split())


def _cells(way: Ranked, timed: Sequence[Ranked]) -> list[str]:
    flat, result, ratio = rows.profile(way.result), way.result, way.ratio
    tied = sum(each.place == way.place for each in timed) > 1
    latency, parity = result.latency, result.parity
    return [
        f"{way.place}{'=' if tied else ''}",
        result.export.format,
        result.export.precision,
        str(flat["threads"]),
        show_seconds(latency.value) if latency else "-",
        f"{ratio.value:.2f} ({ratio.low:.2f}-{ratio.high:.2f})" if ratio else "-",
        show_bytes(result.peak_memory_bytes) if result.peak_memory_bytes else "-",
        show_bytes(result.size_bytes) if result.size_bytes else "-",
        show_seconds(flat["load_s"]) if flat.get("load_s") else "-",
        f"{parity.relative_l2_error:.1g}" if parity else "-",
        f"{show_seconds(latency.low)} to {show_seconds(latency.high)}" if latency else "-",
    ]


def _title(way: Ranked) -> str:
    return f"{way.result.export.format} {way.result.export.precision}"


def following(found: Sequence[Ranked]) -> str:
    """How the fastest is compared with the best of another file, or looked at where nothing was measured."""
    files = list(dict.fromkeys(each.file for each in found if each.place and each.result.device == "host"))
    if len(files) > 1:
        return f"edgebench ab {shlex.join(files[:2])} makes sure of the first place"
    return "edgebench report makes a page of all that was kept"
