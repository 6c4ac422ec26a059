"""Instructions by operator: the table for people, and its rows for `--json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.ground.units import show_count

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_ROWS: Final = 25
TOTAL: Final = "instructions"
SHOWN: Final = {"multiply-add": ("float_fma", "vector_multiply", "dot_product"), "load": ("load", "vector_load")}


def operators(profile: OperatorProfile, title: str, *, most: int = MOST_ROWS) -> list[RenderableType]:
    """The `most` operators that execute most, and what the table rests on; --json has all of them."""
    found = ranked(profile)
    total = sum(_count(each, TOTAL) for each in found)
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in ("operator", "kind"):
        table.add_column(column, overflow="fold")
    for column in ("instr", "share", *SHOWN):
        table.add_column(column, justify="right")
    for each in found[:most]:
        shown = [show_count(_count(each, *names)) for names in SHOWN.values()]
        share = f"{_count(each, TOTAL) / total:.1%}" if total else "-"
        table.add_row(Text(each.name), Text(each.kind), show_count(_count(each, TOTAL)), share, *shown)
    left = len(found) - most
    more = [f"{left} smaller operators are left out; --json has all."] if left > 0 else []
    return [table, Text("\n".join([*more, f"Counts: {profile.method}."]), style="dim")]


def rows(profile: OperatorProfile) -> dict[str, Any]:
    """The profile for `--json`: every operator in the file's order, with its instructions by class."""
    operators = [{"name": each.name, "kind": each.kind, "counts": each.counts} for each in profile.operators]
    return {"method": profile.method, "operators": operators}


def ranked(profile: OperatorProfile) -> list[OperatorTime]:
    """The operators, what executes most first."""
    return sorted(profile.operators, key=lambda each: -_count(each, TOTAL))


def _count(operator: OperatorTime, *names: str) -> int:
    return sum(operator.counts.get(name, 0) for name in names)
