from pathlib import Path
from typing import Any

import pytest

from edgebench.formats import format as formats
from edgebench.ground.errors import EdgebenchWarning, UsageError
from edgebench.ground.records import ExportSpec, Quantization
from edgebench.ground.registry import FORMATS
from edgebench.machines import profiles
from edgebench.run import plan
from edgebench.run.network import ModelArguments
from edgebench.run.options import Export


def test_specs_are_every_combination_in_order() -> None:
    specs = plan.export_specs(["tflite", "onnx"], ["fp32", "fp16"])
    assert [spec.key for spec in specs] == ["tflite-fp32", "tflite-fp16", "onnx-fp32", "onnx-fp16"]


def test_a_converter_is_for_tflite_and_pixels_are_for_all() -> None:
    specs = plan.export_specs(["tflite", "coreml"], ["fp32"], converter="litert-torch", image_input=True)
    assert [spec.key for spec in specs] == ["tflite-fp32-litert-torch-image", "coreml-fp32-image"]


def test_a_precision_that_a_format_cannot_be_written_in_is_refused() -> None:
    with pytest.raises(UsageError, match="torch cannot be written in fp16"):
        plan.export_specs(["torch"], ["fp16"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"forms": ["tflight"]}, "unknown format 'tflight'; did you mean tflite"),
        ({"precisions": ["fp8"]}, "unknown precision 'fp8'"),
        ({"converter": "onnx2tf"}, "unknown converter 'onnx2tf'"),
        ({"forms": ["onnx"], "converter": "litert-torch"}, "writes tflite, not onnx"),
    ],
)
def test_what_means_nothing_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan.export_specs(**{"forms": ["tflite"], "precisions": ["fp32"], **asked})


def test_a_ready_file_has_no_width(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"")
    with pytest.raises(UsageError, match=r"net\.onnx is a ready file"):
        plan.cells([str(file)], ModelArguments(width=0.5), [])
    assert len(plan.cells([str(file), "mobilenetv2"], ModelArguments(width=0.5), [ExportSpec()])) == 2


def test_options_reach_the_network() -> None:
    assert ModelArguments(options={"groups": 2}).resolve("alexnet").options == {"groups": 2}
    with pytest.raises(UsageError, match="option groups of alexnet cannot be 3"):
        ModelArguments(options={"groups": 3}).resolve("alexnet")


def test_cells_resolve_every_name_before_anything_runs() -> None:
    specs = plan.export_specs(["tflite"], ["fp32"])
    with pytest.raises(UsageError, match="unknown model"):
        plan.cells(["mobilenetv2", "nothing_like_it_at_all"], ModelArguments(), specs)


def test_a_ready_file_is_one_cell(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"")
    [cell] = plan.cells([str(file)], ModelArguments(), plan.export_specs(["tflite"], ["fp32", "fp16"]))
    assert cell.file == file and cell.export.format == "onnx"


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").write_bytes(b"")
    with pytest.raises(UsageError, match=r"give a \.onnx or \.ort or \.tflite"):
        plan.cells([str(tmp_path / "net.pt2")], ModelArguments(), [])


def test_the_default_format_is_one_that_the_device_is_calibrated_for() -> None:
    anywhere = tuple(form for form in FORMATS if form != "coreml")
    assert plan.default_formats(profiles.load("host")) == anywhere
    assert "torch" not in plan.default_formats(profiles.load("host"), counts=True)
    assert plan.default_formats(profiles.load("rpi4")) == ("tflite",)
    assert plan.default_formats(profiles.load("jetson_nano")) == ("ncnn",)
    assert plan.default_formats(profiles.load("pixel1")) == ("tflite",)
    rk3588 = profiles.load("rk3588")  # its ncnn tables are in half precision: there is no estimate of fp32
    assert [plan.default_formats(rk3588, [of]) for of in ("fp32", "fp16")] == [("tflite",), ("ncnn",)]
    assert plan.default_formats(profiles.load("galaxy_s25"), ["int8"], processor="npu") == ("tflite",)


