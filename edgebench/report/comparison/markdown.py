"""GitHub-flavoured Markdown, for step summaries, comments and notes. Text from results is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from edgebench.report.comparison.sheet import Line, Sheet

_MARKS = {"fail": "❌", "undecided": "❔", "better": "✅", "pass": "✅", "info": "ℹ️"}

# What Markdown would act upon; a mention is broken by a space of no width. html.escape comes before.
_SPECIAL = {ord(letter): "\\" + letter for letter in "\\`*_{}[]|~#!"} | {ord("@"): "@\u200b"}


def markdown(sheet: Sheet) -> str:
    """A heading, the lines that ask for a decision, all lines folded away under them, and the notes."""
    urgent = [line for line in sheet.sorted_lines if line.outcome in ("fail", "undecided")]
    parts = [f"### {escape(sheet.title)}", f"**{escape(sheet.summary)}**"]
    if urgent:
        parts += [_table(sheet, urgent), "\n".join(_reasons(urgent))]
    if len(sheet.lines) > len(urgent):
        whole = _table(sheet, sheet.lines)
        parts.append(f"<details><summary>All {len(sheet.lines)} lines</summary>\n\n{whole}\n\n</details>")
    parts += [escape(note) for note in sheet.notes]
    return "\n\n".join(parts) + "\n"


def _table(sheet: Sheet, lines: Sequence[Line]) -> str:
    head = ["", *sheet.columns]
    rule = ["---", *("---:" if column in sheet.numbers else "---" for column in sheet.columns)]
    rows = [[_MARKS[line.outcome], *map(escape, line.texts)] for line in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def _reasons(lines: Iterable[Line]) -> Iterable[str]:
    for line in filter(lambda line: line.reason, lines):
        yield f"- {escape(line.title)}: {escape(line.reason)}"
        yield from (f"  - {escape(detail)}" for detail in line.details)


def escape(text: str) -> str:
    """Text that Markdown shows as it is: no HTML, no formatting, no mentions, one line."""
    return html.escape(" ".join(text.split()), quote=False).translate(_SPECIAL)
