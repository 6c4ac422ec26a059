"""The answer of `edgebench scale`: as tables, as files, and as a section of the HTML report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from rich.text import Text

from edgebench.choose.answer import compared
from edgebench.choose.budget import SHOW
from edgebench.choose.lines import ALONE, Scaled
from edgebench.choose.records import Choice, Point
from edgebench.ground.errors import MissingPackage, UsageError
from edgebench.ground.paths import check_no_pipe
from edgebench.ground.units import show_bytes, show_count, show_interval, show_seconds
from edgebench.report import following, output, theme
from edgebench.report.tables import plain

if TYPE_CHECKING:
    import altair as alt
    from rich.console import RenderableType


FILE: Final = "choice.json"
COLUMNS = ("", "network", "known as", "file", "thr", "top-1 (expected)", "latency", "peak mem", "size", "MACs")
SPARE = ("known as", "MACs", "size", "thr", "file", "peak mem")
TEXT = ("", "network", "known as", "file", "why")
HELP: Final = {
    "": "The pick; what cannot be told from it (tie); and the best that some limit keeps out (next).",
    "network": "The family with its width, depth and resolution.",
    "known as": "The name under which this point is published.",
    "file": "Format and precision.",
    "thr": "Threads.",
    "top-1 (expected)": "The share of ImageNet that it should get right, with its interval.",
    "latency": "One inference, with its interval, and where the number comes from.",
    "peak mem": "The most memory that a process takes.",
    "size": "The file's bytes.",
    "MACs": "Multiplications with additions of one inference.",
    "why": "What keeps it from being the pick.",
}

_COLOURS: Final = {"frontier": "#33659f", "published": "#8a6d1d", "tie": "#2f7d5b", "pick": "#c03d3e"}
_LABEL_SHARE: Final = 0.35  # of the plot's width, what the name of a network takes


def summary(choice: Choice) -> list[RenderableType]:
    """The short answer: the pick and what it takes, why, the runner-up, the first doubt, and what to type next."""
    picked, budget = choice.picked, choice.budget
    limits = ", ".join(f"{name} {SHOW[name](limit)}" for name, limit in budget.limits().items())
    within = f", limits: {limits}" if limits else ""
    point = dict(zip(COLUMNS, row("", picked), strict=True))
    rooms = {each.name: f"; {each.left:.0%} of {SHOW[each.name](each.limit)} left" for each in choice.headroom}
    size = f"size {point['size']}, {point['MACs']} MACs"
    lines = [
        Text(f"{choice.family} on {choice.device}: best of {choice.candidates:,} networks{within}"),
        Text(f"pick: {picked.model.key}, {picked.export.key}, {_where(picked)}", style="bold"),
        Text(f"  latency {point['latency']} ({picked.latency_s.confidence:.0%} interval){rooms.get('latency', '')}"),
    ]
    lines += [Text(f"  {each}") for each in _everywhere(choice)]
    if picked.accuracy:
        lines.append(Text(f"  top-1 {point['top-1 (expected)']} expected ({picked.accuracy.confidence:.0%} interval)"))
    lines.append(Text(f"  memory {point['peak mem']}{rooms.get('memory', '')}; {size}{rooms.get('size', '')}"))
    if picked.path:
        lines.append(Text(f"  file {picked.path} (run and compared with PyTorch)"))
    if choice.ties:
        lines.append(Text(f"runner-up: {choice.ties[0].model.key} is {compared(choice.ties[0], picked)}"))
    if choice.upgrade is not None:
        lines.append(Text(f"beyond: {choice.upgrade.model.key} is {compared(choice.upgrade, picked)}"))
    doubts = _doubts(choice)
    others = f"{len(doubts) - 1} more such remarks, and " if len(doubts) > 1 else ""
    lines += [Text(f"! {doubt} ({others}why the others lost: --explain)") for doubt in doubts[:1]]
    return [*lines, Text(f"next: {following.trained(picked.model)}", style="dim")]


def _everywhere(choice: Choice) -> list[str]:
    """What the pick takes on each of several devices, and leaves of the limit, the one that binds first."""
    limit = choice.budget.max_latency_s
    said: list[str] = []
    for each in choice.picked.there:
        told = each.latency_s
        left = "" if limit is None else f"; {1 - told.value / limit:.0%} of {show_seconds(limit)} left"
        binds = " (binds)" if not said else ""
        latency = f"{show_seconds(told.value)} ({show_interval(told.low, told.high)}) {each.provenance}"
        part = "" if each.processor == "cpu" else f"'s {each.processor}"
        said.append(f"on {each.device}{part}{binds}: {latency}{left}")
    return said


def _where(point: Point) -> str:
    if point.processor != "cpu":
        return f"on the {point.processor}"
    return f"{point.threads} thread{'s' if point.threads > 1 else ''}"


def _doubts(choice: Choice) -> list[str]:
    return list(dict.fromkeys((*choice.warnings, *choice.picked.warnings)))


def remarks(choice: Choice) -> list[str]:
    """What is to be said of the pick beside its numbers: room, ties, the next better one, the file, warnings."""
    rooms = [
        f"{each.name} {SHOW[each.name](each.value)} of {SHOW[each.name](each.limit)} ({each.left:.0%} left)"
        for each in choice.headroom
    ]
    shown = [point for _, point in _picks(choice)]
    latency = dict.fromkeys(f"{each.provenance} latency {each.latency_s.confidence:.0%}" for each in shown)
    accuracy = choice.picked.accuracy
    top1 = f"top-1 {accuracy.confidence:.0%}, " if accuracy else ""
    said = [*_everywhere(choice), f"room: {', '.join(rooms)}", f"intervals: {top1}{', '.join(latency)}"]
    said += [f"tie: {tie.model.key} is {compared(tie, choice.picked)}" for tie in choice.ties]
    if choice.upgrade is not None:
        said.append(f"next: {choice.upgrade.model.key} is {compared(choice.upgrade, choice.picked)}")
    if choice.picked.path:
        said.append(f"file: {choice.picked.path} (run and compared with PyTorch)")
    if choice.learned is not None:
        learned = choice.learned
        best = max(learned.trainings, key=lambda each: (each.rung, each.accuracy))
        networks = len({each.model.key for each in learned.trainings})
        said.append(
            f"learned on {learned.data} from {len(learned.trainings)} trainings of {networks} networks: offset "
            f"{learned.offset:+.2f} and slope {learned.slope:.2f} in logit, +-{learned.spread:.2f}; the best, "
            f"{best.model.key}, reached {best.accuracy:.1f}% in {best.epochs} epochs"
        )
    return [*said, *(f"! {doubt}" for doubt in _doubts(choice))]


def explanation(choice: Choice) -> list[RenderableType]:
    """The pick beside its ties, why each published network and near miss lost, and the frontier it was picked from."""
    picks = plain("The pick, ties, and the next better one", *COLUMNS, left=TEXT, spare=SPARE)
    for mark, point in _picks(choice):
        picks.add_row(*row(mark, point), style={"pick": "bold", "next": "dim"}.get(mark))
    lost = plain("Why the others lost", *COLUMNS[1:], "why", left=TEXT, spare=SPARE, prose=("why",))
    for each in choice.rejected:
        lost.add_row(*row("", each.point)[1:], "; ".join(each.reasons))
    frontier = plain(_frontier_title(choice), *COLUMNS[1:], left=TEXT, spare=SPARE)
    for point in choice.frontier:
        frontier.add_row(*row("", point)[1:], style="bold" if point.model == choice.picked.model else "")
    recipes = ", ".join(f"{kin}: {recipe}" for kin, recipe in choice.recipes.items())
    closing = [Text(f"trainings that accuracies are expected from: {recipes}", style="dim")] if recipes else []
    return [Text(), picks, *map(Text, remarks(choice)), Text(), lost, Text(), frontier, *closing]


def _frontier_title(choice: Choice) -> str:
    """What the frontier is, and how much of it is shown where it is not all."""
    shown = len(choice.frontier)
    some = f", {shown} of its {choice.frontier_points} points" if shown < choice.frontier_points else ""
    return f"Frontier{some}: more {_gain(choice)} take more time or more memory"


def _gain(choice: Choice) -> str:
    """What the frontier is drawn against."""
    return "points of accuracy" if choice.picked.accuracy else "MACs"


def scaling(ways: Mapping[str, Scaled]) -> list[RenderableType]:
    """Ways to spend the pick's latency, one axis alone, the paper's line, and the best that was found."""
    if not ways:
        return []
    columns = ("", "alpha (depth)", "beta (width)", "gamma (resolution)", "phi", "network", "time", "top-1 (expected)")
    table = plain(
        "Ways to scale the base network to the pick's estimated latency", *columns, left=TEXT, spare=("phi", "time")
    )
    for name, each in ways.items():
        line, point = each.line, f"w{each.width:g} d{each.depth:.3g} r{each.resolution}"
        factors = (f"{line.alpha:.2f}", f"{line.beta:.2f}", f"{line.gamma:.2f}", f"{each.phi:+.1f}")
        title = f"{name} alone" if name in ALONE else name
        table.add_row(title, *factors, point, f"x{each.cost:.2f}", f"{each.accuracy:.1f}%")
    return [Text(), table]


def row(mark: str, point: Point) -> Sequence[str]:
    """One point's cells, in the order of COLUMNS."""
    latency, accuracy = point.latency_s, point.accuracy
    where = f" on {point.there[0].device}" if point.there else ""
    mark_of_guess = " extrapolated" if point.extrapolated else ""
    return (
        mark,
        point.model.key,
        point.origin or "-",
        point.export.key,
        str(point.threads) if point.processor == "cpu" else point.processor,
        f"{accuracy.value:.1f}% ({accuracy.low:.1f}-{accuracy.high:.1f}){mark_of_guess}" if accuracy else "-",
        f"{show_seconds(latency.value)} ({show_interval(latency.low, latency.high)}) {point.provenance}{where}",
        f"{show_bytes(point.peak_memory_bytes)} {point.memory_provenance if point.peak_memory_bytes else ''}".rstrip(),
        show_bytes(point.size_bytes),
        show_count(point.macs),
    )


