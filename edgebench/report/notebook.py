"""How many results show in a notebook and at a prompt: as one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

from edgebench.ground.records import Result

if TYPE_CHECKING:
    from edgebench.report.tables import Row


class Results(list[Result]):
    """A list of results that shows as the profile table; the records in it keep every raw number."""

    def __repr__(self) -> str:
        from edgebench.report import output, tables

        text = StringIO()
        output.wide_console(text).print(tables.results(self))
        return text.getvalue().rstrip()

    def _repr_html_(self) -> str:
        from edgebench.report import tables

        return _html(tables.result_rows(self))


def _html(rows: Sequence[Row]) -> str:
    head = _line("th", rows[0]) if rows else ""
    return f"<table>{head}{''.join(_line('td', row.values()) for row in rows)}</table>"


def _line(tag: str, texts: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts) + "</tr>"
