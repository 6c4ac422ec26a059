"""Every format's reader on the small network, float and int8."""

import platform
import shutil
from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgebench.formats import inspect, pipeline
from edgebench.formats.format import every
from edgebench.formats.format import form as form_entry
from edgebench.formats.inspect import Inspected
from edgebench.formats.network import Network
from edgebench.formats.strict import between, fallen, not_int8, only_float, sentences
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ExportSpec, Quantization

FORMATS = [each.name for each in every() if each.inspect]
LAYERS = {"Conv", "Gemm", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "conv", "linear", "Convolution",
          "ConvolutionDepthWise", "ConvolutionDepthwise", "InnerProduct", "GroupConvolution", "MatMul", "Conv2d",
          "DepthwiseConv2d", "FullyConnected"}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("inside")


@pytest.fixture(scope="module")
def made(network, folder):
    """Makes a file of a format and precision once."""
    own = Network(network.spec, network.module, preprocessing=network.preprocessing)
    done: dict[tuple[object, ...], Path] = {}

    def make(form: str, precision: str, **given) -> Path:
        key = (form, precision, *given.items())
        if key not in done:
            wanted = Quantization(samples=8, calibrator="minmax", **given) if precision == "int8" else None
            spec = ExportSpec(format=form, precision=precision, quantization=wanted)
            done[key] = folder / pipeline.file_name(network.spec.key, spec)
            form_entry(form).load("write")(own.calibrated(wanted) if wanted else own, spec, done[key])
        return done[key]

    return make


def layers(found: Inspected) -> list[str]:
    return [one.computes for one in found.operators if one.kind in LAYERS]


@pytest.mark.parametrize("form", FORMATS)
def test_float_files_compute_in_float_and_state_their_ends(form, made):
    found = inspect.read(made(form, "fp32"))
    assert set(layers(found)) == {"fp32"} and len(layers(found)) >= 5
    assert [one.shape[-3:] in ((3, 32, 32), (32, 32, 3)) for one in found.inputs] == [True]
    assert found.outputs[0].shape[-1] == 10
    assert {dtype for one in found.operators for dtype in one.weights} >= {"float32"}
    assert sentences(found) == fallen(found) == between(found.operators) == []
    assert only_float(found) == {}


@pytest.mark.parametrize("form", ["onnx", "coreml", "ncnn", "openvino", "executorch"])
def test_int8_files_compute_their_layers_in_int8(form, made):
    found = inspect.read(made(form, "int8"))
    expected = ["int8"] * 4 + ["fp16"] if form == "ncnn" else ["int8"] * 5  # ncnn is faster with a float depthwise
    assert sorted(layers(found), reverse=True)[:5] == expected  # and ExecuTorch's sums of squares, in float
    assert any("int8" in one.weights for one in found.operators) or form == "coreml"
    assert only_float(found)


def test_a_normalisation_lies_between_int8_operators(made):
    found = inspect.read(made("onnx", "int8"))
    assert only_float(found).keys() == {"LRN"}
    (sentence,) = sentences(found)
    assert sentence.endswith("MaxPool x1")  # behind it, in float as well
    assert found.runs["QLinearConv"] == 4
    assert sentence in not_int8(found, None)


def test_dynamic_int8_has_float_between_its_products(made):
    found = inspect.read(made("onnx", "int8", scheme="dynamic"))
    kinds = {one.kind: one.computes for one in found.operators}
    assert kinds["ConvInteger"] == "int8" and kinds["DynamicQuantizeLinear"] == "conversion"
    assert "Mul" in sentences(found)[0]


def test_signed_activations_are_float_on_an_x86_and_it_is_told(made):
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("only x86 runs them in float")
    found = inspect.read(made("onnx", "int8", activations="int8"))
    assert [line for line in fallen(found) if "run in float on this processor" in line] or found.runs[
        "QLinearConv"
    ] == 4


def test_activations_between_a_convolution_and_its_rounding_are_part_of_it(made):
    found = inspect.read(made("coreml", "int8"))
    assert {one.computes for one in found.operators if one.kind == "relu6"} == {"int8"}
    assert {one.computes for one in found.operators if one.kind == "silu"} == {"fp16"}


