"""Published accuracies as a table of their own: other people's numbers are never in a row with measured ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from edgebench.models.published import Published

_TEXT = ("model", "recipe", "precision", "source")


def table(found: Sequence[Published]) -> Table:
    """One row a published result."""
    shown = Table(
        title="Published by others on ImageNet, by training recipe; nothing here was measured by edgebench",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for column in ("model", "width", "depth", "resolution", "precision", "top-1", "recipe", "source"):
        shown.add_column(column, justify="left" if column in _TEXT else "right", overflow="fold")
    for row in found:
        point = (f"{row.width:g}", f"{row.depth:g}", str(row.resolution))
        shown.add_row(row.model, *point, row.precision, f"{row.top1:.1f}%", row.recipe, row.source)
    return shown
