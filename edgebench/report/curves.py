"""The curves of trainings: loss, error and gradients by epoch, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from edgebench.ground.errors import MissingPackage
from edgebench.report import theme
from edgebench.report.theme import Look
from edgebench.training.records import Epoch

try:
    import altair as alt
except ModuleNotFoundError as error:
    raise MissingPackage("altair", "report", "drawing curves") from error

PANEL: Final = 300  # points of each chart's sides
LOSS, ERROR, GRADIENTS = "loss", "error (%)", "gradient norm"


def curves(runs: Mapping[str, Sequence[Epoch]], look: Look = "light") -> alt.HConcatChart:
    """Returns three charts side by side: loss, error, and the gradient norms, by epoch."""
    rows = [
        {"epoch": row.epoch, "panel": panel, "what": what, "run": name, "value": value}
        for name, epochs in runs.items()
        for row in epochs
        for panel, what, value in _points(row)
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


def _points(row: Epoch) -> list[tuple[str, str, float]]:
    first = next(iter(row.layer_gradients.values()), row.gradient_norm)
    return [
        (LOSS, "training", row.train_loss),
        (LOSS, "validation", row.val_loss),
        (ERROR, "training", 100 * (1 - row.train_accuracy)),
        (ERROR, "validation", 100 * (1 - row.val_accuracy)),
        (GRADIENTS, "all layers", row.gradient_norm),
        (GRADIENTS, "first layer", first),
    ]
