"""Standard output is for results; everything else goes to standard error."""

import json

import pytest

from edgebench.ground.progress import Step
from edgebench.report import output


def test_what_a_network_prints_meanwhile_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress() as report:
        report(Step(0, 2, "mobilenetv2 tflite fp32"))
        print("hello from a user's module")
    output.json([{"a": float("nan")}])
    shown = capsys.readouterr()
    assert json.loads(shown.out) == [{"a": None}]
    assert shown.err == "[1/2] mobilenetv2 tflite fp32\nhello from a user's module\n"


def test_one_line_a_cell(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress() as report:
        for detail in ("preparing", "process 1 of 5", "memory"):
            report(Step(1, 2, "resnet18 onnx fp32", detail))
    assert capsys.readouterr().err == "[2/2] resnet18 onnx fp32\n"


def test_an_interrupt_is_a_sentence_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), output.progress():
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "edgebench: interrupted; every finished cell is kept\n"
