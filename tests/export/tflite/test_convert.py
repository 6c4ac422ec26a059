"""The exporter's contract, and what the file itself promises: signature, names, alignment, precision, determinism."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from torch import nn

from edgebench import models
from edgebench.formats.network import Network
from edgebench.formats.tflite import convert as tflite
from edgebench.formats.tflite import flatbuffer
from edgebench.formats.tflite.writer import write
from edgebench.ground.errors import ExportError
from edgebench.ground.records import ExportSpec, ModelSpec, TensorSpec
from edgebench.models.sketch import sketch

SPEC = ModelSpec(name="small", family="test", resolution=24, height=32, classes=10)


class Small(nn.Module):
    """Weights large enough that their precision decides the file's size."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, 2, 1), nn.ReLU(), nn.Conv2d(64, 64, 3, 1, 1, groups=64), nn.Conv2d(64, 96, 3), nn.SiLU()
        )
        self.classifier = nn.Linear(96 * 14 * 10, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).flatten(1))


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return Network(SPEC, Small().eval())


def read(path: Path) -> tuple[bytes, schema.ModelT]:
    content = path.read_bytes()
    return content, schema.ModelT.InitFromPackedBuf(content)


def test_conversion_describes_the_file(network, tmp_path):
    found = tflite.convert(network, ExportSpec(), tmp_path / "small.tflite")
    assert found.inputs == (TensorSpec(name="image", shape=(None, 32, 24, 3), dtype="float32", layout="NHWC"),)
    assert found.outputs == (TensorSpec(name="logits", shape=(None, 10), dtype="float32", layout="NC"),)
    expected = {"PAD": 1, "CONV_2D": 2, "DEPTHWISE_CONV_2D": 1, "LOGISTIC": 1, "MUL": 1, "RESHAPE": 1}
    assert found.operators == expected | {"FULLY_CONNECTED": 1}
    operators = Interpreter(str(tmp_path / "small.tflite"))._get_ops_details()
    assert found.operators == Counter(operator["op_name"] for operator in operators)


def test_signature_has_names_and_a_dynamic_batch(network, tmp_path):
    path = tmp_path / "small.tflite"
    tflite.convert(network, ExportSpec(), path)
    interpreter = Interpreter(str(path))
    runner = interpreter.get_signature_runner("serving_default")
    x = np.random.default_rng(0).standard_normal((5, 3, 32, 24), dtype=np.float32)
    found = runner(image=np.ascontiguousarray(x.transpose(0, 2, 3, 1)))["logits"]
    with torch.inference_mode():
        expected = network.module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    (details,) = interpreter.get_input_details()
    assert list(details["shape_signature"]) == [-1, 32, 24, 3]


def test_half_precision_halves_the_file_and_rounds_only_weights(network, tmp_path):
    sizes = {}
    for precision in ("fp32", "fp16"):
        path = tmp_path / f"{precision}.tflite"
        tflite.convert(network, ExportSpec(precision=precision), path)
        sizes[precision] = path.stat().st_size
    assert 0.5 < sizes["fp16"] / sizes["fp32"] < 0.53
    x = torch.randn(1, 3, 32, 24)
    rounded = Small().eval()
    rounded.load_state_dict({k: v.half().float() if v.ndim > 1 else v for k, v in network.module.state_dict().items()})
    session = Interpreter(str(path)).get_signature_runner()
    found = session(image=np.ascontiguousarray(x.permute(0, 2, 3, 1).numpy()))["logits"]
    np.testing.assert_allclose(found, rounded(x).detach().numpy(), atol=1e-5)


def test_the_same_network_gives_the_same_bytes(network, tmp_path):
    for name in ("one", "two"):
        tflite.convert(Network(SPEC, network.module), ExportSpec(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_file_is_well_formed(network, tmp_path):
    path = tmp_path / "small.tflite"
    tflite.convert(network, ExportSpec(), path)
    content, model = read(path)
    assert content[4:8] == b"TFL3"
    names = [tensor.name for tensor in model.subgraphs[0].tensors]
    assert len(set(names)) == len(names)
    (graph,) = model.subgraphs
    for tensor in graph.tensors:
        data = model.buffers[tensor.buffer].data
        if tensor.buffer:
            start = data.ctypes.data - np.frombuffer(content, np.uint8).ctypes.data
            assert start % 16 == 0
            assert len(data) == np.prod(tensor.shape, dtype=int) * 4
        else:
            assert data is None
            assert tensor.shapeSignature[0] == -1


def test_weights_are_where_tflite_wants_them(network, tmp_path):
    path = tmp_path / "small.tflite"
    tflite.convert(network, ExportSpec(), path)
    _, model = read(path)
    tensors = {tensor.name.decode(): tensor for tensor in model.subgraphs[0].tensors}
    state = network.module.state_dict()
    for layer, order in (("features.0", (0, 2, 3, 1)), ("features.2", (1, 2, 3, 0))):
        tensor = tensors[f"{layer}.weight"]
        found = model.buffers[tensor.buffer].data.view(np.float32).reshape(tensor.shape)
        np.testing.assert_array_equal(found, state[f"{layer}.weight"].numpy().transpose(order))


def test_large_weights_are_written_in_pieces(monkeypatch):
    monkeypatch.setattr(flatbuffer, "CHUNK", 64)
    array = np.arange(600, dtype=np.float32).reshape(10, 5, 12).transpose(1, 2, 0)
    pieces = list(flatbuffer.Weights(array, np.dtype(np.float16)).chunks())
    assert len(pieces) == 5
    assert b"".join(pieces) == array.astype(np.float16).tobytes()


def test_a_file_beyond_two_gigabytes_is_refused(network, tmp_path, monkeypatch):
    monkeypatch.setattr(flatbuffer, "LIMIT", 100_000)
    with pytest.raises(ExportError, match="TFLite files end at 100000"):
        tflite.convert(network, ExportSpec(), tmp_path / "small.tflite")
    assert not (tmp_path / "small.tflite").exists()


def test_a_weight_beyond_half_precision_is_refused(tmp_path):
    layer = nn.Conv2d(3, 4, 1)
    layer.weight.data[0, 0] = 1e6
    with pytest.raises(ExportError, match=r"1e\+06, beyond float16's range: export with fp32"):
        tflite.convert(Network(SPEC, layer.eval()), ExportSpec(precision="fp16"), tmp_path / "x.tflite")


def test_a_sketched_graph_has_nothing_to_write(tmp_path):
    with pytest.raises(ValueError, match="capture the network"):
        write(sketch(models.resolve("lenet5")), tmp_path / "x.tflite")


def test_converting_loads_no_interpreter_and_no_other_converter(tmp_path):
    """What conversion does not import, it does not wait for."""
    script = "import sys, json; from edgebench.formats.tflite import convert; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"ai_edge_litert.interpreter", "litert_torch", "tensorflow", "onnx", "coremltools", "scipy"}