def save(choice: Choice, folder: Path) -> list[Path]:
    """Writes choice.json, frontier.png and frontier.svg into `folder`; without altair only the first, with a warning.

    Raises UsageError when the folder cannot be written to.
    """
    written = [folder / FILE]
    output.write(written[0], output.document(choice).encode())
    try:
        for suffix in (".png", ".svg"):
            content = _picture(choice, suffix)
            written.append(folder / f"frontier{suffix}")
            output.write(written[-1], content)
    except MissingPackage as error:
        output.warn(f"no picture of the frontier: {error}")
    return written


def _picture(choice: Choice, suffix: str) -> bytes:
    """The frontier as a .png or .svg file. Raises MissingPackage without altair and vl-convert."""
    from edgebench.report.pictures import drawn

    return drawn(chart(choice), suffix)


def read(path: Path) -> Choice:
    """Reads what `edgebench scale -o DIR` wrote: the folder, or choice.json in it. Raises UsageError for another."""
    file = path / FILE if path.is_dir() else path
    try:
        check_no_pipe(file)
        return msgspec.json.decode(file.read_bytes(), type=Choice)
    except OSError as error:
        raise UsageError(f"there is no choice at {path}: name the folder that edgebench scale -o wrote") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} is no choice of this edgebench: {error}; make it again with edgebench scale"
        ) from error


