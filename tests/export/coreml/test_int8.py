import numpy as np
import pytest
import torch
from torch import nn

from edgebench.formats import calibrated, pipeline
from edgebench.formats.coreml.convert import convert
from edgebench.formats.coreml.evaluate import load_package
from edgebench.formats.network import Network
from edgebench.ground.records import ExportSpec, ModelSpec, Quantization

STATIC = ExportSpec(format="coreml", precision="int8", quantization=Quantization(samples=8, calibrator="minmax"))


@pytest.fixture(scope="module")
def made(network, tmp_path_factory):
    """The static package, and what the exporter says of it."""
    path = tmp_path_factory.mktemp("coreml") / "net.mlpackage"
    return path, convert(network.calibrated(STATIC.quantization), STATIC, path)


@pytest.fixture(scope="module")
def program(made):
    return load_package(made[0])


def error(program, network) -> float:
    pairs = [
        (program.run(x), network.compute([x])[0]) for x in network.calibrated(Quantization(samples=8)).held_out_images
    ]
    return max(float(np.linalg.norm(one - other) / np.linalg.norm(other)) for one, other in pairs)


def test_int8_computes_the_network_nearly(program, network):
    assert 1e-4 < error(program, network) < 0.05


def test_layers_read_whole_numbers_and_normalisation_does_not(program, made):
    conversion = made[1]
    assert conversion.operators["quantize"] > 5 and conversion.operators["relu6"] == 1
    readers = {one.name: one.inputs["x"].op for one in program.operators if one.op_type in ("conv", "linear")}
    assert len(readers) == 5 and {one.op_type for one in readers.values()} == {"dequantize"}
    assert conversion.operators["local_response_norm"] == 1  # of float: CoreML has none in 8 bits


def test_logits_are_not_rounded(program):
    (last,) = [one for one in program.operators if one.op_type == "linear"]
    assert [child.op_type for child in last.outputs[0].child_ops] == ["cast"]


def test_relu6_is_rounded_once_with_its_convolution(program):
    (six,) = [one for one in program.operators if one.op_type == "relu6"]
    assert six.x.op.op_type == "conv"
    assert {child.op_type for child in six.outputs[0].child_ops} == {"quantize"}


def test_layers_have_an_error_each(made):
    report = made[1].quantization
    assert all(0 < layer.relative_l2_error < 0.1 for layer in report.layers)
    (apart,) = [layer for layer in report.layers if layer.stored == "float"]
    assert apart.kind == "LRN" and "8 bits" in apart.why


class Wide(nn.Module):
    """Large enough for 8-bit weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, 2, 1), nn.Conv2d(32, 32, 3, 2, 1)
        self.classifier = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.classifier(x.mean((2, 3)))


@pytest.fixture(scope="module")
def wide() -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Network(ModelSpec(name="wide", family="test", resolution=32, classes=10), Wide().eval())


@pytest.mark.parametrize("scheme", ["static", "weights"])
def test_large_weights_are_stored_in_8_bits(scheme, wide, tmp_path):
    wanted = Quantization(samples=8, calibrator="minmax", scheme=scheme)
    conversion = convert(wide.calibrated(wanted), STATIC, tmp_path / "net.mlpackage")
    program = load_package(tmp_path / "net.mlpackage")
    assert 1e-4 < error(program, wide) < 0.05
    stored = (tmp_path / "net.mlpackage/Data/com.apple.CoreML/weights/weight.bin").stat().st_size
    assert stored < 1.6 * 9 * 32 * 35
    assert [layer.name for layer in conversion.quantization.layers] == ["first", "second", "classifier"]
    expected = {"static": ("int8", ""), "weights": ("float", calibrated.ONLY_WEIGHTS)}[scheme]
    assert {(layer.stored, layer.why) for layer in conversion.quantization.layers} == {expected}
    assert ("quantize" in conversion.operators) == (scheme == "static")
    assert ["computed in float16" in each for each in conversion.warnings] == [True] * (scheme == "weights")


def test_a_budget_leaves_layers_float(wide, tmp_path):
    wanted = Quantization(samples=8, calibrator="mse", error_budget=0.002)
    report = convert(wide.calibrated(wanted), STATIC, tmp_path / "net.mlpackage").quantization
    kept = [layer for layer in report.layers if "budget" in layer.why]
    assert kept and all(layer.stored == "float" for layer in kept)
    assert min(report.errors.values()) < report.errors["mse"]


def test_the_pipeline_publishes_a_checked_package_with_its_report(spec, builds, tmp_path):
    artifact = pipeline.export_model(spec, STATIC, tmp_path)
    assert artifact.parity.passed and artifact.parity.relative_l2_error < 0.06
    assert artifact.quantization.calibrator == "minmax"
    assert len(list(tmp_path.iterdir())) == 2
