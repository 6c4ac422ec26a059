"""The table of exports, without an export."""

from io import StringIO
from pathlib import Path

import pytest

from edgebench.ground.records import Artifact, ExportSpec, LayerError, ModelSpec, QuantizationReport
from edgebench.report import files, output, rows
from edgebench.run.exporting import Outcome
from edgebench.run.plan import Cell

MODEL = ModelSpec(name="lenet5", family="lenet")
REPORT = QuantizationReport(
    calibrator="mse",
    calibration_images=48,
    held_out=16,
    errors={"minmax": 0.02, "mse": 0.01},
    layers=(
        LayerError(name="conv1", kind="conv", relative_l2_error=0.01),
        LayerError(name="norm", kind="localresponsenorm", relative_l2_error=0.01, stored="float", why="roots"),
    ),
    bias_corrected=True,
)


def outcome(precision="fp32", report=None, warnings=(), error=None) -> Outcome:
    spec = ExportSpec(precision=precision)
    artifact = Artifact(
        model=MODEL, export=spec, path="/x/net.tflite", sha256="0", size_bytes=1000, inputs=(), outputs=(),
        quantization=report, warnings=warnings,
    )  # fmt: skip
    return Outcome(Cell(export=spec, model=MODEL, file=Path("x")), None if error else artifact, error)


def shown(*outcomes: Outcome) -> str:
    text = StringIO()
    with output.all_columns():
        output.wide_console(text).print(files.exported(outcomes))
    return text.getvalue()


def test_the_column_of_int8_is_there_for_int8_only():
    assert "int8" not in shown(outcome()).splitlines()[0]
    assert "mse, bias corrected, 1 of 2 layers float" in shown(outcome(), outcome("int8", REPORT))


def test_a_failed_export_carries_its_sentence():
    assert "FAILED: no such operator" in shown(outcome(error="no such operator"))


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (QuantizationReport(calibrator="minmax", calibration_images=8, held_out=2), "minmax"),
        (
            QuantizationReport(calibrator="minmax", calibration_images=8, held_out=2, equalized=True),
            "minmax, equalized",
        ),
        (QuantizationReport(calibrator="minmax", calibration_images=0, held_out=2, activations="float32"), "float32"),
    ],
)
def test_what_was_decided_in_words(report, words):
    assert files.decided(report) == words


def test_a_warning_is_told_once_with_the_files_that_it_concerns():
    both = [outcome(warnings=("slow",)), outcome("int8", warnings=("slow", "few images"))]
    assert files.export_warnings(both) == ["slow", "tflite int8: few images"]


def test_the_json_row_says_how_int8_was_made():
    row = rows.export(outcome("int8", REPORT, warnings=("slow",)))
    assert row["quantization"]["float_layers"] == ["norm"]
    assert row["quantization"]["errors"] == {"minmax": 0.02, "mse": 0.01}
    assert row["warnings"] == ["slow"]
    assert rows.export(outcome())["quantization"] is None
    assert rows.export(outcome(error="no"))["warnings"] == []
