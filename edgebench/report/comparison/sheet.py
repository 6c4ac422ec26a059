"""A judged table, before it has a format: columns, lines with an outcome each, and what is said under them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["fail", "undecided", "better", "pass", "info"]

# The order in which a reader wants the lines.
ORDER: tuple[Outcome, ...] = ("fail", "undecided", "better", "pass", "info")


@dataclass(frozen=True)
class Line:
    """One judged thing. `name` is what is judged, `aspect` its metric; `texts` are the columns of the sheet.

    A line that is not `counted` is only shown.
    """

    name: str
    aspect: str
    texts: tuple[str, ...]
    outcome: Outcome
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
        counts: dict[str, int] = {}
        for line in filter(lambda line: line.counted, self.sorted_lines):
            counts[line.verdict] = counts.get(line.verdict, 0) + 1
        return ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "nothing to list"