def test_formats_that_are_not_installed_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    known = formats.installed_version
    monkeypatch.setattr(
        formats, "installed_version", lambda name: None if name in ("ncnn", "openvino") else known(name)
    )
    left = [form for form in FORMATS if form not in ("ncnn", "openvino")]
    assert plan.default_formats(profiles.load("host")) == tuple(form for form in left if form != "coreml")
    with pytest.warns(EdgebenchWarning, match=r"edgebench\[(ncnn|openvino)\]") as said:
        cells, _ = plan.asked(Export(model="lenet5", format="all"), "lenet5")
    assert [cell.export.format for cell in cells] == left
    assert len(said) == 2


def test_input_sets_channels_height_and_width() -> None:
    spec = ModelArguments(input="1x32x32").resolve("lenet5")
    assert spec.input_shape == (1, 1, 32, 32)


def test_int8_specs_carry_their_quantization_and_others_none() -> None:
    wanted = plan.quantization("photos", 32, "mse", float_io=False, error_budget=0.1)
    half, int8 = plan.export_specs(["tflite"], ["fp16", "int8"], quantization=wanted)
    assert half.quantization is None
    assert int8.quantization == Quantization(
        calibration="photos", samples=32, calibrator="mse", float_io=False, error_budget=0.1
    )


def test_int8_without_options_is_calibrated_on_generated_images() -> None:
    (spec,) = plan.export_specs(["tflite"], ["int8"])
    assert (spec.quantization, spec.key) == (Quantization(), "tflite-int8")


def test_calibration_without_int8_is_refused() -> None:
    with pytest.raises(UsageError, match="calibration is for int8, not for fp32, fp16: add `precision='int8'`"):
        plan.export_specs(["tflite"], ["fp32", "fp16"], quantization=plan.quantization("photos"))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"activations": "uint8"}, "uint8 activations can be asked for in onnx, not tflite: add onnx, or leave"),
        ({"calibration": "good", "scheme": "dynamic"}, "the scheme dynamic is not calibrated, so .* images of good"),
        ({"calibration": "good", "scheme": "weights"}, "the scheme weights is not calibrated, so .* images of good"),
    ],
)
def test_what_a_format_or_a_scheme_would_ignore_is_refused(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan.export_specs(["tflite"], ["int8"], quantization=plan.quantization(**wanted))


def test_the_signedness_of_activations_reaches_onnx_alone() -> None:
    specs = plan.export_specs(["tflite", "onnx"], ["int8"], quantization=plan.quantization(activations="uint8"))
    assert [spec.quantization.activations for spec in specs if spec.quantization] == ["", "uint8"]


def test_no_signedness_is_not_listed_among_the_choices() -> None:
    with pytest.raises(UsageError, match="Known: int8, uint8"):
        plan.quantization(activations="foo")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"calibrator": "kl"}, "unknown calibrator 'kl'"),
        ({"scheme": "statik"}, "unknown scheme 'statik'; did you mean static"),
        ({"activations": "uint4"}, "unknown signedness of activations 'uint4'"),
        ({"samples": 0}, "0 samples to calibrate on; give 1 or more"),
        ({"error_budget": 5.0}, "an error budget of 5; it is a relative error between 0 and 1"),
    ],
)
def test_quantization_that_means_nothing_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan.quantization(**asked)


def test_onnx_in_int8_is_written_for_the_devices_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    specs = plan.export_specs(["onnx", "tflite"], ["int8", "fp32"])
    asked = plan.export_specs(["onnx"], ["int8"], quantization=plan.quantization(activations="uint8"))
    cells = plan.cells(["lenet5"], ModelArguments(), [*specs, *asked])
    there = [cell.export.quantization for cell in plan.suited(cells, profiles.load("rpi4"))]
    assert [each.activations for each in there if each] == ["int8", "", "uint8"]
    assert plan.suited(cells, profiles.load("n100")) == list(cells)
    assert plan.suited(cells, profiles.load("host")) == list(cells)


def test_of_formats_that_were_not_named_those_that_can_be_written_go_on() -> None:
    with pytest.warns(EdgebenchWarning, match="left out: (torch cannot be written|onnx has no int8 by)") as told:
        wanted = plan.quantization(scheme="weights")
        found = plan.export_specs(["torch", "mnn", "onnx"], ["int8"], quantization=wanted, named=False)
    assert [each.format for each in found] == ["mnn"] and len(told) == 2
    with pytest.raises(UsageError, match="torch cannot be written in int8 yet"):
        plan.export_specs(["torch"], ["int8"], named=False)
