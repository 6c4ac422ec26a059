"""How every table looks, and the tables of `edgebench models` and `edgebench doctor`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, ClassVar, TypeVar

from rich.table import Table
from rich.text import Text

from edgebench.report import output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgebench.ground.records import ModelSpec
    from edgebench.models.published import Published
    from edgebench.run.diagnosis import Diagnosis


Item = TypeVar("Item")


def plain(title: str | Text | None, *columns: str, left: Sequence[str] = ()) -> Table:
    """A plain table: the columns in `left` are text, all others numbers."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = column not in left
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    return table


class Rows(list[Item], ABC):
    """A list that shows as a table, at a prompt and in a notebook; the columns in `left` are text."""

    left: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def cells(self) -> list[dict[str, str]]:
        """The text of every row by column."""

    def __repr__(self) -> str:
        rows = self.cells()
        table = plain(None, *(rows[0] if rows else ()), left=self.left)
        for row in rows:
            table.add_row(*row.values())
        text = StringIO()
        output.wide_console(text).print(table)
        return text.getvalue().rstrip()

    def _repr_html_(self) -> str:
        rows = self.cells()
        head = _html("th", rows[0]) if rows else ""
        return f"<table>{head}{''.join(_html('td', row.values()) for row in rows)}</table>"


def _html(tag: str, texts: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts) + "</tr>"


def called(networks: Iterable[ModelSpec]) -> list[str]:
    """What to call each network in a table: its title, or its key where two networks share a title."""
    specs = list(networks)
    keys = Counter(title for title, _ in {(spec.title, spec.key) for spec in specs})
    return [spec.title if keys[spec.title] == 1 else spec.key for spec in specs]


def concerned(told: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Each sentence once, in the order of their first appearance, with the names that said it."""
    names: dict[str, list[str]] = {}
    for name, sentences in told:
        for sentence in sentences:
            names.setdefault(sentence, []).append(name)
    return names


def published(results: Sequence[Published]) -> Table:
    """One row a published accuracy; other people's numbers are never in a table with measured ones."""
    title = "Published by others on ImageNet, by training recipe; nothing here was measured by edgebench"
    columns = ("model", "width", "depth", "resolution", "precision", "top-1", "recipe", "source")
    table = plain(title, *columns, left=("model", "recipe", "precision", "source"))
    for row in results:
        point = (f"{row.width:g}", f"{row.depth:g}", str(row.resolution))
        table.add_row(row.model, *point, row.precision, f"{row.top1:.1f}%", row.recipe, row.source)
    return table


def diagnosis(found: Diagnosis) -> list[RenderableType]:
    """The doctor's tables: packages, commands, disturbances."""
    packages = plain("Installed", "package", "version", "for", left=("package", "version", "for"))
    for package in found.packages:
        packages.add_row(package.name, package.version or f"missing: {package.install}", package.purpose)
    commands = plain("Commands", "command", "here", left=("command", "here"))
    for ability in found.abilities:
        commands.add_row(ability.command, ability.here)
    disturbances = [Text("! " + line) for line in found.disturbances] or [Text("Nothing that would disturb timings.")]
    return [packages, Text(), commands, Text(), Text("Timing", style="bold"), *disturbances]
