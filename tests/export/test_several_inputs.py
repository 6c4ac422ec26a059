"""A network that takes more than an image: which formats hold it, under which names, and what is refused."""

import pytest
import torch
from torch import nn

from edgebench.formats.format import every
from edgebench.formats.pipeline import export_models
from edgebench.ground.records import Beside, ExportSpec, ModelSpec, Quantization
from edgebench.ground.registry import FORMATS
from edgebench.models.given import Given

BESIDE = (Beside(shape=(6,)), Beside(shape=(2, 3), dtype="int64"))
SPEC = ModelSpec(name="nets.py:Conditioned", family="user", resolution=16, beside=BESIDE)


class Conditioned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate = nn.Conv2d(3, 4, 3, 2, 1), nn.Linear(6, 4)

    def forward(self, picture: torch.Tensor, context: torch.Tensor, keep: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.conv(picture) * torch.sigmoid(self.gate(context))[:, :, None, None]
        return x, x.mean((2, 3)) * keep.sum((1, 2), keepdim=False)[:, None]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The outcome of each export of one network."""
    torch.manual_seed(0)
    spec = SPEC
    asked = [ExportSpec(format=name) for name in FORMATS]
    few = Quantization(calibrator="minmax", samples=40)
    asked += [ExportSpec(format=name, precision="int8", quantization=few) for name in ("onnx", "tflite", "coreml")]
    given = Given(modules={spec.key: Conditioned().eval()})
    found = export_models(spec, asked, tmp_path_factory.mktemp("several"), given=given)
    return {(export.format, export.precision): outcome for export, outcome in found}


@pytest.mark.parametrize("form", [each.name for each in every() if each.several])
def test_a_file_takes_and_checks_every_input(exported, form):
    artifact = exported[form, "fp32"]
    assert [source.name for source in artifact.inputs] == ["image", "context", "keep"]
    assert [source.shape[1:] for source in artifact.inputs[1:]] == [(6,), (2, 3)]
    alone = ("coreml", "openvino", "executorch")  # elsewhere a batch of two was checked
    assert artifact.inputs[0].shape[0] is None or form in alone
