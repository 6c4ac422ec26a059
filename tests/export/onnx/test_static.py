from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest

from edgebench.formats import pipeline
from edgebench.formats.onnx.convert import convert
from edgebench.formats.onnx.int8 import SLOWER
from edgebench.formats.onnx.layers import activations, layer_errors
from edgebench.formats.onnx.static import quantize
from edgebench.formats.onnx.variant import Variant
from edgebench.formats.onnx.writer import translate
from edgebench.formats.quantize.ranges import observe, ranges
from edgebench.graph.operators import Conv, Graph, Input, Resize
from edgebench.ground.records import ExportSpec, Quantization
from edgebench.runtimes import runtime
from edgebench.runtimes.onnxruntime.engine import PROVIDERS, options

INT8 = ExportSpec(format="onnx", precision="int8", quantization=Quantization(samples=8, calibrator="minmax"))


def output(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), options(1, exact=True), providers=PROVIDERS)
    return session.run(None, {"image": image})[0]


def error(found: onnx.ModelProto, expected: onnx.ModelProto, images: list[np.ndarray]) -> float:
    pairs = [(output(found, image), output(expected, image)) for image in images]
    return max(np.linalg.norm(one - other) / np.linalg.norm(other) for one, other in pairs)


@pytest.mark.parametrize("stored", ["uint8", "int8"])
def test_int8_computes_the_network_nearly(stored, model, seen, images):
    quantized = quantize(model, seen, Variant(stored))
    onnx.checker.check_model(quantized, full_check=True)
    assert 1e-6 < error(quantized, model, images) < 0.03
    code = {"uint8": onnx.TensorProto.UINT8, "int8": onnx.TensorProto.INT8}[stored]
    zero_points = {one.name: one for one in quantized.graph.initializer if one.name.endswith("zero_point")}
    rounded = {node.input[2] for node in quantized.graph.node if node.op_type == "QuantizeLinear"}
    assert rounded and {zero_points[name].data_type for name in rounded} == {code}


def test_checks_compute_what_the_file_says_on_every_processor(model, seen, images, tmp_path):
    """An x86 without VNNI runs 8-bit weights with sums that saturate; the reference is the file in float arithmetic."""
    path = tmp_path / "net.onnx"
    settings = options(1)
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for stored in ("uint8", "int8"):
        onnx.save(quantize(model, seen, Variant(stored)), path)
        reference = onnxruntime.InferenceSession(path, settings, providers=PROVIDERS).run(None, {"image": images[0]})[0]
        checked = runtime("onnxruntime").load(str(path), exact=True)
        assert np.linalg.norm(checked.run(images[0]) - reference) < 1e-3 * np.linalg.norm(reference)


def test_weights_have_a_scale_a_channel_and_7_bits_where_reduced(model, seen):
    for reduced, most in ((False, 127), (True, 64)):
        quantized = quantize(model, seen, Variant("uint8", reduced))
        tensors = {one.name: onnx.numpy_helper.to_array(one) for one in quantized.graph.initializer}
        assert tensors["stem.0.weight_scale"].shape == (16,)
        assert np.abs(tensors["stem.0.weight_quantized"].astype(int)).max() == most


def test_the_engine_runs_every_layer_in_int8_but_the_normalisation(model, seen, tmp_path):
    settings = options(1)
    settings.optimized_model_filepath = str(tmp_path / "run.onnx")
    model = quantize(model, seen, Variant("uint8"))
    onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=PROVIDERS)
    run = Counter(node.op_type for node in onnx.load(tmp_path / "run.onnx").graph.node)
    assert (run["QLinearConv"], run["QGemm"], run["QLinearGlobalAveragePool"]) == (4, 1, 2)
    assert run["LRN"] == 1
    assert run["Conv"] == run["Gemm"] == run["ReduceMean"] == run["Sigmoid"] == 0


def test_logits_are_not_rounded(model, seen, images):
    quantized = quantize(model, seen, Variant("uint8"))
    last = [node for node in quantized.graph.node if quantized.graph.output[0].name in node.output]
    assert [node.op_type for node in last] == ["Gemm"]
    assert len(np.unique(output(quantized, images[0]))) == 10


def test_kept_layers_stay_float_and_the_rest_loses_less(model, seen, images):
    everything = quantize(model, seen, Variant("uint8"))
    names = [node.name for node in model.graph.node if node.op_type == "Conv"]
    kept = quantize(model, seen, Variant("uint8"), names)
    assert error(kept, model, images) < error(everything, model, images)
    stored = {layer.name: layer.stored for layer in layer_errors(model, kept, images)}
    assert stored == {
        "stem.0": "float", "depthwise.0": "float", "excite.reduce": "float", "excite.expand": "float",
        "normalise": "float",
        "classifier": "int8",
    }  # fmt: skip


