"""Channels of zeros, which real weights have, in int8 of every format: no division by zero, and zeros in the file."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("ai_edge_quantizer", reason="needs ai-edge-quantizer: pip install 'edgebench[tflite]'")

from edgebench.formats import pipeline
from edgebench.formats.format import every
from edgebench.formats.network import Network
from edgebench.ground.records import ExportSpec, ModelSpec, Quantization


def dead() -> Network:
    """The first two filters of each layer are zeros, and so is what the layers behind them read."""
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 32, 3), nn.Conv2d(32, 32, 3, groups=32), nn.Conv2d(32, 32, 1)
    clamped = (nn.Sequential(layer, nn.ReLU6()) for layer in layers)
    module = nn.Sequential(*clamped, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)).eval()
    with torch.no_grad():
        for layer in layers:
            layer.weight[:2], layer.bias[:2] = 0, 0
    return Network(ModelSpec(name="dead", family="test", resolution=12, classes=10), module)


def planes(values: np.ndarray) -> np.ndarray:
    """The channels of a tensor of 32 in front, where they are first or last."""
    return values[0] if values.shape[1] == 32 else np.moveaxis(values[0], -1, 0)


@pytest.mark.parametrize("form", [each.name for each in every() if "int8" in each.precisions])
def test_nothing_is_divided_by_zero(form, tmp_path):
    """Warnings are errors in these tests: RuntimeWarning was what numpy said of it, by the page."""
    found, network = pipeline.form(form), dead()
    wanted = Quantization(samples=8, calibrator="mse", scheme=found.schemes[0])
    export = ExportSpec(format=form, precision="int8", quantization=wanted)
    made = pipeline._export(network, export, tmp_path / f"dead{found.suffix}", "", {})
    assert made.parity.relative_l2_error < 0.1
    errors = [layer.relative_l2_error for layer in made.quantization.layers]
    assert errors and np.isfinite(errors).all()
    if form in ("tflite", "coreml"):  # whose own readers tell what each layer gives
        image = np.random.default_rng(0).standard_normal((1, 3, 12, 12), dtype=np.float32)
        inside = [values for _, values in found.load("tensors")(tmp_path / made.path)(image) if values.ndim == 4]
        of_layers = [each for each in map(planes, inside) if len(each) == 32]
        assert len(of_layers) >= 3
        assert all(values.any() and not values[:2].any() for values in of_layers)
