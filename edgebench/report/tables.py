"""How every table looks, and the tables of `edgebench models` and `edgebench doctor`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from edgebench.report import output

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from edgebench.ground.records import ModelSpec
    from edgebench.models.published import Published
    from edgebench.run.diagnosis import Diagnosis


Item = TypeVar("Item")
_GAP: Final = 2  # characters between two columns


@dataclass
class Fitting:
    """A table that leaves out its `spare` columns, the first first, until it fits; what it left out stands under it."""

    title: str | Text | None
    columns: Sequence[str]
    left: Sequence[str] = ()
    spare: Sequence[str] = ()
    prose: Sequence[str] = ()
    show_header: bool = True
    rows: list[tuple[Sequence[str | Text], str | None]] = field(default_factory=list)

    def add_row(self, *cells: str | Text, style: str | None = None) -> None:
        """Adds a row of one cell a column."""
        self.rows.append((cells, style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        limit = output.room(console)
        left_out: list[str] = []
        for name in self.spare:
            if self.width(left_out) <= limit:
                break
            left_out += [name] if name in self.columns else []
        table = self._without(left_out)
        if any(name in self.prose for name in self.columns):
            options = options.update_width(min(limit, options.max_width))
        yield from table.__rich_console__(console, options)
        if left_out:
            yield Text(f"not shown: {', '.join(left_out)}; --wide shows all", style="dim")

    def width(self, left_out: Collection[str] = ()) -> int:
        """The characters that a line of it takes where none is folded, without some of the columns."""
        kept = [self._longest[place] for place, name in enumerate(self.columns) if name not in left_out]
        return sum(kept) + _GAP * (len(kept) - 1)

    @cached_property
    def _longest(self) -> list[int]:
        """The width of each column; no row is added after it was asked for."""
        columns = zip(self.columns, *(cells for cells, _ in self.rows), strict=True)
        return [max(cell_len(line) for text in column for line in str(text).split("\n")) for column in columns]

    def _without(self, left_out: Collection[str]) -> Table:
        """What Rich draws, without some of the columns."""
        table = Table(
            title=self.title,
            title_justify="left",
            box=None,
            pad_edge=False,
            header_style="bold",
            show_header=self.show_header,
        )
        kept = [place for place, name in enumerate(self.columns) if name not in left_out]
        for place in kept:
            name = self.columns[place]
            numeric, whole = name not in self.left, self.prose and name not in self.prose
            table.add_column(
                name,
                justify="right" if numeric else "left",
                overflow="fold",
                no_wrap=bool(numeric or whole),  # Rich narrows what may wrap alike
                min_width=self._longest[place] if whole else None,
            )
        for cells, style in self.rows:
            table.add_row(*(cells[place] for place in kept), style=style)
        return table


def plain(
    title: str | Text | None,
    *columns: str,
    left: Sequence[str] = (),
    spare: Sequence[str] = (),
    prose: Sequence[str] = (),
) -> Fitting:
    """A plain table: the columns in `left` are text, all others numbers.

    Where it is too wide, columns of `spare` are left out, and the text in those of `prose` goes on below.
    """
    return Fitting(title, columns, left, spare, prose)


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


def published(results: Sequence[Published]) -> Fitting:
    """One row a published accuracy; other people's numbers are never in a table with measured ones."""
    title = "Published by others on ImageNet, by training recipe; nothing here was measured by edgebench"
    columns = ("model", "width", "depth", "resolution", "precision", "top-1", "recipe", "source")
    table = plain(
        title,
        *columns,
        left=("model", "recipe", "precision", "source"),
        spare=("source", "precision"),
        prose=("recipe",),
    )
    for row in results:
        point = (f"{row.width:g}", f"{row.depth:g}", str(row.resolution))
        table.add_row(row.model, *point, row.precision, f"{row.top1:.1f}%", row.recipe, row.source)
    return table


def diagnosis(found: Diagnosis) -> list[RenderableType]:
    """The doctor's tables: packages, commands, disturbances."""
    packages = plain("Installed", "package", "version", "for", left=("package", "version", "for"), prose=("for",))
    for package in found.packages:
        packages.add_row(package.name, package.version or f"missing: {package.install}", package.purpose)
    commands = plain("Commands", "command", "here", left=("command", "here"), prose=("here",))
    for ability in found.abilities:
        commands.add_row(ability.command, ability.here)
    disturbances = [Text("! " + line) for line in found.disturbances] or [Text("Nothing that would disturb timings.")]
    return [packages, Text(), commands, Text(), Text("Timing", style="bold"), *disturbances]
