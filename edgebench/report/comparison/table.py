"""The table for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from edgebench.report.comparison.sheet import Sheet

_STYLES = {"fail": "bold red", "undecided": "yellow", "better": "green", "pass": "", "info": "dim"}
_GAP = 2  # columns between two of a table


def table(sheet: Sheet) -> list[RenderableType]:
    """The sheet as Rich renderables: the table, the summary, a reason for each line that asks for one, the notes."""
    notes = (Text(note, style="dim") for note in sheet.notes)
    if not sheet.lines:
        return [Text(sheet.title, style="italic"), Text(sheet.summary, style="bold"), *notes]
    shown = Table(title=_text(sheet.title), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in sheet.columns:
        shown.add_column(column, justify="right" if column in sheet.numbers else "left", overflow="fold")
    above: tuple[str, ...] = ()
    for line in sheet.lines:
        about = line.texts[: sheet.grouped]
        *texts, verdict = (*(about if about != above else ("",) * len(about)), *line.texts[sheet.grouped :])
        above = about
        shown.add_row(*map(_text, texts), Text(verdict, style=_STYLES[line.outcome]))
    return [shown, Text(sheet.summary, style="bold"), *_reasons(sheet), *notes]


def plain(sheet: Sheet) -> str:
    """The same as text without colours, in lines of up to 200 columns, so that no column is cut."""
    file = io.StringIO()
    console = Console(width=200, color_system=None, markup=False, emoji=False, file=file)
    for part in table(sheet):
        console.print(part)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def fits(sheet: Sheet, width: int) -> bool:
    """Whether the table takes no more than `width` columns of a terminal, with its longest texts unfolded."""
    rows = [sheet.columns, *(line.texts for line in sheet.lines)]
    widths = [max(map(cell_len, texts)) for texts in zip(*rows, strict=True)]
    return sum(widths) + _GAP * (len(widths) - 1) <= width


def vertical(sheet: Sheet) -> Iterator[str]:
    """Each line of the sheet as one text line a column, for more columns than a terminal has room for."""
    width = max(map(cell_len, sheet.columns))
    for line in sheet.lines:
        for column, text in zip(sheet.columns, line.texts, strict=True):
            yield f"{column:<{width}}  {_legible(text)}"
        yield ""
    yield sheet.summary


def _reasons(sheet: Sheet) -> Iterator[Text]:
    for line in sheet.sorted_lines:
        if line.outcome in ("fail", "undecided") and line.reason:
            yield _text(f"! {line.title}: {line.reason}")
            yield from (_text(f"    {detail}") for detail in line.details)


def _text(text: str) -> Text:
    """Text without the control characters that a terminal would act upon."""
    return Text(_legible(text))


def _legible(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
