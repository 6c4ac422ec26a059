from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from edgebench.formats.onnx.convert import convert, save
from edgebench.formats.onnx.writer import translate
from edgebench.graph.capture import capture
from edgebench.graph.operators import Binary, Dense, Graph, Input, Operator, Reduce, Reshape
from edgebench.ground.errors import ExportError
from edgebench.ground.records import ExportSpec
from edgebench.runtimes import runtime
from edgebench.runtimes.onnxruntime.engine import PROVIDERS, options


@pytest.fixture(scope="module")
def files(network, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("onnx")
    paths = {precision: folder / f"{precision}.onnx" for precision in ("fp32", "fp16")}
    for precision, path in paths.items():
        convert(network, ExportSpec(format="onnx", precision=precision), path)
    return paths


def test_input_is_an_image_with_a_dynamic_batch_and_output_is_logits(network, tmp_path):
    conversion = convert(network, ExportSpec(format="onnx"), tmp_path / "net.onnx")
    (image,), (logits,) = conversion.inputs, conversion.outputs
    assert (image.name, image.shape, image.dtype, image.layout) == ("image", (None, 3, 32, 32), "float32", "NCHW")
    assert (logits.name, logits.shape, logits.dtype, logits.layout) == ("logits", (None, 10), "float32", "NC")
    assert conversion.operators["Conv"] == 4
    assert "BatchNormalization" not in conversion.operators
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


@pytest.mark.parametrize("batch", [1, 3])
def test_file_computes_the_network(files, network, batch):
    x = np.random.default_rng(0).standard_normal((batch, 3, 32, 32), dtype=np.float32)
    session = runtime("onnxruntime").load(str(files["fp32"]), batch=batch)
    with torch.inference_mode():
        expected = network.module(torch.from_numpy(x)).numpy()
    assert np.abs(session.run(x) - expected).max() < 1e-5


def test_file_names_its_opset_and_holds_no_path_of_this_machine(files):
    assert onnx.load(files["fp32"]).opset_import[0].version == 20
    assert str(Path(__file__).parent).encode() not in files["fp32"].read_bytes()
    assert b"site-packages" not in files["fp32"].read_bytes()


def test_same_network_gives_the_same_bytes(files, network, tmp_path):
    convert(network, ExportSpec(format="onnx"), tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == files["fp32"].read_bytes()


def test_fp16_rounds_the_weights_and_nothing_else(files):
    half, full = (onnx.load(files[precision]) for precision in ("fp16", "fp32"))
    kinds = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    weights = [tensor for tensor in full.graph.initializer if tensor.data_type == 1 and len(tensor.dims) >= 2]
    others = [tensor for tensor in full.graph.initializer if tensor not in weights]
    assert len(weights) == 5
    assert all(kinds[f"{tensor.name}.float16"] == onnx.TensorProto.FLOAT16 for tensor in weights)
    assert all(kinds[tensor.name] == tensor.data_type for tensor in others)
    assert sum(node.op_type == "Cast" for node in half.graph.node) == 5


def test_weight_beyond_float16_is_refused_by_name():
    dense = Dense(name="stem", inputs=("x",), shape=(1, 2), in_features=2, weight=np.full((2, 2), 7e4, np.float32))
    graph = Graph((Input(name="x", inputs=(), shape=(1, 2)), dense), ("stem",))
    with pytest.raises(ExportError, match=r"stem\.weight has values beyond 65504"):
        translate(graph, half=True)


def test_conversion_prints_nothing(network, tmp_path, capfd):
    convert(network, ExportSpec(format="onnx"), tmp_path / "net.onnx")
    assert capfd.readouterr() == ("", "")


def test_a_network_of_one_number_and_one_that_gives_its_input_again(tmp_path):
    """Numbers without an axis stay so; what is an input, a constant or handed out twice becomes a tensor of its own."""
    image = Input(name="x", inputs=(), shape=(1, 2))
    total = Reduce(name="total", inputs=("x",), shape=(1, 1), function="sum", axes=(1,))
    flat = Reshape(name="flat", inputs=("total",), shape=())
    half = Binary(name="half", inputs=("flat", "c"), shape=(), function="mul")
    graph = Graph((image, total, flat, half), ("half", "x", "half"), {"c": np.array(0.5, np.float32)})
    model, notes = translate(graph, ("a", "b", "c"))
    assert "the batch is fixed at 1" in notes[0]
    save(model, tmp_path / "one.onnx")
    found = runtime("onnxruntime").load(str(tmp_path / "one.onnx")).run_all(np.array([[3, 4]], np.float32))
    assert [value.tolist() for value in found] == [3.5, [[3, 4]], 3.5]


def test_normalisations_are_one_operator_where_they_are_over_whole_axes():
    layers = [nn.LayerNorm(9), nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4), nn.GroupNorm(1, 4)]
    network = nn.Sequential(*layers, nn.Hardtanh(-2, 2)).eval()
    for layer in layers:
        nn.init.normal_(layer.weight), nn.init.normal_(layer.bias)
    model, _ = translate(capture(network, (1, 4, 8, 9)))
    kinds = Counter(node.op_type for node in model.graph.node)
    assert (kinds["LayerNormalization"], kinds["InstanceNormalization"], kinds["ReduceMean"]) == (1, 3, 0)
    x = np.random.default_rng(0).standard_normal((3, 4, 8, 9), dtype=np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options(1), providers=PROVIDERS)
    with torch.inference_mode():
        np.testing.assert_allclose(session.run(None, {"image": x})[0], network(torch.from_numpy(x)), atol=1e-5)


def test_weights_that_layers_share_are_stored_once():
    weight = np.random.default_rng(0).standard_normal((4, 4), dtype=np.float32)
    names = ("x", "one", "two")
    dense = [
        Dense(name=name, inputs=(source,), shape=(1, 4), in_features=4, weight=weight)
        for source, name in pairwise(names)
    ]
    model, _ = translate(Graph((Input(name="x", inputs=(), shape=(1, 4)), *dense), ("two",)))
    assert [tensor.name for tensor in model.graph.initializer] == ["one.weight"]


def test_what_has_no_form_in_onnx_is_named_with_its_module():
    @dataclass(frozen=True, kw_only=True, eq=False)
    class Novel(Operator):
        pass

    image = Input(name="x", inputs=(), shape=(1, 4))
    graph = Graph((image, Novel(name="y", inputs=("x",), shape=(1, 4), module="a.b")), ("y",))
    with pytest.raises(ExportError, match=r"'a\.b' is novel, which edgebench does not write in ONNX"):
        translate(graph)


def test_long_constants_of_one_shape_are_not_taken_for_each_other():
    class Picked(nn.Module):
        def forward(self, x):
            return x[:, torch.arange(99, -1, -1)] - x[:, torch.arange(100) * 7 % 100]

    x = torch.arange(100.0)[None]
    model, _ = translate(capture(Picked().eval(), (1, 100)))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options(1), providers=PROVIDERS)
    np.testing.assert_array_equal(session.run(None, {"image": x.numpy()})[0], Picked()(x))