def section(choice: Choice) -> str:
    """The section's HTML; every text in it is escaped. Raises MissingPackage without the packages of `report`."""
    why = [(*_cells("", each.point)[1:], ("; ".join(each.reasons), "")) for each in choice.rejected]
    parts = [
        f"<h2 id='choice-title'>Choice: {escape(choice.family)} on {escape(choice.device)}</h2>",
        f"<p class='lead'>The best of {choice.candidates:,} networks within the limits.</p>",
        _html_table(COLUMNS, [_cells(mark, point) for mark, point in _picks(choice)]),
        "<ul>" + "".join(f"<li>{escape(text.removeprefix('! '))}</li>" for text in remarks(choice)) + "</ul>",
        f"<div class='chart'>{_picture(choice, '.svg').decode()}</div>",
        "<h3>Why the others lost</h3>",
        _html_table((*COLUMNS[1:], "why"), why),
        f"<h3>{_frontier_title(choice)}</h3>",
        _html_table(COLUMNS[1:], [_cells("", point)[1:] for point in choice.frontier]),
    ]
    return f"<section id='choice' aria-labelledby='choice-title'>\n{''.join(parts)}\n</section>"


def _picks(choice: Choice) -> list[tuple[str, Point]]:
    upgrade = [("next", choice.upgrade)] if choice.upgrade else []
    return [("pick", choice.picked), *(("tie", tie) for tie in choice.ties), *upgrade]


