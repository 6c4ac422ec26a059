import pytest

from edgebench.ground import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [(errors.UsageError, 2), (errors.Inconclusive, 3), (errors.ExportError, 4), (errors.DeviceError, 4)],
)
def test_each_error_has_its_exit_code(kind: type[errors.EdgebenchError], code: int) -> None:
    assert kind("message").exit_code == code


def test_missing_package_names_the_pip_command() -> None:
    error = errors.MissingPackage("coremltools", "coreml", "export to CoreML")
    assert error.exit_code == 2
    assert "pip install 'edgebench[coreml]'" in str(error)


def test_unknown_offers_the_nearest_name_and_all_choices() -> None:
    message = str(errors.unknown("model", "mobilnetv2", ["resnet18", "mobilenetv2"]))
    assert message == "unknown model 'mobilnetv2'; did you mean mobilenetv2? Known: mobilenetv2, resnet18"


def test_unknown_without_a_near_name_still_lists_the_choices() -> None:
    assert str(errors.unknown("format", "zzz", ["onnx"])) == "unknown format 'zzz'. Known: onnx"


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("[Engine] : 1 : FAIL : Load a failed:Node (a.1) [Inference] wrong\nmore", "Node (a.1) [Inference] wrong"),
        ("[Engine] : 1 : FAIL : Load model from a failed:/src/m.cc:25 E::M(A&&, const B&) Version 9", "Version 9"),
        ("it failed: this (and that) Too", "it failed: this (and that) Too"),
        (ValueError(), "ValueError"),
        ("x" * 400, "x" * 300),
    ],
)
def test_what_an_engine_says_is_told_without_its_sources(message, line):
    assert errors.first_line(message) == line
