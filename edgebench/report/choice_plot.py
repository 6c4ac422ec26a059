"""The frontier of a choice as a picture: expected accuracy against latency, limits and published points in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from edgebench.choose.records import Choice, Point
from edgebench.ground.errors import MissingPackage
from edgebench.ground.paths import write_atomically

if TYPE_CHECKING:
    import altair as alt

FORMATS: Final[tuple[Literal["png", "svg"], ...]] = ("png", "svg")
_COLOURS: Final = {"frontier": "#33659f", "published": "#8a6d1d", "tie": "#2f7d5b", "pick": "#c03d3e"}
LABEL_SHARE: Final = 0.35  # of the plot's width, what the name of a network takes
_LIMIT: Final = "#c03d3e"


def chart(choice: Choice) -> alt.LayerChart:
    """The Altair chart. Raises MissingPackage without altair."""
    try:
        import altair as alt
    except ModuleNotFoundError as error:
        raise MissingPackage("altair", "report", "drawing the frontier") from error

    rows = _rows(choice)
    drawn = {name: colour for name, colour in _COLOURS.items() if any(row["group"] == name for row in rows)}
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("latency:Q", title="latency (ms)", scale=alt.Scale(type="log", nice=False, padding=16)),
        y=alt.Y("accuracy:Q", title="expected top-1 (%)", scale=alt.Scale(zero=False, padding=10)),
    )
    colour = alt.Color("group:N", title=None, scale=alt.Scale(domain=list(drawn), range=list(drawn.values())))
    line = base.transform_filter("datum.on_frontier").mark_line(interpolate="step-after", opacity=0.5)
    dots = base.encode(size=alt.Size("memory:Q", title=["peak memory", "(MB)"]), color=colour)
    named = base.transform_filter("datum.label != ''").encode(text="label:N")
    layers: list[Any] = [
        *_limits(alt, choice),
        line.encode(order="latency:Q"),
        dots.transform_filter("datum.group == 'frontier'").mark_circle(opacity=0.4),
        dots.transform_filter("datum.group != 'frontier'").mark_circle(opacity=1),
        named.transform_filter("datum.group != 'pick'").mark_text(align="left", dx=10, dy=10),
        named.transform_filter("datum.group == 'pick'").mark_text(**_beside(rows), dy=-10, fontWeight="bold"),
    ]
    return alt.LayerChart(layer=layers, width=640, height=400, title=f"{choice.family} on {choice.device}")


def _beside(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The pick's label stands left of it, or right of it where it would reach over the axis."""
    times = [math.log(row["latency"]) for row in rows]
    [pick] = [math.log(row["latency"]) for row in rows if row["group"] == "pick"]
    near = pick - min(times) < LABEL_SHARE * (max(times) - min(times))
    return {"align": "left", "dx": 10} if near or pick == min(times) else {"align": "right", "dx": -10}


def svg(choice: Choice) -> str:
    """The picture as SVG. Raises MissingPackage without altair and vl-convert."""
    return _drawn(chart(choice), "svg").decode()


def save(choice: Choice, folder: Path) -> list[Path]:
    """Writes frontier.png and frontier.svg into `folder`. Raises MissingPackage without altair and vl-convert."""
    drawn = chart(choice)
    written = []
    for form in FORMATS:
        path = folder / f"frontier.{form}"
        write_atomically(path, _drawn(drawn, form))
        written.append(path)
    return written


def _drawn(drawn: alt.LayerChart, form: Literal["png", "svg"]) -> bytes:
    import io

    buffer = io.BytesIO() if form == "png" else io.StringIO()
    try:
        drawn.save(buffer, format=form)
    except (ImportError, ValueError) as error:  # altair's own way to say that vl-convert is not there
        raise MissingPackage("vl-convert-python", "report", "writing the frontier as a picture") from error
    data = buffer.getvalue()
    return data if isinstance(data, bytes) else data.encode()


def _limits(alt: Any, choice: Choice) -> list[alt.Chart]:
    rules = []
    if choice.budget.max_latency_s is not None:
        data = alt.Data(values=[{"latency": choice.budget.max_latency_s * 1e3}])
        rules.append(alt.Chart(data).mark_rule(strokeDash=[4, 3], color=_LIMIT).encode(x="latency:Q"))
    if choice.budget.min_accuracy is not None:
        data = alt.Data(values=[{"accuracy": choice.budget.min_accuracy}])
        rules.append(alt.Chart(data).mark_rule(strokeDash=[4, 3], color=_LIMIT).encode(y="accuracy:Q"))
    return rules


def _rows(choice: Choice) -> list[dict[str, Any]]:
    """Frontier points, published points, ties and the pick; of points that several groups hold the last group's row."""
    reach = 4 * choice.picked.latency_s.value
    published = [
        each.point for each in choice.rejected if "phi" not in each.point.origin and each.point.latency_s.value <= reach
    ]
    groups = {"frontier": choice.frontier, "published": [each for each in published if each.origin]}
    rows = {point.key: _row(point, name) for name, points in groups.items() for point in points}
    rows |= {point.key: _row(point, "tie") for point in choice.ties}
    rows[choice.picked.key] = _row(choice.picked, "pick")
    best = 0.0
    ordered = sorted(rows.values(), key=lambda row: (row["latency"], -row["accuracy"]))
    for row in ordered:
        row["on_frontier"] = row["accuracy"] > best
        best = max(best, row["accuracy"])
    return ordered


def _row(point: Point, group: str) -> dict[str, Any]:
    return {
        "latency": point.latency_s.value * 1e3,
        "accuracy": point.accuracy.value,
        "memory": (point.peak_memory_bytes or 0) / 1e6,
        "group": group,
        "label": point.model.key if group == "pick" else point.origin if group == "published" else "",
    }
