"""What is shown of a training: the outcome as a table or JSON, curves as a picture, augmented images as a grid."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgebench.ground.errors import MissingPackage
from edgebench.report import output
from edgebench.training.records import Epoch, TrainingResult
from edgebench.training.settings import KINDS

if TYPE_CHECKING:
    from rich.table import Table

    from edgebench.data.dataset import Pixels

CURVES: Final = "curves.png"
MARGIN: Final = 4  # pixels around each image of a grid
HEADING: Final = 14  # pixels a row's name takes
_INK, _PAPER = (27, 31, 36), (255, 255, 255)


def table(trained: TrainingResult) -> Table:
    """Returns one row: the network, what was trained, and how well."""
    from rich.table import Table

    shown = Table("network", "data", "images", "trained", "frozen", "epochs", "best", "top-1", "images/s", "time")
    speed = sum(row.images_per_s for row in trained.epochs) / max(1, len(trained.epochs))
    shown.add_row(
        trained.model.key,
        trained.data,
        str(trained.train_images),
        f"{trained.trained_parameters:,}",
        f"{trained.frozen_parameters:,}",
        str(len(trained.epochs)),
        str(trained.best_epoch),
        f"{trained.val_accuracy:.2%} of {trained.val_images}",
        f"{speed:.0f}",
        f"{trained.seconds:.0f} s",
    )
    return shown


def warnings(trained: TrainingResult) -> list[str]:
    """Returns what a user should know besides: layers begun anew, images left out, advice."""
    said = []
    if trained.replaced:
        said.append(f"begun anew for {len(trained.classes)} classes: {', '.join(trained.replaced)}")
    said += [f"left out: {path} {why}" for path, why in trained.unreadable.items()]
    return [*said, trained.advice] if trained.advice else said


def curves_beside(trained: TrainingResult) -> list[str]:
    """Draws the curves into the run's folder; without the extra `report` the remark that says so is returned."""
    try:
        write_curves(Path(trained.folder) / CURVES, {trained.model.key: trained.epochs})
    except MissingPackage as error:
        return [str(error)]
    return []


def write_curves(path: Path, runs: Mapping[str, Sequence[Epoch]]) -> None:
    """Draws loss, error and gradients of one or several runs, by name, as a PNG.

    Raises MissingPackage without the extra `report`, UsageError where the file cannot be written.
    """
    from edgebench.report.pictures import drawn
    from edgebench.report.plots import curves

    output.write(path, drawn(curves(runs), ".png"))


def grid(rows: Mapping[str, Pixels]) -> bytes:
    """Returns uint8 [n, H, W, 3] a row as one PNG, with the name of each row and what it does above it."""
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
