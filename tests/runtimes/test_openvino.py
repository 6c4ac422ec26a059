"""The OpenVINO engine: what it computes, and how it is asked to."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("edgebench.runtimes.openvino.engine", reason="needs openvino: pip install 'edgebench[openvino]'")

import onnx
from torch import Tensor, nn

from edgebench.formats.network import Network
from edgebench.formats.openvino.convert import convert, network_of, write
from edgebench.ground.records import ExportSpec, ModelSpec
from edgebench.runtimes import runtime
from edgebench.runtimes.openvino import engine

IMAGE = np.random.default_rng(1).standard_normal((1, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def folder(onnx_file: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    def make(*, half: bool = False) -> str:
        path = tmp_path / f"{half}.openvino"
        write(network_of(onnx.load(onnx_file())), path, half=half)
        return str(path)

    return make


def test_it_computes_what_onnxruntime_does(folder: Callable[..., str], onnx_file: Callable[..., str]) -> None:
    session, expected = runtime("openvino").load(folder()), runtime("onnxruntime").load(onnx_file()).run(IMAGE)
    assert session.inputs == [{"name": "image", "shape": [1, 3, 8, 8], "dtype": "float32"}]
    assert session.outputs == [{"name": "logits", "shape": [1, 4, 6, 6], "dtype": "float32"}]
    first = session.run(IMAGE)
    np.testing.assert_allclose(first, expected, rtol=1e-4, atol=1e-4)
    kept = first.copy()
    session.run(2 * IMAGE)
    np.testing.assert_array_equal(first, kept)  # an output survives the next run


def test_half_weights_allow_half_arithmetic_and_only_they(folder: Callable[..., str]) -> None:
    models = [engine.read(folder(half=half)) for half in (False, True)]
    assert [engine.is_short(model) for model in models] == [False, True]
    hint = "INFERENCE_PRECISION_HINT"
    by_itself = engine.openvino.Core().get_property("CPU", hint)
    asked = [engine.compiled(model, 2, exact=exact).get_property(hint) for model in models for exact in (False, True)]
    assert asked == [engine.openvino.Type.f32] * 2 + [by_itself, engine.openvino.Type.f32]
    assert engine.compiled(models[0], 2).get_property("INFERENCE_NUM_THREADS") == 2


def test_it_refuses_a_batch(folder: Callable[..., str]) -> None:
    with pytest.raises(ValueError, match="fixed to 1, not 2"):
        runtime("openvino").load(folder(), 1, 2)


def test_operators_have_times_and_macs(folder: Callable[..., str]) -> None:
    found = runtime("openvino").profile(folder(), lambda session, seed: IMAGE, 1, 3)
    assert sum(each.macs or 0 for each in found.operators) == 36 * 4 * 27
    assert all(len(each.time_s) == 3 for each in found.operators)
    assert len(found.plain_s) == len(found.profiled_s) == 3


def test_imports_are_not_reported() -> None:
    assert sys.modules["openvino_telemetry"] is None
    from openvino.tools.ovc import telemetry_utils

    assert telemetry_utils.tm.__name__.endswith("telemetry_stub")


def test_a_value_without_a_dimension_does_not_end_the_process(tmp_path: Path) -> None:
    class Scalar(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(192, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.dense(x.flatten(1)).squeeze()

    network = Network(ModelSpec(name="nets.py:Own", family="user", resolution=8), Scalar().eval())
    convert(network, ExportSpec(format="openvino"), tmp_path / "net.openvino")
    (image, *_), (expected, *_) = network.reference
    found = runtime("openvino").load(str(tmp_path / "net.openvino")).run(image)
    np.testing.assert_allclose(found, expected, atol=1e-6)
