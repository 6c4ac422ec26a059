"""The MNN engine, and the converter beneath it."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from torch import Tensor, nn

pytest.importorskip("MNN", reason="needs MNN: pip install 'edgebench[mnn]'")

from edgebench.formats.calibrated import ONLY_WEIGHTS
from edgebench.formats.mnn import tool
from edgebench.formats.mnn.convert import convert
from edgebench.formats.mnn.inspect import inspect
from edgebench.formats.mnn.layers import FLOAT, UNSCALED, inside
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
    np.testing.assert_array_equal(dict(inside(tmp_path / "net.mnn")(image))["logits"], first)
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


def test_activations_of_8_bits_have_our_ranges(tmp_path: Path) -> None:
    """Convolutions, a sum, a transposed convolution behind it, and a dense layer behind what moves values."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.up, self.last = nn.ConvTranspose2d(8, 4, 2, 2), nn.Linear(4 * 16 * 16, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x).relu()
            return self.last(self.up(self.second(x).relu() + x).flatten(1))

    network = Network(ModelSpec(name="nets.py:Own", family="user", resolution=8), Net().eval())
    wanted = Quantization(samples=16, calibrator="minmax", equalize=False, correct_bias=False)
    made = network.calibrated(wanted)
    conversion = convert(made, ExportSpec(format="mnn", precision="int8"), tmp_path / "net.mnn")
    assert conversion.quantization is not None
    layers = {one.name: one for one in conversion.quantization.layers}
    assert {name: one.stored for name, one in layers.items()} == {
        "first": "int8", "second": "int8", "up": "float", "last": "int8",
    }  # fmt: skip
    assert layers["up"].why == FLOAT
    assert all(1e-5 < one.relative_l2_error < 0.1 for one in layers.values())
    (image, *_), (expected, *_) = made.reference
    found = runtime("mnn").load(str(tmp_path / "net.mnn")).run(image)
    assert 1e-5 < np.linalg.norm(found - expected) / np.linalg.norm(expected) < 0.1
    kept = network.calibrated(replace(wanted, error_budget=1e-6))
    conversion = convert(kept, ExportSpec(format="mnn", precision="int8"), tmp_path / "kept.mnn")
    assert conversion.quantization is not None
    assert {one.stored for one in conversion.quantization.layers} == {"float"}
    assert {one.computes for one in inspect(tmp_path / "kept.mnn").operators} <= {"fp32", "shape", "conversion"}


def test_what_is_pooled_keeps_its_own_range(tmp_path: Path) -> None:
    """The engine hands the scale of a mean back to what it is of, which has larger values."""
    layers = (nn.Conv2d(3, 8, 3), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    network = Network(ModelSpec(name="nets.py:Own", family="user", resolution=8), nn.Sequential(*layers).eval())
    made = network.calibrated(Quantization(samples=16, calibrator="minmax", equalize=False, correct_bias=False))
    conversion = convert(made, ExportSpec(format="mnn", precision="int8"), tmp_path / "net.mnn")
    assert conversion.quantization is not None
    assert [(one.stored, one.why) for one in conversion.quantization.layers] == [("int8", ""), ("float", UNSCALED)]
    assert conversion.quantization.errors["minmax"] < 0.05


def test_what_the_converter_refuses_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="MNN cannot convert the network"):
        tool.run("ONNX", tmp_path / "no.onnx", tmp_path / "x")
