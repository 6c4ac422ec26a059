"""int8 in TFLite, from a small network through the pipeline to a file that is run."""

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn

pytest.importorskip("ai_edge_quantizer", reason="needs ai-edge-quantizer: pip install 'edgebench[tflite]'")

from edgebench import models
from edgebench.formats import native, pipeline
from edgebench.formats.network import Network
from edgebench.formats.quantize import images
from edgebench.ground.errors import ExportError
from edgebench.ground.records import ExportSpec, ModelSpec, Quantization
from edgebench.runtimes.litert import engine as litert

FAST = Quantization(samples=8, calibrator="minmax", equalize=False, correct_bias=False)


class Residual(nn.Module):
    """Stride, depthwise, residual, sigmoid gate, pooling, dense; with `normalise`, LRN as well."""

    def __init__(self, normalise: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6())
        self.depthwise = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.SiLU())
        self.project = nn.Conv2d(16, 16, 1)
        self.normalise = nn.LocalResponseNorm(5) if normalise else nn.Identity()
        self.classifier = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.normalise(x + self.project(self.depthwise(x)))
        return self.classifier(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def made(normalise: bool = False) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Network(ModelSpec(name="residual", family="test", resolution=32, classes=10), Residual(normalise).eval())


@pytest.fixture(scope="module")
def network() -> Network:
    return made()


def export(network, folder, quantization=None, **switches):
    spec = ExportSpec(precision="int8", quantization=quantization or Quantization(samples=16))
    return pipeline._export(network, spec, folder / "residual-int8.tflite", "", switches)


def test_static_int8_is_int8_throughout_in_one_delegate(network, tmp_path):
    artifact = export(network, tmp_path, strict=True)
    assert (artifact.delegates, artifact.delegated_share) == (1, 1.0)
    assert artifact.parity.relative_l2_error < 0.1
    assert artifact.operators["QUANTIZE"] == artifact.operators["DEQUANTIZE"] == 1
    assert {layer.stored for layer in artifact.quantization.layers} == {"int8"}
    assert [tensor.dtype for tensor in (*artifact.inputs, *artifact.outputs)] == ["float32", "float32"]
    assert artifact.inputs[0].shape == (None, 32, 32, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["residual-int8.tflite", "residual-int8.tflite.json"]


def test_the_calibrator_with_the_least_error_is_kept(network, tmp_path):
    report = export(network, tmp_path).quantization
    tried = {name: error for name, error in report.errors.items() if name.isalpha()}
    assert set(tried) == {"minmax", "moving", "percentile", "entropy", "mse"}
    assert tried[report.calibrator] == min(tried.values())
    assert (report.calibration_images, report.held_out) == (12, 4)


def test_a_named_calibrator_is_taken(network, tmp_path):
    report = export(network, tmp_path, Quantization(samples=16, calibrator="minmax")).quantization
    assert report.calibrator == "minmax"
    assert "mse" not in report.errors


def test_int8_tensors_at_both_ends_come_with_scales(network, tmp_path):
    artifact = export(network, tmp_path, Quantization(samples=16, float_io=False))
    source, result = artifact.inputs[0], artifact.outputs[0]
    assert (source.name, source.dtype, result.name, result.dtype) == ("image", "int8", "logits", "int8")
    run = native.fed(litert.load(artifact.path).run, [source], [result])
    image = network.calibrated(Quantization(samples=16)).held_out_images[0]
    assert np.linalg.norm(run(image) - network.compute([image])[0]) < 0.1 * np.linalg.norm(run(image))


class WithoutKernels(nn.Module):
    """What XNNPACK has in float alone: attention, GELU, hardswish, a maximum, a lone ReLU, a nearly silent branch.

    A constant is joined to the tokens, as a class token is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.silent = nn.Conv2d(3, 16, 4, 4), nn.Conv2d(16, 16, 1)
        self.qkv, self.head = nn.Linear(16, 48), nn.Linear(16, 10)
        self.token = nn.Parameter(torch.randn(1, 1, 16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(x)
        y = nn.functional.gelu(y) + nn.functional.hardswish(y)
        y = torch.maximum(y, y.mean((2, 3), keepdim=True)) + nn.functional.relu(-y) + 1e-5 * self.silent(y)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), y.flatten(2).mT], 1)
        q, k, v = self.qkv(tokens).chunk(3, -1)
        return self.head(nn.functional.scaled_dot_product_attention(q, k, v).mean(1))


def test_what_xnnpack_has_no_int8_kernel_for_does_not_part_the_delegate(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = WithoutKernels().eval()
    network = Network(ModelSpec(name="residual", family="test", resolution=32, classes=10), module)
    artifact = export(network, tmp_path, Quantization(samples=16, calibrator="minmax"))
    assert (artifact.delegates, artifact.delegated_share) == (1, 1.0)
    assert artifact.parity.relative_l2_error < 0.1
    reasons = {layer.why for layer in artifact.quantization.layers if layer.stored == "float"}
    assert "XNNPACK multiplies two computed matrices in float alone" in reasons


class Silent(nn.Module):
    """Sums with a constant and with a reshaped branch that are next to nothing, and a product with zero."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.dense, self.head = nn.Conv2d(3, 16, 4, 4), nn.Linear(8, 8), nn.Linear(16, 10)
        self.position, self.gain = nn.Parameter(1e-7 * torch.randn(1, 16, 1, 8)), nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(x)
        y = y + self.position
        y = y + self.gain * nn.functional.hardswish(y)
        tiny = (1e-8 * self.dense(y.reshape(-1, 16 * 8, 8))).reshape(y.shape)
        return self.head((y + tiny).mean((2, 3)))


def test_what_is_next_to_nothing_does_not_part_the_delegate(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network(ModelSpec(name="residual", family="test", resolution=32, classes=10), Silent().eval())
    artifact = export(network, tmp_path, FAST)
    assert artifact.operators["MUL"] >= 1
    assert (artifact.delegates, artifact.delegated_share) == (1, 1.0)
    assert artifact.parity.relative_l2_error < 0.1


def test_local_response_normalisation_stays_float_and_says_why(tmp_path):
    artifact = export(made(normalise=True), tmp_path)
    kept = {layer.name: layer.why for layer in artifact.quantization.layers if layer.stored == "float"}
    assert kept == {"normalise": "its squares and roots need more than 8 bits"}
    assert (artifact.delegates, artifact.delegated_share) == (1, 1.0)


def test_strict_names_what_stayed_float_and_leaves_nothing(tmp_path):
    with pytest.raises(ExportError, match=r"1 layers are computed in float: normalise \(its squares"):
        export(made(normalise=True), tmp_path / "new", strict=True)
    assert not (tmp_path / "new").exists()


def test_an_error_budget_leaves_layers_float_until_it_holds(network, tmp_path):
    whole = export(network, tmp_path / "whole")
    budget = whole.parity.relative_l2_error / 2
    report = export(network, tmp_path, Quantization(samples=16, error_budget=budget)).quantization
    assert any(layer.stored == "float" and "budget" in layer.why for layer in report.layers)
    assert min(report.errors.values()) <= budget


@pytest.mark.parametrize(("scheme", "warning"), [("dynamic", "slower than fp32"), ("weights", "not faster")])
def test_schemes_without_ranges_warn(network, tmp_path, scheme, warning):
    artifact = export(network, tmp_path, Quantization(samples=16, scheme=scheme))
    assert artifact.parity.relative_l2_error < 0.1
    assert any(warning in each for each in artifact.warnings)
    assert artifact.quantization.calibration_images == 0


def test_few_images_and_generated_ones_warn(network, tmp_path):
    warnings = export(network, tmp_path, Quantization(samples=4)).warnings
    assert images.GENERATED in warnings
    assert any("calibrated on 4 images" in each for each in warnings)


def test_an_average_stays_in_the_delegate(tmp_path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8 * 7 * 7, 10)).eval()
    network = Network(ModelSpec(name="average", family="test", resolution=16, classes=10), module)
    artifact = export(network, tmp_path, strict=True)
    assert artifact.operators["DEPTHWISE_CONV_2D"] == 1
    assert artifact.parity.relative_l2_error < 0.1


def test_int8_left_open_is_the_same_file_as_int8_by_default(tmp_path):
    spec = models.resolve("lenet5")
    first = pipeline.export_model(spec, ExportSpec(precision="int8"), tmp_path)
    again = pipeline.export_model(spec, ExportSpec(precision="int8", quantization=Quantization()), tmp_path)
    assert (again.cached, again.path, first.export) == (True, first.path, again.export)


def sequential(*layers: nn.Module, resolution: int = 16) -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(*layers).eval()
    return Network(ModelSpec(name="sequential", family="test", resolution=resolution, classes=10), module)


@pytest.mark.filterwarnings("error")
def test_a_dead_channel_keeps_its_bias(tmp_path):
    """Its weights' scale times the input's leaves the bias no place in 32 bits."""
    torch.manual_seed(1)  # with some weights the outputs hardly depend on the image, and any rounding is large beside
    network = sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 144, 10))
    first = network.module[0]
    with torch.no_grad():
        first.weight[0] = 0
        first.weight[1] *= 1e-10
        first.bias[:2] = torch.tensor([5.0, -4.5])
    artifact = export(network, tmp_path, FAST)
    assert artifact.parity.relative_l2_error < 0.3  # beside biases of 5, a step is a good part of what else there is
    model = schema.ModelT.InitFromPackedBuf((tmp_path / artifact.path).read_bytes())
    (weight,) = (one for one in model.subgraphs[0].tensors if one.name.startswith(b"0.weight"))
    stored = model.buffers[weight.buffer].data.view(np.int8).reshape(weight.shape)
    assert not stored[0].any()
    assert weight.quantization.scale.min() > 0


def test_a_maximum_of_negative_values_stays_in_the_delegate(tmp_path):
    pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
    network = sequential(nn.Conv2d(3, 8, 3), nn.LogSigmoid(), pool, nn.Flatten(), nn.Linear(8 * 64, 10))
    artifact = export(network, tmp_path, FAST)
    assert artifact.parity.relative_l2_error < 0.1
    assert artifact.operators["MAX_POOL_2D"] == 1


def test_a_normalisation_stays_float_and_says_why(tmp_path):
    network = sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.Flatten(), nn.Linear(8 * 196, 10))
    layers = export(network, tmp_path, FAST).quantization.layers
    kept = {layer.why for layer in layers if layer.stored == "float"}
    assert kept == {"its squares and roots need more than 8 bits"}
    assert [layer.stored for layer in layers if layer.kind in ("conv", "dense")] == ["int8", "int8"]
