"""A choice as a section of the HTML report: the pick and its reasons as tables, the frontier as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import msgspec

from edgebench.choose.records import Choice, Point
from edgebench.ground.errors import UsageError
from edgebench.report import choice_plot
from edgebench.report.choice import COLUMNS, TEXT, remarks, row

FILE = "choice.json"


def read(path: Path) -> Choice:
    """Reads what `edgebench scale -o DIR` wrote: the folder, or choice.json in it. Raises UsageError for another."""
    file = path / FILE if path.is_dir() else path
    try:
        return msgspec.json.decode(file.read_bytes(), type=Choice)
    except OSError as error:
        raise UsageError(f"there is no choice at {path}: name the folder that edgebench scale -o wrote") from error
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"{file} is no choice of this edgebench: {error}; make it again with edgebench scale"
        ) from error


def section(choice: Choice) -> str:
    """The section's HTML; every text in it is escaped. Raises MissingPackage without the packages of `report`."""
    why = [[*row("", each.point)[1:], "; ".join(each.reasons)] for each in choice.rejected]
    parts = [
        f"<h2 id='choice-title'>Choice: {escape(choice.family)} on {escape(choice.device)}</h2>",
        f"<p class='lead'>The best of {choice.candidates:,} networks within the limits.</p>",
        _table(COLUMNS, _picks(choice)),
        _list(remarks(choice)),
        f"<div class='chart'>{choice_plot.svg(choice)}</div>",
        "<h3>Why the others lost</h3>",
        _table((*COLUMNS[1:], "why"), why),
        "<h3>Frontier: more accuracy takes more time or more memory</h3>",
        _table(COLUMNS[1:], [row("", point)[1:] for point in choice.frontier]),
    ]
    return f"<section id='choice' aria-labelledby='choice-title'>\n{''.join(parts)}\n</section>"


def _picks(choice: Choice) -> list[Sequence[str]]:
    marked: list[tuple[str, Point]] = [("pick", choice.picked), *(("tie", tie) for tie in choice.ties)]
    marked += [("next", choice.upgrade)] if choice.upgrade else []
    return [row(mark, point) for mark, point in marked]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    kinds = ["wrap" if column == "why" else "text" if column in TEXT else "" for column in columns]
    head = "".join(
        f"<th scope='col' class='{kind}' style='padding:6px 9px'>{escape(name)}</th>"
        for name, kind in zip(columns, kinds, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f"<td class='{k}'>{escape(v)}</td>" for v, k in zip(values, kinds, strict=True)) + "</tr>"
        for values in rows
    )
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _list(texts: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(text.removeprefix('! '))}</li>" for text in texts) + "</ul>"
