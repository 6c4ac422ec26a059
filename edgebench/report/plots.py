"""The plots of the report, of `edgebench plot`, of trainings and of notebooks: from rows in base units to a chart.

The page embeds the same charts with its own rows under the same names, so a picture in a paper and one in the report
are drawn by one description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from edgebench.ground.errors import MissingPackage
from edgebench.report import theme
from edgebench.report.theme import Look
from edgebench.training.records import Epoch

try:
    import altair as alt
except ModuleNotFoundError as error:
    raise MissingPackage("altair", "report", "drawing plots") from error

Rows = Sequence[Mapping[str, Any]]
Chart = alt.LayerChart
ChartRow = alt.HConcatChart

# What can stand against latency: field, title, unit's size in base units, and whether more of it is better.
TRADES: Final = {
    "accuracy": ("accuracy", "top-1 accuracy (%)", 0.01, True),
    "size": ("size_bytes", "file size (MB)", 1e6, False),
    "memory": ("peak_memory_bytes", "peak memory (MB)", 1e6, False),
    "macs": ("macs", "MACs (millions)", 1e6, False),
    "parameters": ("parameters", "parameters (millions)", 1e6, False),
}
# Where a latency axis may have a label; those in sight are drawn, with enough of them within half a decade.
MS_TICKS: Final = [float(f"{digit}e{power}") for power in range(-3, 6) for digit in (1, 1.5, 2, 3, 5, 7)]
AS_IS: Final = "'' + datum.value"
MOST_BARS: Final = 30
BAR_HEIGHT: Final = 17
# What an operator costs: field, its unit's size in base units, the axis' title, and the tooltip's.
TIMED: Final = ("time_s", 1e-6, "median time (µs)", "µs")
COUNTED: Final = ("instructions", 1e6, "instructions (millions)", "million instructions")
TIMED_TOO: Final = ("unit:N", alt.Tooltip("macs:Q", title="MACs", format=".3~s"))
WORSE: Final = "new / base (above 1 is worse)"
PROVENANCE: Final = ("measured", "emulated", "estimated")
PANEL: Final = 300  # points of each chart's sides
LOSS, ERROR, GRADIENTS = "loss", "error (%)", "gradient norm"
VERDICTS: Final = {"slower": "bad", "faster": "good", "same": "muted", "inconclusive": "ink"}


def pareto(rows: Rows, *, y: str = "size", budgets: Rows = (), look: Look = "light") -> Chart:
    """Latency against one of TRADES; the bubble is peak memory, the line joins the points that nothing beats.

    A row has the keys of `edgebench.report.overview.points`. `budgets` holds at most one {"latency_s", "memory_bytes"}:
    a line at the latency, and a warning colour around what needs more memory.
    """
    field, title, unit, more = TRADES[y]
    points = (
        alt.Chart(alt.NamedData("rows"))
        .transform_filter(f"isValid(datum.{field}) && isValid(datum.p50_s)")
        .transform_calculate(
            # 0 where it is not known: a scale over nothing has no size.
            memory="isValid(datum.peak_memory_bytes) ? datum.peak_memory_bytes / 1e6 : 0",
            x="datum.p50_s * 1000",
            y=f"datum.{field} / {unit}",
            rank="datum.y" if more else "-datum.y",
        )
    )
    log, share = alt.Scale(type="log", nice=False, padding=16), alt.Scale(zero=False, padding=16)
    encoded = points.encode(
        x=alt.X("x:Q", title="latency, p50 (ms)", scale=log,
                axis=alt.Axis(values=MS_TICKS, labelExpr=AS_IS, tickCount=60)),
        y=alt.Y("y:Q", title=title, scale=share if more else log),
    )  # fmt: skip
    best = _frontier(points)
    path = best.mark_line(interpolate="step-after", strokeWidth=1.5, color=theme.colour("muted", look))
    # Up and to the left of a point that nothing beats there is no other; only the first has the axis there.
    first = "!isValid(datum.before)"
    names = best.mark_text(
        align=alt.ExprRef(f"{first} ? 'left' : 'right'"), dx=alt.ExprRef(f"{first} ? 9 : -8"), dy=-9, fontSize=10
    ).encode(text="label:N")
    line: alt.Chart = (
        alt.Chart(alt.NamedData("budgets"))
        .transform_filter("isValid(datum.latency_s)")
        .transform_calculate(x="datum.latency_s * 1000")
        .mark_rule(strokeDash=[5, 4], strokeWidth=1.5, color=theme.colour("bad", look))
        .encode(x="x:Q", tooltip=[alt.Tooltip("x:Q", title="latency budget, ms", format=".4~g")])
    )
    layers = [path.encode(order="x:Q"), _bubbles(encoded, y, look), names, line]
    return _layered(
        layers, {"rows": list(rows), "budgets": list(budgets)}, look, description=f"{title} against latency"
    )


def _bubbles(encoded: alt.Chart, y: str, look: Look) -> alt.Chart:
    over = "isValid(datum.over_memory) && datum.over_memory"
    drawn: alt.Chart = encoded.mark_point(filled=True, opacity=0.75, strokeWidth=1.5).encode(
        color=alt.Color("family:N", title="family"),
        shape=alt.Shape("provenance:N", title="number", scale=alt.Scale(domain=list(PROVENANCE))),
        size=alt.Size("memory:Q", title="peak memory (MB)", scale=alt.Scale(range=[30, 400]),
                      legend=alt.Legend(values=[1, 10, 100], labelExpr=AS_IS)),
        stroke=alt.condition(over, alt.value(theme.colour("bad", look)), alt.value(None)),
        tooltip=["label:N", "device:N", "provenance:N", alt.Tooltip("x:Q", title="p50 ms", format=".3~s"),
                 alt.Tooltip("y:Q", title=TRADES[y][1], format=".4~g")],
    )  # fmt: skip
    return drawn


def _frontier(points: alt.Chart) -> alt.Chart:
    """The points with a better y than every faster one."""
    faster_first: list[alt.SortField | dict[str, str]] = [alt.SortField("x"), alt.SortField("rank", order="descending")]
    found: alt.Chart = (
        points.transform_window(sort=faster_first, ignorePeers=True, best="max(rank)")
        .transform_window(sort=faster_first, ignorePeers=True, before="lag(best)")
        .transform_filter("!isValid(datum.before) || datum.rank > datum.before")
        .encode(x="x:Q", y="y:Q")
    )
    return found


def latency(samples: Rows, starts: Rows = (), *, look: Look = "light") -> Chart:
    """Every run in time order: rows and starts as `edgebench.report.plot_rows` makes them.

    A run beyond the frame is a triangle at its edge; the line is the median of 25 neighbouring runs of a process.
    """
    runs = alt.Chart(alt.NamedData("samples")).transform_calculate(
        true="datum.latency_s * 1000", ms="(isValid(datum.edge_s) ? datum.edge_s : datum.latency_s) * 1000"
    )
    x = alt.X("run:Q", title="run, in time order over all processes", scale=alt.Scale(nice=False))
    y = alt.Y("ms:Q", title="latency (ms)", scale=alt.Scale(zero=False))
    colour = alt.Color("process:N", title="process", sort=None)
    beyond = "isValid(datum.edge_s)"
    dots = runs.mark_point(filled=True, opacity=0.6).encode(
        x=x, y=y, color=colour,
        shape=alt.condition(beyond, alt.value("triangle-up"), alt.value("circle")),
        size=alt.condition(beyond, alt.value(34), alt.value(12)),
        tooltip=["process:N", "run:Q", alt.Tooltip("true:Q", title="ms", format=".4~g")],
    )  # fmt: skip
    middle = (
        runs.transform_window(sort=[alt.SortField("run")], groupby=["process"], frame=[-12, 12], middle="median(ms)")
        .mark_line(strokeWidth=2)
        .encode(x=x, y=alt.Y("middle:Q", title="latency (ms)"), color=colour)
    )
    begins = (
        alt.Chart(alt.NamedData("starts"))
        .mark_rule(strokeDash=[2, 3], color=theme.colour("line", look))
        .encode(x="run:Q")
    )
    return _layered([begins, dots, middle], {"samples": list(samples), "starts": list(starts)}, look,
                    description="latency of every run in time order, by process")  # fmt: skip


def spread(quantiles: Rows, *, look: Look = "light") -> Chart:
    """The distribution of each process: a row is {"process", "share", "latency_s"}, share in 0..1."""
    chart = (
        alt.Chart(alt.NamedData("quantiles"))
        .transform_calculate(ms="datum.latency_s * 1000")
        .mark_line(strokeWidth=1.5, interpolate="step-after")
        .encode(
            x=alt.X("ms:Q", title="latency (ms)", scale=alt.Scale(zero=False, nice=False)),
            y=alt.Y("share:Q", title="runs at most as slow", axis=alt.Axis(format="%")),
            color=alt.Color("process:N", title="process", sort=None),
            order="share:Q",
            tooltip=["process:N", alt.Tooltip("share:Q", format=".0%"), alt.Tooltip("ms:Q", format=".4~g")],
        )
    )
    return _layered(
        [chart], {"quantiles": list(quantiles)}, look, description="share of runs up to a latency, by process"
    )


def operators(rows: Rows, *, counted: bool = False, look: Look = "light") -> Chart:
    """The costliest operators first: rows with the fields of `operators.OperatorRow`, or of CountedRow."""
    field, unit, title, name = COUNTED if counted else TIMED
    base = (
        alt.Chart(alt.NamedData("operators"))
        .transform_window(rank="rank()", sort=[alt.SortField(field, order="descending")])
        .transform_filter(f"datum.rank <= {MOST_BARS}")
        .transform_calculate(
            cost=f"datum.{field} / {unit}",
            room=f"datum.{field} * 1.25 / {unit}",
            text="format(datum.share, '.1%') + '  (' + format(datum.cumulative_share, '.0%') + ')'",
        )
        .encode(y=alt.Y("name:N", title=None, sort=None))
    )
    bars = base.mark_bar(height=11).encode(
        x=alt.X("cost:Q", title=f"{title}; share of all operators, and with all before it"),
        color=alt.Color("kind:N", title="kind"),
        tooltip=["name:N", "kind:N", alt.Tooltip("cost:Q", title=name, format=".4~g"),
                 alt.Tooltip("share:Q", format=".1%"), *([] if counted else TIMED_TOO)],
    )  # fmt: skip
    text = base.mark_text(align="left", dx=4, fontSize=10, color=theme.colour("muted", look)).encode(
        x="cost:Q", text="text:N"
    )
    room = base.mark_point(opacity=0).encode(x="room:Q")  # keeps the axis long enough for the text
    chart = _layered(
        [bars, room, text], {"operators": list(rows)}, look, description=f"{title} of the costliest operators"
    )
    return _bars_high(chart, min(len(rows), MOST_BARS), look)


def history(points: Rows, levels: Rows = (), *, look: Look = "light") -> Chart:
    """Latency over time: a point is {"series", "time_s", "latency_s", "commit"}, in seconds since 1970.

    A level is {"series", "from_s", "to_s", "latency_s", "change"}: the time between two changes, its median, and the
    ratio to the level before as text (empty for the first).
    """
    ms = {"ms": "datum.latency_s * 1000"}
    when = {"time": "toDate(datum.time_s * 1000)"}
    y = alt.Y("ms:Q", title="latency, p10 of a process (ms)", scale=alt.Scale(zero=False))
    dots = (
        alt.Chart(alt.NamedData("points")).transform_calculate(**ms, **when).mark_circle(size=22, opacity=0.7)
        .encode(x=alt.X("time:T", title=None, axis=alt.Axis(format="%Y-%m-%d", labelOverlap=True, labelSeparation=12)),
                y=y, color=alt.Color("series:N", title=None, legend=alt.Legend(columns=1, labelLimit=500)),
                tooltip=["series:N", alt.Tooltip("time:T", format="%Y-%m-%d %H:%M"),
                         alt.Tooltip("ms:Q", format=".4~g"), "commit:N"])
    )  # fmt: skip
    level = alt.Chart(alt.NamedData("levels")).transform_calculate(
        **ms, time="toDate(datum.from_s * 1000)", end="toDate(datum.to_s * 1000)"
    )
    lines = level.mark_rule(strokeWidth=2, color=theme.colour("ink", look)).encode(x="time:T", x2="end:T", y=y)
    changes = level.transform_filter("datum.change")
    rules = changes.mark_rule(strokeDash=[4, 3], color=theme.colour("muted", look)).encode(x="time:T")
    texts = changes.mark_text(align="left", dx=5, dy=-8, fontWeight=600).encode(x="time:T", y=y, text="change:N")
    return _layered([rules, dots, lines, texts], {"points": list(points), "levels": list(levels)}, look,
                    description="latency over time, with the points where it changed")  # fmt: skip


def comparison(rows: Rows, *, look: Look = "light") -> Chart:
    """New over base with its interval, in the order of rows {"label", "metric", "ratio", "low", "high", "verdict"}."""
    base = (
        alt.Chart(alt.NamedData("rows"))
        .transform_filter("isValid(datum.ratio)")
        .transform_calculate(name="datum.metric + '  ·  ' + datum.label")
        .encode(
            y=alt.Y("name:N", title=None, sort=None),
            color=alt.Color("verdict:N", title="verdict", scale=alt.Scale(
                domain=list(VERDICTS), range=[theme.colour(token, look) for token in VERDICTS.values()])),
        )
    )  # fmt: skip
    x = alt.X("ratio:Q", title=WORSE, scale=alt.Scale(type="log", padding=12, nice=False))
    bars = (
        base.transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(strokeWidth=2)
        .encode(x=alt.X("low:Q", title=WORSE), x2="high:Q")
    )
    dots = base.mark_point(filled=True, size=55).encode(
        x=x, tooltip=["name:N", "verdict:N", alt.Tooltip("ratio:Q", format=".4~g"), alt.Tooltip("low:Q", format=".4~g"),
                      alt.Tooltip("high:Q", format=".4~g")])  # fmt: skip
    one = (
        alt.Chart(alt.InlineData(values=[{"ratio": 1}])).mark_rule(color=theme.colour("line", look)).encode(x="ratio:Q")
    )
    chart = _layered(
        [one, bars, dots], {"rows": list(rows)}, look, description="ratio of new to base, by cell and metric"
    )
    return _bars_high(chart, len(rows), look)


def curves(runs: Mapping[str, Sequence[Epoch]], look: Look = "light") -> alt.HConcatChart:
    """Returns three charts side by side: loss, error, and the gradient norms, by epoch."""
    rows = []
    for name, epochs in runs.items():
        for each in epochs:
            values = {
                (LOSS, "training"): each.train_loss,
                (LOSS, "validation"): each.val_loss,
                (ERROR, "training"): 100 * (1 - each.train_accuracy),
                (ERROR, "validation"): 100 * (1 - each.val_accuracy),
                (GRADIENTS, "all layers"): each.gradient_norm,
                (GRADIENTS, "first layer"): next(iter(each.layer_gradients.values()), each.gradient_norm),
            }
            rows += [
                {"epoch": each.epoch, "panel": panel, "what": what, "run": name, "value": value}
                for (panel, what), value in values.items()
            ]
    charts = [_panel(panel, log=panel != ERROR, many=len(runs) > 1) for panel in (LOSS, ERROR, GRADIENTS)]
    row: alt.HConcatChart = alt.hconcat(*charts, datasets={"rows": rows}, description="a training, epoch by epoch")
    row = row.resolve_scale(strokeDash="independent").configure(**theme.config(look))
    return row


def _panel(panel: str, *, log: bool, many: bool) -> alt.Chart:
    scale = alt.Scale(type="log" if log else "linear", nice=False, padding=8, zero=False)
    dash = alt.StrokeDash("what:N", title=None)
    colour = alt.Color("run:N", title="run", sort=None) if many else alt.Color("what:N", title=None)
    lines: alt.Chart = (
        alt.Chart(alt.NamedData("rows"))
        .transform_filter(f"datum.panel === '{panel}' && isValid(datum.value)")
        .mark_line(strokeWidth=1.5)
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("value:Q", title=panel, scale=scale),
            color=colour,
            strokeDash=dash,
        )
        .properties(width=PANEL, height=PANEL)
    )
    return lines


def _bars_high(chart: Chart, count: int, look: Look) -> Chart:
    """High enough for so many bars; the page sets the height itself, when it has its rows."""
    return chart if look == "page" else chart.properties(height=BAR_HEIGHT * max(count, 1))


def _layered(layers: list[alt.Chart], data: dict[str, list[Any]], look: Look, *, description: str) -> Chart:
    chart: Chart = alt.layer(*layers, datasets=data, description=description).configure(**theme.config(look))
    if look == "page":
        return chart.properties(width="container", autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    return chart.properties(width=640)


def described(chart: Chart | ChartRow) -> dict[str, Any]:
    """The chart as Vega-Lite, its legends one under the other; Altair's schema does not know of that setting.

    Altair has validated each part as it was made; validating the whole again would take as long as drawing it.
    """
    found: dict[str, Any] = chart.to_dict(validate=False)
    found["config"]["legend"]["layout"] = {"top": {"direction": "vertical", "anchor": "start", "margin": 2}}
    return found
