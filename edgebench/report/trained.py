"""What is shown of a training: the outcome as a table or JSON, curves as a picture, augmented images as a grid."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edgebench.report import files, theme
from edgebench.report.theme import Look
from edgebench.training.kinds import KINDS
from edgebench.training.records import Epoch, Outcome

if TYPE_CHECKING:
    import altair as alt
    from rich.table import Table

    from edgebench.data.dataset import Pixels
    from edgebench.report.plots import ChartRow

CURVES: Final = "curves.png"
MARGIN: Final = 4  # pixels around each image of a grid
HEADING: Final = 14  # pixels a row's name takes
PANEL: Final = 300  # points of each chart's sides
LOSS, ERROR, GRADIENTS = "loss", "error (%)", "gradient norm"
_INK, _PAPER = (27, 31, 36), (255, 255, 255)


def table(outcome: Outcome) -> Table:
    """Returns one row: the network, what was trained, and how well."""
    from rich.table import Table

    shown = Table("network", "data", "images", "trained", "frozen", "epochs", "best", "top-1", "images/s", "time")
    speed = sum(row.images_per_s for row in outcome.epochs) / max(1, len(outcome.epochs))
    shown.add_row(
        outcome.model.key,
        outcome.data,
        str(outcome.train_images),
        f"{outcome.trained_parameters:,}",
        f"{outcome.frozen_parameters:,}",
        str(len(outcome.epochs)),
        str(outcome.best_epoch),
        f"{outcome.val_accuracy:.2%} of {outcome.val_images}",
        f"{speed:.0f}",
        f"{outcome.seconds:.0f} s",
    )
    return shown


def remarks(outcome: Outcome) -> list[str]:
    """Returns what a user should know besides: layers begun anew, images left out, advice."""
    said = []
    if outcome.replaced:
        said.append(f"begun anew for {len(outcome.classes)} classes: {', '.join(outcome.replaced)}")
    said += [f"left out: {path} {why}" for path, why in outcome.unreadable.items()]
    return [*said, outcome.advice] if outcome.advice else said


def write_curves(path: Path, runs: Mapping[str, Sequence[Epoch]], look: Look = "light") -> None:
    """Draws loss, error and gradients of one or several runs, by name, as a PNG.

    Raises MissingPackage without the extra `report`, UsageError where the file cannot be written.
    """
    from edgebench.report.pictures import drawn

    files.write(path, drawn(curves(runs, look), ".png"))


def curves(runs: Mapping[str, Sequence[Epoch]], look: Look = "light") -> ChartRow:
    """Returns three charts side by side: loss, error, and the gradient norms, by epoch."""
    import altair as alt

    rows = [
        {"epoch": row.epoch, "panel": panel, "what": what, "run": name, "value": value}
        for name, epochs in runs.items()
        for row in epochs
        for panel, what, value in _points(row)
    ]
    charts = [_panel(panel, log=panel == GRADIENTS, many=len(runs) > 1) for panel in (LOSS, ERROR, GRADIENTS)]
    row: ChartRow = alt.hconcat(*charts, datasets={"rows": rows}, description="a training, epoch by epoch")
    row = row.resolve_scale(strokeDash="independent").configure(**theme.config(look))
    return row


def _panel(panel: str, *, log: bool, many: bool) -> alt.Chart:
    import altair as alt

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


def write_grid(path: Path, rows: Mapping[str, Pixels]) -> None:
    """Writes uint8 [n, H, W, 3] a row as one PNG, with the name of each row and what it does above it."""
    files.write(path, grid(rows))


def grid(rows: Mapping[str, Pixels]) -> bytes:
    """Returns the PNG that `write_grid` writes."""
    from PIL import Image, ImageDraw

    count, height, width = next(iter(rows.values())).shape[:3]
    step = HEADING + height + 2 * MARGIN
    sheet = Image.new("RGB", (count * (width + MARGIN) + MARGIN, step * len(rows)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for line, (name, images) in enumerate(rows.items()):
        said = f"{name}: {KINDS[name]}" if name in KINDS else name
        pen.text((MARGIN, line * step + 1), said, fill=_INK)
        for column, image in enumerate(images):
            place = (MARGIN + column * (width + MARGIN), line * step + HEADING + MARGIN)
            sheet.paste(Image.fromarray(image), place)
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()


def json(outcome: Outcome) -> dict[str, Any]:
    """Returns what `train --json` prints."""
    import msgspec

    return {**msgspec.to_builtins(outcome), "seconds": outcome.seconds}
