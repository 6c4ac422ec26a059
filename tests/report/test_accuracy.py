"""Accuracies: what evaluate prints, and a user's CSV file."""

from __future__ import annotations

import json
from pathlib import Path

import example_records as made
import pytest
from msgspec.structs import replace

from edgebench.ground.errors import UsageError
from edgebench.ground.records import Accuracy, Confusion, ExportSpec, ModelSpec
from edgebench.report import accuracy, output, overview, rows
from edgebench.report.accuracy import Accuracies
from edgebench.run.evaluator import Evaluation


def _read(folder: Path, text: str) -> accuracy.Accuracies:
    path = folder / "accuracy.csv"
    path.write_text(text)
    return accuracy.read(path)


def test_a_table_that_a_spreadsheet_saved_begins_with_a_mark(tmp_path: Path) -> None:
    assert _read(tmp_path, "\ufeffmodel,top1\r\nmobilenetv2,72.0\r\n").of(made.spec()) == pytest.approx(0.72)


def test_a_row_fits_when_its_name_and_every_given_value_do(tmp_path: Path) -> None:
    known = _read(
        tmp_path, "model,resolution,width,top1\nmobilenetv2,160,,68.8\nmobilenetv2,,0.5,65.4\nmobilenetv2,,,72.0\n"
    )
    assert known.of(made.spec(resolution=160)) == pytest.approx(0.688)
    assert known.of(made.spec(width=0.5)) == pytest.approx(0.654)
    assert known.of(made.spec()) == pytest.approx(0.72)
    assert known.of(made.spec("mobilenetv1")) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name,top1\na,70\n", "has no column model"),
        ("", "has no column model and no top1"),
        ("model,top1\nmobilenetv2,0.7x\n", "top1 is '0.7x', which is not a number"),
        ("model,top1\nmobilenetv2,720\n", "it must be a percentage above 0, up to 100"),
        ("model,top1\nmobilenetv2,nan\n", "it must be a percentage"),
        ("model,top1,width\nmobilenetv2,72,wide\n", ":2: width is 'wide'"),
    ],
)
def test_what_is_not_such_a_file_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        _read(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read accuracies"):
        accuracy.read(tmp_path / "none.csv")


COUNTED = Accuracy(
    dataset="photos",
    dataset_identity="ab",
    images=200,
    correct=180,
    correct5=199,
    agreed=190,
    reference_correct=184,
    unreadable=2,
    seconds=4.04,
    evaluated_by="litert 2.3.0",
)


def evaluation(accuracy: Accuracy | None = COUNTED, **changes: object) -> Evaluation:
    return Evaluation(
        model=ModelSpec(name="lenet5", family="lenet", resolution=32, classes=10, channels=1),
        export=ExportSpec(format="tflite", precision="int8"),
        device="host",
        runtime="litert",
        accuracy=accuracy,
        **changes,
    )


def test_the_table_states_interval_difference_and_speed(capsys: pytest.CaptureFixture[str]) -> None:
    worst = Confusion(actual="cat", predicted="dog", count=9, images=20)
    with output.all_columns():
        accuracy.show([evaluation(confusions=(worst,), warnings=("mind the step",))], ["a note"])
    shown = capsys.readouterr()
    for text in ("90.0% (85.1-93.4)", "99.5%", "-2.0", "95.0%", "200 (+2 unreadable)", "cat as dog (9 of 20)"):
        assert text in shown.out
    assert " 50" in shown.out
    assert shown.err.splitlines() == ["edgebench: a note", "edgebench: mind the step"]


def test_json_is_one_document_with_shares_and_null_where_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    alone = replace(COUNTED, agreed=None, reference_correct=None, correct5=None)
    accuracy.show([evaluation(), evaluation(alone)], json=True)
    first, second = json.loads(capsys.readouterr().out)
    assert first["accuracy"]["top1"]["value"] == 0.9
    assert first["accuracy"]["difference"] == pytest.approx(-0.02)
    assert first["accuracy"]["images_per_s"] == pytest.approx(50)
    assert (second["accuracy"]["top5"], second["accuracy"]["agreement"], second["accuracy"]["difference"]) == (
        None,
    ) * 3


def test_a_failure_is_a_row_and_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    accuracy.show([evaluation(None, status="failed", error="the engine fell over")])
    shown = capsys.readouterr().out
    assert "FAILED" in shown
    assert "the engine fell over" in shown
    assert rows.accuracy(None) is None


def test_the_report_shows_what_was_counted_on_the_file_and_else_what_the_user_brings() -> None:
    given = Accuracies((("mobilenetv2", None, None, None, 0.72),))
    assert overview.top1(made.measurement(), given) == 0.72
    assert overview.top1(made.measurement(accuracy=COUNTED), given) == 0.9
    assert overview.top1(made.measurement(), Accuracies()) is None