def _cells(mark: str, point: Point) -> tuple[tuple[str, str], ...]:
    """What stands in each cell of a point, and a whole number that the page sorts it by; empty where it is the text."""
    accuracy, memory = point.accuracy.value * 1e3 if point.accuracy else None, point.peak_memory_bytes
    numbers = (None, None, None, None, point.threads, accuracy, point.latency_s.value * 1e9, memory)
    keys = ["" if each is None else str(round(each)) for each in (*numbers, point.size_bytes, point.macs)]
    return tuple(zip(row(mark, point), keys, strict=True))


def _html_table(columns: Sequence[str], rows: Iterable[Sequence[tuple[str, str]]]) -> str:
    kinds = ["wrap" if column == "why" else "text" if column in TEXT else "" for column in columns]
    head = "".join(
        f"<th scope='col' class='{kind}'>"
        f"<button type='button' title='{escape(HELP[name])}'>{escape(name)}</button></th>"
        for name, kind in zip(columns, kinds, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td class='{k}' data-key='{key}'>{escape(v)}</td>" for (v, key), k in zip(values, kinds, strict=True)
        )
        + "</tr>"
        for values in rows
    )
    return f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def chart(choice: Choice, look: theme.Look = "light") -> alt.LayerChart:
    """The Altair chart. Raises MissingPackage without altair."""
    try:
        import altair as alt
    except ModuleNotFoundError as error:
        raise MissingPackage("altair", "report", "drawing the frontier") from error

    rows = _rows(choice)
    drawn = {name: colour for name, colour in _COLOURS.items() if any(row["group"] == name for row in rows)}
    title = "expected top-1 (%)" if choice.picked.accuracy else "MACs (M)"
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("latency:Q", title="latency (ms)", scale=alt.Scale(type="log", nice=False, padding=16)),
        y=alt.Y(
            "accuracy:Q",
            title="expected top-1 (%)" if choice.picked.accuracy else "MACs (M)",
            scale=alt.Scale(zero=False, padding=10),
        ),
    )
    colour = alt.Color("group:N", title=None, scale=alt.Scale(domain=list(drawn), range=list(drawn.values())))
    line = base.transform_filter("datum.on_frontier").mark_line(interpolate="step-after", opacity=0.5)
    told = (
        ("latency:Q", "latency, ms"),
        ("accuracy:Q", "top-1, %" if choice.picked.accuracy else "MACs, M"),
        ("memory:Q", "peak memory, MB"),
    )
    dots = base.encode(
        size=alt.Size("memory:Q", title=["peak memory", "(MB)"]),
        color=colour,
        tooltip=["network:N", "group:N", *(alt.Tooltip(name, title=title, format=".4~g") for name, title in told)],
    )
    named = base.transform_filter("datum.label != ''").encode(text="label:N")
    limits = choice.budget.limits()
    times = [math.log(row["latency"]) for row in rows]
    [pick] = [math.log(row["latency"]) for row in rows if row["group"] == "pick"]
    # The pick's label stands left of it, or right of it where it would reach over the axis.
    near = pick == min(times) or pick - min(times) < _LABEL_SHARE * (max(times) - min(times))
    beside: dict[str, Any] = {"align": "left", "dx": 10} if near else {"align": "right", "dx": -10}
    layers: list[Any] = [
        *(
            alt.Chart(alt.InlineData(values=[{name: limits[name] * unit}]))
            .mark_rule(strokeDash=[4, 3], color=_COLOURS["pick"])
            .encode(**{axis: f"{name}:Q"})
            for name, axis, unit in (("latency", "x", 1e3), ("accuracy", "y", 1))
            if name in limits
        ),
        line.encode(order="latency:Q"),
        dots.transform_filter("datum.group == 'frontier'").mark_circle(opacity=0.4),
        dots.transform_filter("datum.group != 'frontier'").mark_circle(opacity=1),
        named.transform_filter("datum.group != 'pick'").mark_text(align="left", dx=10, dy=10),
        named.transform_filter("datum.group == 'pick'").mark_text(**beside, dy=-10, fontWeight="bold"),
    ]
    title = f"{choice.family} on {choice.device}"
    made: alt.LayerChart = alt.LayerChart(layer=layers, width=640, height=400, title=title).configure(
        **theme.config(look)
    )
    return made


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
        "accuracy": point.worth if point.accuracy else point.macs / 1e6,
        "memory": (point.peak_memory_bytes or 0) / 1e6,
        "group": group,
        "network": point.model.key,
        "label": point.model.key if group == "pick" else point.origin if group == "published" else "",
    }
