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
