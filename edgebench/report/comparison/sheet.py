"""A judged table before it has a format, and the formats: for terminals, Markdown, GitHub Actions and JUnit."""

from __future__ import annotations

import html
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from edgebench.report import tables

LineStatus = Literal["fail", "undecided", "better", "pass", "info"]

# The order in which a reader wants the lines.
ORDER: tuple[LineStatus, ...] = ("fail", "undecided", "better", "pass", "info")


@dataclass(frozen=True)
class Line:
    """One judged thing. `name` is what is judged, `aspect` its metric; `texts` are the columns of the sheet.

    A line that is not `counted` is only shown.
    """

    name: str
    aspect: str
    texts: tuple[str, ...]
    outcome: LineStatus
    verdict: str
    reason: str
    details: tuple[str, ...] = ()
    counted: bool = True

    @property
    def title(self) -> str:
        """What is judged, with its metric."""
        return f"{self.name} {self.aspect}".strip()


@dataclass(frozen=True)
class Sheet:
    """What every format is made from. `numbers` are the columns that hold numbers; `notes` stand under the table.

    The first `grouped` columns say what a line is about, and need not be repeated under one another.
    """

    title: str
    columns: tuple[str, ...]
    numbers: frozenset[str]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    grouped: int = 0

    @property
    def sorted_lines(self) -> tuple[Line, ...]:
        """What failed first; otherwise in the given order."""
        return tuple(sorted(self.lines, key=lambda line: ORDER.index(line.outcome)))

    @property
    def summary(self) -> str:
        """1 slower, 2 inconclusive, 9 same."""
        counts = Counter(line.verdict for line in self.sorted_lines if line.counted)
        return ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "nothing to list"


_STYLES = {"fail": "bold red", "undecided": "yellow", "better": "green", "pass": "", "info": "dim"}
_GAP = 2  # columns between two of a table


def table(sheet: Sheet) -> list[RenderableType]:
    """The sheet as Rich renderables: the table, the summary, a reason for each line that asks for one, the notes."""
    notes = (Text(note, style="dim") for note in sheet.notes)
    if not sheet.lines:
        return [Text(sheet.title, style="italic"), Text(sheet.summary, style="bold"), *notes]
    words = [column for column in sheet.columns if column not in sheet.numbers]
    shown = tables.plain(_text(sheet.title), *sheet.columns, left=words, prose=words[:-1])
    above: tuple[str, ...] = ()
    for line in sheet.lines:
        about = line.texts[: sheet.grouped]
        *texts, verdict = (*(about if about != above else ("",) * len(about)), *line.texts[sheet.grouped :])
        above = about
        shown.add_row(*map(_text, texts), Text(verdict, style=_STYLES[line.outcome]))
    reasons = [
        _text(text)
        for line in sheet.sorted_lines
        if line.outcome in ("fail", "undecided") and line.reason
        for text in (f"! {line.title}: {line.reason}", *(f"    {detail}" for detail in line.details))
    ]
    return [shown, Text(sheet.summary, style="bold"), *reasons, *notes]


def plain(sheet: Sheet) -> str:
    """The same as text without colours, in lines that no column is cut in."""
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


def _text(text: str) -> Text:
    """Text without the control characters that a terminal would act upon."""
    return Text(_legible(text))


def _legible(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


_MARKS = {"fail": "❌", "undecided": "❔", "better": "✅", "pass": "✅", "info": "ℹ️"}

# What Markdown would act upon; a mention is broken by a space of no width. html.escape comes before.
_SPECIAL = {ord(letter): "\\" + letter for letter in "\\`*_{}[]|~#!"} | {ord("@"): "@\u200b"}


def markdown(sheet: Sheet) -> str:
    """A heading, the lines that ask for a decision, all lines folded away under them, and the notes."""
    urgent = [line for line in sheet.sorted_lines if line.outcome in ("fail", "undecided")]
    parts = [f"### {escape(sheet.title)}", f"**{escape(sheet.summary)}**"]
    if urgent:
        reasons = [
            text
            for line in urgent
            if line.reason
            for text in (
                f"- {escape(line.title)}: {escape(line.reason)}",
                *(f"  - {escape(detail)}" for detail in line.details),
            )
        ]
        parts += [_markdown_table(sheet, urgent), "\n".join(reasons)]
    if len(sheet.lines) > len(urgent):
        whole = _markdown_table(sheet, sheet.lines)
        parts.append(f"<details><summary>All {len(sheet.lines)} lines</summary>\n\n{whole}\n\n</details>")
    parts += [escape(note) for note in sheet.notes]
    return "\n\n".join(parts) + "\n"


def _markdown_table(sheet: Sheet, lines: Sequence[Line]) -> str:
    head = ["", *sheet.columns]
    rule = ["---", *("---:" if column in sheet.numbers else "---" for column in sheet.columns)]
    rows = [[_MARKS[line.outcome], *map(escape, line.texts)] for line in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def escape(text: str) -> str:
    """Text that Markdown shows as it is: no HTML, no formatting, no mentions, one line."""
    return html.escape(" ".join(text.split()), quote=False).translate(_SPECIAL)


_LEVELS = {"fail": "error", "undecided": "warning", "better": "notice"}


def github(sheet: Sheet) -> str:
    """One annotation a line that says something, and one that sums up."""
    commands = [
        command(_LEVELS[line.outcome], f"edgebench: {line.verdict}", f"{line.title}: {line.reason}")
        for line in sheet.sorted_lines
        if line.outcome in _LEVELS
    ]
    return "\n".join([*commands, command("notice", "edgebench", f"{sheet.title}: {sheet.summary}")]) + "\n"


def command(level: str, title: str, message: str) -> str:
    """One workflow command: an annotation of that level (error, warning, notice)."""
    return f"::{level} title={_data(title).replace(':', '%3A').replace(',', '%2C')}::{_data(message)}"


def _data(text: str) -> str:
    """Escaped as @actions/toolkit does (packages/core/src/command.ts), so that no text can begin a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


# Characters that XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(sheet: Sheet) -> str:
    """A failing line is a failure, an undecided one an error, and what was not judged is skipped."""
    from xml.etree import ElementTree

    outcomes = [line.outcome for line in sheet.lines]
    suite = ElementTree.Element(
        "testsuite",
        name=_legal(sheet.title),
        tests=str(len(outcomes)),
        failures=str(outcomes.count("fail")),
        errors=str(outcomes.count("undecided")),
        skipped=str(outcomes.count("info")),
    )
    for line in sheet.lines:
        name = _legal(line.aspect or line.verdict)
        case = ElementTree.SubElement(suite, "testcase", classname=_legal(line.name), name=name)
        kind = {"fail": "failure", "undecided": "error", "info": "skipped"}.get(line.outcome)
        if kind is not None:
            told = ElementTree.SubElement(case, kind, message=_legal(f"{line.verdict}: {line.reason}"))
            if kind != "skipped":
                told.set("type", _legal(line.verdict))
                told.text = _legal("\n".join((" | ".join(line.texts), *line.details)))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
