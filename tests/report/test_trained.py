"""What is shown of a training."""

import io
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from edgebench import models
from edgebench.models import preprocessing
from edgebench.report import trained
from edgebench.report.plots import curves
from edgebench.training.records import Epoch, TrainingResult

SPEC = models.resolve("resnet20")


def _epochs(loss: float) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(
            epoch=epoch,
            step=epoch,
            lr=0.1,
            train_loss=loss / epoch,
            train_accuracy=0.5,
            val_loss=loss,
            val_accuracy=0.25,
            gradient_norm=2.0,
            layer_gradients={"conv1": 0.5},
            images_per_s=100.0,
            seconds=2.0,
        )
        for epoch in (1, 2, 3)
    )


def _outcome() -> TrainingResult:
    prepared = preprocessing(SPEC)
    assert prepared is not None
    return TrainingResult(
        model=SPEC,
        folder="run",
        weights="run/best.safetensors",
        data="photos",
        classes=("a", "b"),
        preprocessing=prepared,
        val_accuracy=0.25,
        best_epoch=1,
        train_images=10,
        val_images=4,
        trained_parameters=66,
        frozen_parameters=1234,
        replaced=("fc",),
        unreadable={"a/1.jpg": "is empty"},
        advice="more images",
        epochs=_epochs(1.0),
        seconds=6.0,
    )


def test_curves_of_one_run_and_of_several_are_pictures(tmp_path: Path) -> None:
    for runs in ({"one": _epochs(1.0)}, {"one": _epochs(1.0), "two": _epochs(2.0)}):
        trained.write_curves(tmp_path / "curves.png", runs)
        with Image.open(tmp_path / "curves.png") as picture:
            assert picture.width > 2 * picture.height


def test_curves_hold_every_epoch_of_every_run() -> None:
    chart = curves({"one": _epochs(1.0), "two": _epochs(2.0)}).to_dict()
    rows = next(iter(chart["datasets"].values()))
    assert len(rows) == 2 * 3 * 6
    errors = [row["value"] for row in rows if row["panel"] == "error (%)" and row["what"] == "validation"]
    assert set(errors) == {75.0}


def test_without_altair_the_run_stands_and_the_remark_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "edgebench.report.plots", raising=False)
    monkeypatch.setitem(sys.modules, "altair", None)
    outcome = msgspec.structs.replace(_outcome(), folder=str(tmp_path))
    [remark] = trained.curves_beside(outcome)
    assert "edgebench[report]" in remark


def test_a_grid_has_every_image_at_its_place() -> None:
    rows = {name: np.full((3, 8, 10, 3), value, np.uint8) for name, value in (("original", 10), ("mirror", 200))}
    with Image.open(io.BytesIO(trained.grid(rows))) as sheet:
        pixels = np.asarray(sheet)
    assert sheet.size == (3 * 14 + 4, 2 * (14 + 8 + 8))
    assert (pixels == 10).all(2).sum() == (pixels == 200).all(2).sum() == 3 * 8 * 10


def test_remarks_name_what_a_user_should_know() -> None:
    assert trained.warnings(_outcome()) == ["begun anew for 2 classes: fc", "left out: a/1.jpg is empty", "more images"]


def test_json_and_table_hold_the_accuracy() -> None:
    from rich.console import Console

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(trained.table(_outcome()))
    shown = console.export_text()
    assert "25.00% of 4" in shown and "1,234" in shown
