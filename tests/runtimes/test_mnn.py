"""The MNN engine, and the converter beneath it."""

from pathlib import Path

import numpy as np
import pytest
from torch import nn

pytest.importorskip("MNN", reason="needs MNN: pip install 'edgebench[mnn]'")

from edgebench.formats.calibrated import ONLY_WEIGHTS
from edgebench.formats.mnn import tool
from edgebench.formats.mnn.convert import convert
from edgebench.formats.mnn.inspect import inspect
from edgebench.formats.network import Network
from edgebench.ground.errors import ExportError
from edgebench.ground.records import ExportSpec, ModelSpec, Quantization
from edgebench.runtimes import runtime
from edgebench.runtimes.mnn import engine


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(ModelSpec(name="nets.py:Own", family="user", resolution=8), nn.Conv2d(3, 4, 3).eval())


def test_a_file_says_whether_its_weights_are_halves(network: Network, tmp_path: Path) -> None:
    for precision, word in (("fp32", "edgebench"), ("fp16", engine.HALF)):
        path = tmp_path / f"{precision}.mnn"
        convert(network, ExportSpec(format="mnn", precision=precision), path)
        assert engine.said(str(path)) == word
    (tmp_path / "text.mnn").write_text("no")
    assert engine.said(str(tmp_path / "text.mnn")) == ""


def test_an_output_survives_the_next_run(network: Network, tmp_path: Path) -> None:
    convert(network, ExportSpec(format="mnn"), tmp_path / "net.mnn")
    session = runtime("mnn").load(str(tmp_path / "net.mnn"))
    (image, *_), (expected, *_) = network.reference
    first = session.run(image)
    np.testing.assert_allclose(first, expected, atol=1e-5)
    kept = first.copy()
    session.run(2 * image)
    np.testing.assert_array_equal(first, kept)
    with pytest.raises(ValueError, match="fixed to 1, not 2"):
        runtime("mnn").load(str(tmp_path / "net.mnn"), 1, 2)


def test_weights_of_8_bits_are_told_layer_by_layer(network: Network, tmp_path: Path) -> None:
    made = network.calibrated(Quantization(samples=2, scheme="weights"))
    conversion = convert(made, ExportSpec(format="mnn", precision="int8"), tmp_path / "net.mnn")
    [stored] = [one.weights for one in inspect(tmp_path / "net.mnn").operators if one.weights]
    assert list(stored) == ["int8"]
    (image, *_), (expected, *_) = network.reference
    error = np.abs(runtime("mnn").load(str(tmp_path / "net.mnn")).run(image) - expected).max() / np.ptp(expected)
    assert 1e-5 < error < 0.02
    assert conversion.quantization is not None
    [layer] = conversion.quantization.layers
    assert (layer.stored, layer.why) == ("float", ONLY_WEIGHTS)
    assert 1e-5 < layer.relative_l2_error < 0.02
    assert "computed in float32" in conversion.warnings[-1]


def test_what_the_converter_refuses_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="MNN cannot convert the network"):
        tool.run(
            tmp_path / "x", "-f", "ONNX", "--modelFile", str(tmp_path / "no.onnx"), "--MNNModel", str(tmp_path / "x")
        )