def test_dynamic_range_is_neither_float_nor_int8(made):
    found = inspect.read(made("tflite", "int8", scheme="dynamic"))
    assert set(layers(found)) == {"int8 weights, dynamic"}
    assert [line.partition(":")[0] for line in sentences(found)] == [
        "dynamic range, int8 weights with float activations"
    ]
    assert set(layers(inspect.read(made("tflite", "int8", scheme="weights")))) == {"fp32"}


@pytest.mark.parametrize(("name", "says"), [("net.pt2", "cannot be inspected"), ("net.onnx", "no file")])
def test_other_files_are_refused(name, says, tmp_path):
    if name == "net.pt2":
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match=says):
        inspect.read(tmp_path / name)


@pytest.mark.parametrize("suffix", [each.suffix for each in every() if each.is_folder])
def test_a_folder_that_is_no_network_is_refused(suffix, tmp_path):
    folder = tmp_path / f"net{suffix}"
    folder.mkdir()
    with pytest.raises(UsageError, match="net"):
        inspect.read(folder)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("ncnn", "model.param"),
        ("ncnn", "model.bin"),
        ("openvino", "model.xml"),
        ("openvino", "model.bin"),
        ("coreml", "Manifest.json"),
        ("coreml", "Data/com.apple.CoreML/model.mlmodel"),
        ("coreml", "Data/com.apple.CoreML/weights/weight.bin"),
    ],
)
def test_what_a_folder_lacks_is_named(form, name, made, tmp_path):
    source = made(form, "fp32")
    folder = tmp_path / source.name
    shutil.copytree(source, folder)
    (folder / name).unlink()
    with pytest.raises(UsageError, match=f"{name} is missing in it") as caught:
        inspect.read(folder)
    assert "Error" not in str(caught.value) and "Errno" not in str(caught.value)


def onnx_network(path: Path, nodes: list[NodeProto], *, opset: int = 20) -> Path:
    """A network from `x` and `v` to `y`; `w` is a constant of it."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 4]) for name in "xvy"]
    held = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    graph = helper.make_graph(nodes, "net", ends[:2], ends[2:], [held])
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("ours", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=domains).SerializeToString())
    return path


ONES = numpy_helper.from_array(np.ones((4, 4), np.float32))
ODD = {
    "a domain of one's own": ([helper.make_node("Gelly", ["x", "w"], ["y"], domain="ours")], "Gelly"),
    "a weight that is an input": ([helper.make_node("MatMul", ["x", "v"], ["y"])], ""),
    "a weight that is computed": (
        [helper.make_node("Transpose", ["w"], ["t"]), helper.make_node("MatMul", ["x", "t"], ["y"])], "",
    ),
    "a weight of a Constant": (
        [helper.make_node("Constant", [], ["c"], value=ONES), helper.make_node("MatMul", ["x", "c"], ["y"])], "",
    ),
    "a circle": (
        [helper.make_node(kind, given, [to]) for kind, given, to in
         (("Neg", ["b"], "a"), ("Neg", ["a"], "b"), ("MatMul", ["x", "a"], "y"))], "does not load it",
    ),
    "too few ends": ([helper.make_node("MatMul", ["x"], ["y"]), helper.make_node("Cast", [], [])], "does not load it"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_an_onnx_file_is_listed_whether_the_engine_takes_it_or_not(case, tmp_path):
    nodes, why_not = ODD[case]
    found = inspect.read(onnx_network(tmp_path / "net.onnx", nodes))
    assert [one.kind for one in found.operators] == [node.op_type for node in nodes]
    assert bool(found.runs) != bool(found.notes)
    assert why_not in " ".join(found.notes)


def test_an_onnx_file_of_an_opset_to_come_is_listed(tmp_path):
    found = inspect.read(onnx_network(tmp_path / "net.onnx", [helper.make_node("Neg", ["x"], ["y"])], opset=99))
    assert [one.kind for one in found.operators] == ["Neg"]
    assert "onnxruntime does not load it" in found.notes[0]


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_file_that_is_no_network_is_refused(suffix, tmp_path):
    (tmp_path / f"net{suffix}").write_bytes(b"\x00not a network at all")
    with pytest.raises(UsageError):
        inspect.read(tmp_path / f"net{suffix}")
