"""The small network in float ONNX, with its operators named for int8, and what flows through it."""

import numpy as np
import onnx
import pytest

from edgebench.formats.onnx.convert import convert
from edgebench.formats.onnx.layers import activations
from edgebench.formats.quantize.ranges import observe, ranges
from edgebench.ground.records import ExportSpec


@pytest.fixture(scope="session")
def model(network, tmp_path_factory) -> onnx.ModelProto:
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    convert(network, ExportSpec(format="onnx"), path)
    return onnx.load_model(path)


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.standard_normal((1, 3, 32, 32), dtype=np.float32) for _ in range(6)]


@pytest.fixture(scope="session")
def seen(model, images) -> dict[str, tuple[float, float]]:
    return ranges(observe(activations(model, images)), "minmax")
