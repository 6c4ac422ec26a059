import io
import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from edgebench.cli import app
from edgebench.formats import manifest
from edgebench.formats.inspect import Inspected, Operator
from edgebench.formats.strict import between, fallen, only_float, sentences
from edgebench.ground.errors import ExportError
from edgebench.ground.records import Artifact, ExportSpec, LayerError, ModelSpec, QuantizationReport
from edgebench.report import files
from edgebench.run import inspecting

onnx = pytest.importorskip("onnx")

import numpy as np  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402  after the check that it is there


def operator(kind: str, computes: str, source: str, target: str) -> Operator:
    return Operator(target, kind, computes, (source,), (target,))


CHAIN = (
    operator("Conv", "int8", "a", "b"),
    operator("DQ", "conversion", "b", "c"),
    operator("Swish", "fp32", "c", "d"),
    operator("Add", "fp32", "d", "e"),
    operator("Q", "conversion", "e", "f"),
    operator("Conv", "int8", "f", "g"),
    operator("Softmax", "fp32", "g", "h"),
)


def test_what_lies_between_int8_is_found_through_conversions_and_ends_do_not_count():
    assert [one.kind for one in between(CHAIN)] == ["Swish", "Add"]
    assert between(CHAIN[2:]) == []


def test_only_what_could_be_int8_is_a_fault():
    found = Inspected((), (), CHAIN, int8_kinds=("Conv", "Add"))
    assert sentences(found) == ["float operators lie between int8 ones: Add x1"]
    assert only_float(found) == {"Swish": 1}


def test_layers_that_the_engine_runs_in_float_are_counted():
    assert fallen(Inspected((), (), CHAIN, runs={"QLinearConv": 1, "Conv": 1})) == [
        "1 of 2 int8 convolutions and dense layers run in float on this processor"
    ]
    assert fallen(Inspected((), (), CHAIN, runs={"QLinearConv": 2})) == fallen(Inspected((), (), CHAIN)) == []


def network(path: Path) -> Path:
    """One float convolution."""
    weight = numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "stem.weight")
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size, 4, 4]) for name, size in (("x", 3), ("y", 2))
    ]
    node = helper.make_node("Conv", ["x", "stem.weight"], ["y"], name="conv")
    graph = helper.make_graph([node], "net", ends[:1], ends[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save_model(model, path)
    return path


def with_report(path: Path) -> Path:
    layer = LayerError(name="stem", kind="Conv", relative_l2_error=0.25, stored="float", why="because")
    other = LayerError(name="head", kind="Gemm", relative_l2_error=0.5)
    report = QuantizationReport(
        calibrator="mse", calibration_images=6, held_out=2, errors={"mse": 0.01}, layers=(layer, other)
    )
    artifact = Artifact(
        model=ModelSpec(name="net", family="test"),
        export=ExportSpec(format="onnx", precision="int8"),
        path=str(path),
        sha256=manifest.content_sha256(path),
        size_bytes=1,
        inputs=(),
        outputs=(),
        quantization=report,
    )
    manifest.write(artifact, manifest.manifest_path(path))
    return path


def test_a_float_file_is_described_without_a_manifest(tmp_path):
    found = inspecting.inspect(network(tmp_path / "net.onnx"))
    assert (found.format, found.computes, found.weights) == ("onnx", {"fp32": 1}, {"float32": 24})
    assert found.operators[0].name == "stem" and found.operators[0].shape == (1, 2, 4, 4)
    assert found.complaints == found.notes == () and not found.int8
    with pytest.raises(ExportError, match="computes nothing in int8"):
        inspecting.check(found)


def test_layers_come_from_the_manifest_worst_first(tmp_path):
    found = inspecting.inspect(with_report(network(tmp_path / "net.onnx")))
    assert [layer.name for layer in found.worst] == ["head", "stem"]


def test_the_command_shows_tables_and_one_json_document(tmp_path):
    path = with_report(network(tmp_path / "net.onnx"))
    shown = CliRunner().invoke(app, ["inspect", str(path)])
    assert shown.exit_code == 0
    for text in (
        "net.onnx: onnx",
        "x 1x3x4x4 float32 -> y 1x2x4x4 float32",
        "int8 by mse",
        "because",
        "engine runs: Conv x1",
    ):
        assert text in shown.output
    document = json.loads(CliRunner().invoke(app, ["inspect", str(path), "--json"]).output)
    assert document["operators"][0]["kind"] == "Conv"
    assert document["quantization"]["layers"][0]["why"] == "because"


def found_with(**given) -> inspecting.Inspection:
    fields = dict.fromkeys(inspecting.Inspection.__dataclass_fields__) | {
        "path": "net.tflite", "format": "tflite", "size_bytes": 1, "inputs": (), "outputs": (), "operators": (),
        "weights": {}, "computes": {}, "complaints": (), "notes": (),
    }  # fmt: skip
    return inspecting.Inspection(**fields | given)  # type: ignore[arg-type]


def shown(found: inspecting.Inspection, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(*files.inspected(found), sep="\n")
    return console.export_text()


def test_strict_names_dynamic_range():
    layers = (operator("CONV_2D", "int8 weights, dynamic", "a", "b"),)
    with pytest.raises(ExportError, match="dynamic range, int8 weights with float activations: CONV_2D x1"):
        inspecting.check(found_with(operators=layers, computes={"int8 weights, dynamic": 1}))
    inspecting.check(found_with(operators=CHAIN, computes={"int8": 2}))


def test_what_was_not_calibrated_is_not_said_to_be():
    report = QuantizationReport(calibrator="minmax", calibration_images=0, held_out=2, activations="float32")
    text = shown(found_with(quantization=report))
    assert "int8 weights, not calibrated; activations float32" in text and "compared" not in text


@pytest.mark.parametrize(
    ("delegates", "says"),
    [(0, "no operator runs in a delegate"), (1, "run in 1 delegate\n"), (3, "run in 3 delegates\n")],
)
def test_delegates_are_counted_in_words(delegates, says):
    assert says in shown(found_with(delegates=delegates, delegated_share=0.8))


def test_the_title_of_the_layers_is_one_line():
    report = QuantizationReport(
        calibrator="mse",
        calibration_images=6,
        held_out=2,
        layers=(LayerError(name="a", kind="b", relative_l2_error=0.1),),
    )
    assert "layers that lose most, of 1; all are in --json\n" in shown(found_with(quantization=report))


def test_strict_ends_with_a_sentence(tmp_path):
    path = network(tmp_path / "net.onnx")
    failed = CliRunner().invoke(app, ["inspect", str(path), "--strict"])
    assert isinstance(failed.exception, ExportError) and "--strict" in str(failed.exception)


def test_an_inspection_is_json():
    fields = dict.fromkeys(inspecting.Inspection.__dataclass_fields__)
    assert msgspec.json.encode(inspecting.Inspection(**fields))  # type: ignore[arg-type]