def test_layers_are_named_as_in_torch_and_measured_on_the_same_images(model, seen, images):
    layers = layer_errors(model, quantize(model, seen, Variant("uint8")), images)
    assert [layer.name for layer in layers] == [
        "stem.0", "depthwise.0", "excite.reduce", "excite.expand", "normalise", "classifier"
    ]  # fmt: skip
    assert all(0 < layer.relative_l2_error < 0.05 for layer in layers)
    assert [layer.name for layer in layers if layer.stored == "float"] == ["normalise"]
    assert "8 bits" in layers[4].why


def test_a_network_that_ends_in_a_convolution_behind_a_resize(images):
    """onnxruntime's quantizer renames the output there; layers that share their weights have one name."""
    weight = np.random.default_rng(0).standard_normal((3, 3, 1, 1), dtype=np.float32)
    conv = Conv(name="first", inputs=("x",), shape=(1, 3, 32, 32), in_channels=3, kernel=(1, 1), weight=weight)
    wide = Resize(name="wide", inputs=("first",), shape=(1, 3, 35, 45))
    last = replace(conv, name="last", inputs=("wide",), shape=wide.shape)
    graph = Graph((Input(name="x", inputs=(), shape=(1, 3, 32, 32)), conv, wide, last), ("last",))
    float_model, _ = translate(graph)
    found = ranges(observe(activations(float_model, images)), "minmax")
    layers = layer_errors(float_model, quantize(float_model, found, Variant("uint8")), images)
    assert [(layer.name, layer.stored) for layer in layers] == [("first", "int8"), ("first", "int8")]
    assert all(0 < layer.relative_l2_error < 0.05 for layer in layers)


def test_taps_hand_out_every_float_tensor(model, images):
    (tensors, *_) = activations(model, images[:2])
    assert {"image", "stem.0", "depthwise.2", "normalise", "logits"} <= tensors.keys()
    np.testing.assert_allclose(tensors["logits"], output(model, images[0]), atol=1e-5)


def test_dynamic_rounds_activations_at_run_time_and_says_that_it_is_slow(network, model, images, tmp_path):
    wanted = network.calibrated(Quantization(scheme="dynamic", samples=8))
    conversion = convert(wanted, ExportSpec(format="onnx", precision="int8"), tmp_path / "net.onnx")
    assert conversion.operators["ConvInteger"] == 4 and conversion.operators["MatMulInteger"] == 1
    assert conversion.warnings == (SLOWER,)
    assert error(onnx.load_model(tmp_path / "net.onnx"), model, images) < 0.03


def test_the_pipeline_publishes_a_checked_int8_file_with_its_report(spec, builds, tmp_path):
    artifact = pipeline.export_model(spec, INT8, tmp_path)
    assert artifact.parity.passed and artifact.parity.relative_l2_error < 0.05
    report = artifact.quantization
    assert (report.calibrator, report.calibration_images, report.held_out) == ("minmax", 6, 2)
    assert report.activations in ("uint8", "int8", "uint8, weights of 7 bits")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [Path(artifact.path).name, f"{Path(artifact.path).name}.json"]
    )
    assert pipeline.export_model(spec, INT8, tmp_path).cached


def test_the_best_calibrator_is_kept_and_a_budget_leaves_layers_float(network, tmp_path):
    wanted = Quantization(samples=8, error_budget=0.001)
    conversion = convert(network.calibrated(wanted), ExportSpec(format="onnx", precision="int8"), tmp_path / "net.onnx")
    report = conversion.quantization
    tried = {name: value for name, value in report.errors.items() if "float" not in name}
    assert {"minmax", "moving", "percentile", "entropy", "mse"} < set(tried)
    assert any(name.endswith(", rounded by inputs") for name in tried)
    assert report.calibrator == min(tried, key=tried.get).partition(",")[0]
    kept = [layer for layer in report.layers if "budget" in layer.why]
    assert kept and all(layer.stored == "float" for layer in kept)
    assert report.errors[f"{report.calibrator}, {len(kept)} layers float"] < min(tried.values())
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".onnx" and "-" not in path.name] == ["net.onnx"]


def test_the_report_survives_its_manifest(network, tmp_path):
    conversion = convert(network.calibrated(INT8.quantization), INT8, tmp_path / "net.onnx")
    again = msgspec.json.decode(msgspec.json.encode(conversion.quantization), type=type(conversion.quantization))
    assert again == conversion.quantization
