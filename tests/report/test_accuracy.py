"""Accuracies from the user's CSV file."""

from __future__ import annotations

from pathlib import Path

import example_records as made
import pytest

from edgebench.ground.errors import UsageError
from edgebench.report import accuracy


def _read(folder: Path, text: str) -> accuracy.Accuracies:
    path = folder / "accuracy.csv"
    path.write_text(text)
    return accuracy.read(path)


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
