"""Files that take pixels: what they compute is what torch does with the same images, normalised before it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from torch import nn

from edgebench.formats import pipeline
from edgebench.formats.examples import example_pixels, normalise
from edgebench.formats.native import fed, session
from edgebench.formats.network import Network
from edgebench.formats.pixels import Pixels, baked
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ExportSpec, ModelSpec, Preprocessing, Quantization
from edgebench.runtimes import runtime_of

IMAGES = [torch.from_numpy(image) for image in example_pixels((1, 3, 16, 16))]


class Twice(nn.Module):
    """Reads the image by a convolution and beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.convolution(x) + 2 * x


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize(
    ("module", "folded"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (True, True)),
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.ReLU()), (True, False)),
        (Twice(), (False, False)),
        (nn.Sequential(nn.Conv2d(3, 3, 3, groups=3)), (False, False)),
    ],
)
def test_the_normalisation_is_folded_where_that_changes_nothing(module, folded, channels, network):
    known: Preprocessing = replace(network.preprocessing, channels=channels)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    made = Pixels(module, known, IMAGES[0])
    with torch.no_grad():
        for image in IMAGES:
            turned = image.flip(1) if channels == "bgr" else image
            given = torch.from_numpy(normalise(turned.numpy() / np.float32(255), known))
            torch.testing.assert_close(made(image), module(given), rtol=1e-4, atol=1e-4)
    assert (not made.scaled, not made.centred) == folded
    assert made.swapped == (channels == "bgr" and not folded[0])
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("form", "precision", "shape"),
    [
        ("tflite", "fp32", (None, 32, 32, 3)),
        ("tflite", "int8", (None, 32, 32, 3)),
        ("onnx", "fp32", (None, 32, 32, 3)),
        ("ncnn", "fp32", (1, 3, 32, 32)),
        ("openvino", "int8", (1, 32, 32, 3)),
        ("executorch", "fp32", (1, 32, 32, 3)),
    ],
)
def test_a_baked_file_takes_bytes(form, precision, shape, network, spec, builds, tmp_path):
    wanted = Quantization(samples=8, calibrator="minmax") if precision == "int8" else None
    export = ExportSpec(format=form, precision=precision, image_input=True, quantization=wanted)
    artifact = pipeline.export_model(spec, export, tmp_path)
    assert artifact.preprocessing == network.preprocessing
    assert (artifact.inputs[0].shape, artifact.inputs[0].dtype) == (shape, "float32" if form == "ncnn" else "uint8")
    run = fed(session(runtime_of(form), artifact.path).run, artifact.inputs, artifact.outputs)
    for pixels in example_pixels((1, 3, 32, 32))[2:]:
        expected = network.compute([normalise(pixels / np.float32(255), network.preprocessing)])[0]
        error = np.linalg.norm(run(pixels) - expected) / np.linalg.norm(expected)
        assert error < (0.1 if precision == "int8" else 1e-5)


def test_a_baked_package_takes_an_image(network, spec, builds, tmp_path):
    export = ExportSpec(format="coreml", image_input=True)
    artifact = pipeline.export_model(spec, export, tmp_path)
    assert artifact.parity.passed and artifact.parity.range_error < 1e-5
    assert artifact.inputs[0].dtype == "uint8"


def test_calibration_images_are_pixels(network):
    given, made = (each.calibrated(Quantization(samples=8)) for each in (network, baked(network)))
    for image, pixels in zip(given.held_out_images, made.held_out_images, strict=True):
        assert np.array_equal(pixels, np.rint(pixels)) and pixels.min() >= 0 and pixels.max() <= 255
        back = normalise(pixels / np.float32(255), network.preprocessing)
        inside = (pixels > 0) & (pixels < 255)
        assert np.abs(back - image)[inside].max() < 0.5 / 255 / min(network.preprocessing.std) + 1e-5
    assert made.fed.mean == (0.0, 0.0, 0.0) and made.fed.std[0] * 255 == pytest.approx(1)


def test_baking_needs_a_preparation_and_one_or_three_channels(network):
    with pytest.raises(UsageError, match="is not known, so it cannot be baked in: say it"):
        baked(Network(network.spec, network.module))
    four = ModelSpec(name="small", family="test", channels=4)
    with pytest.raises(UsageError, match="an image has 1 or 3 channels, small takes 4"):
        baked(Network(four, network.module, None, network.preprocessing))
