"""The per-operator table for people, and its rows for `--json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from edgebench.ground.records import OperatorProfile
from edgebench.ground.units import show_bytes, show_count, show_seconds
from edgebench.report.operator_rows import OperatorRow, caption, ranked

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_ROWS = 25
LEFT, RIGHT = ("operator", "kind", "ran on"), ("time", "share", "sum", "MACs", "bytes", "GFLOP/s", "of roof")


def operators(profile: OperatorProfile, title: str, *, most: int = MOST_ROWS) -> list[RenderableType]:
    """The slowest `most` operators and what the table rests on; --json and the report have all of them."""
    rows = ranked(profile)
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in LEFT:
        table.add_column(column, overflow="fold")
    for column in RIGHT:
        table.add_column(column, justify="right")
    for row in rows[:most]:
        table.add_row(Text(row.name), Text(row.kind), Text(row.unit), *_numbers(row))
    left = len(rows) - most
    more = [f"{left} faster operators are left out; --json has all."] if left > 0 else []
    return [table, Text("\n".join([*more, *caption(profile)]), style="dim")]


def _numbers(row: OperatorRow) -> tuple[str, ...]:
    return (
        show_seconds(row.time_s),
        f"{row.share:.1%}",
        f"{row.cumulative_share:.0%}",
        show_count(row.macs),
        show_bytes(row.traffic_bytes),
        f"{row.flop_per_s / 1e9:.1f}" if row.flop_per_s is not None else "-",
        f"{row.roof_share:.0%}" if row.roof_share is not None else "-",
    )


def rows(profile: OperatorProfile) -> dict[str, Any]:
    """The profile for `--json`: every operator, the slowest first, with the roof."""
    return {
        "method": profile.method,
        "roof_flop_per_s": profile.roof_flop_per_s,
        "roof_bytes_per_s": profile.roof_bytes_per_s,
        "operators": [vars(row) for row in ranked(profile)],
    }
