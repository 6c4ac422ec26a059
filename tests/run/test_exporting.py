"""Bad input is refused before the first cell, and one failing cell does not stop the others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebench.formats import pipeline
from edgebench.ground.errors import ExportError, JobError, UsageError
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec
from edgebench.models.given import Given
from edgebench.run import exporting
from edgebench.run.plan import Cell

ONE, OTHER = (ModelSpec(name=name, family=name) for name in ("mobilenetv1", "mobilenetv2"))
TFLITE, ONNX = ExportSpec(), ExportSpec(format="onnx")


def artifact(model: ModelSpec, export: ExportSpec) -> Artifact:
    return Artifact(model=model, export=export, path="x", sha256="0", size_bytes=1, inputs=(), outputs=())


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> list[ModelSpec]:
    """Stands in for the pipeline: ONNX fails; returns the networks that were asked for so far."""
    asked: list[ModelSpec] = []

    def export_models(
        model: ModelSpec, exports: list[ExportSpec], *_: object, **__: object
    ) -> Iterator[tuple[ExportSpec, Artifact | JobError]]:
        asked.append(model)
        for export in exports:
            yield export, ExportError("no such operator") if export == ONNX else artifact(model, export)

    monkeypatch.setattr(pipeline, "export_models", export_models)
    return asked


def test_a_failing_cell_does_not_stop_the_others(exported: list[ModelSpec], tmp_path: Path) -> None:
    cells = [Cell(model=model, export=export) for model in (ONE, OTHER) for export in (ONNX, TFLITE)]
    outcomes = exporting.run(cells, tmp_path)
    assert [outcome.error for outcome in outcomes] == ["no such operator", None] * 2
    assert exported == [ONE, OTHER]
    with pytest.raises(ExportError, match=r"2 of 4 exports failed: mobilenetv1-\S+ onnx fp32, mobilenetv2"):
        exporting.check(outcomes)


def test_nothing_failed_is_no_error(exported: list[ModelSpec], tmp_path: Path) -> None:
    exporting.check(exporting.run([Cell(model=ONE, export=TFLITE)], tmp_path))


def test_a_ready_file_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"net\.onnx is already a model file"):
        exporting.run([Cell(file=Path("net.onnx"), export=ONNX)], tmp_path)


def test_a_damaged_file_is_refused_before_the_first_cell(exported: list[ModelSpec], tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    cells = [Cell(model=ONE, export=TFLITE), Cell(file=tmp_path / "text.onnx", export=ONNX)]
    with pytest.raises(UsageError, match="text file"):
        next(exporting.prepare(cells, tmp_path))
    assert exported == []


def test_weights_are_for_one_network(exported: list[ModelSpec], tmp_path: Path) -> None:
    weights = tmp_path / "w.pth"
    given = Given(weights=weights)
    cells = [Cell(model=ONE, export=TFLITE), Cell(model=OTHER, export=TFLITE)]
    with pytest.raises(UsageError, match="no weights file"):
        exporting.run(cells, tmp_path, given=given)
    weights.touch()
    with pytest.raises(UsageError, match="fits one network: name one, not mobilenetv1 and mobilenetv2"):
        exporting.run(cells, tmp_path, given=given)
    assert len(exporting.run([cells[0], Cell(model=ONE, export=ONNX)], tmp_path, given=given)) == 2
