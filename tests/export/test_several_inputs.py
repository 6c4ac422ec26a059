"""A network that takes more than an image: which formats hold it, under which names, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgebench.formats.examples import apart, example_inputs, with_beside
from edgebench.formats.format import every
from edgebench.formats.format import form as registered
from edgebench.formats.inside import look
from edgebench.formats.network import Network
from edgebench.formats.outputs import Joined
from edgebench.formats.pipeline import export_models
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Beside, ExportSpec, ModelSpec, Quantization
from edgebench.ground.registry import FORMATS
from edgebench.models.given import Given
from edgebench.models.in_hand import zeros

BESIDE = (Beside(shape=(6,)), Beside(shape=(2, 3), dtype="int64"))
INT8 = ("onnx", "tflite", "coreml", "ncnn")
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
    asked += [ExportSpec(format=name, precision="int8", quantization=few) for name in INT8]
    given = Given(modules={spec.key: Conditioned().eval()})
    found = export_models(spec, asked, tmp_path_factory.mktemp("several"), given=given)
    return {(export.format, export.precision): outcome for export, outcome in found}


@pytest.mark.parametrize("form", [each.name for each in every() if each.several])
def test_a_file_takes_and_checks_every_input(exported, form):
    artifact = exported[form, "fp32"]
    assert [source.name for source in artifact.inputs] == ["image", "context", "keep"]
    assert [source.shape[1:] for source in artifact.inputs[1:]] == [(6,), (2, 3)]
    alone = form in ("coreml", "openvino", "executorch", "ncnn")  # elsewhere a batch of two was checked
    assert alone or artifact.inputs[0].shape[0] is None
    assert artifact.parity.passed and set(artifact.parity.outputs) == {"output_0", "output_1"}
    assert "i6-i2x3int64" in artifact.path


def test_what_cannot_be_is_refused_and_the_others_go_on(exported):
    assert exported["mnn", "fp32"].exit_code == 4
    assert "mnn files of several inputs are not written here: use tflite, onnx" in str(exported["mnn", "fp32"])
    with pytest.raises(UsageError, match="takes more than images, which cannot judge `max_drop`"):
        Network(SPEC, Conditioned().eval()).calibrated(Quantization(max_drop=1.0))


@pytest.mark.parametrize("form", INT8)
def test_int8_is_calibrated_on_every_input_and_says_on_what(exported, form):
    artifact = exported[form, "int8"]
    assert artifact.parity.passed and artifact.quantization.errors["minmax"] < 0.06
    assert any("beside the image were calibrated on normal noise" in warning for warning in artifact.warnings)
    assert {
        layer.stored for layer in artifact.quantization.layers if layer.kind in ("conv", "Conv", "Convolution")
    } == {"int8"}


@pytest.mark.parametrize("form", INT8)
def test_tensors_inside_are_compared_where_outputs_could_not_tell(exported, form):
    torch.manual_seed(0)
    module = Joined(Conditioned().eval(), zeros(SPEC))
    inputs = with_beside(example_inputs(SPEC.input_shape, None), BESIDE)
    witness = look(registered(form).load("tensors")(Path(exported[form, "fp32"].path)), module, inputs, "fp32")
    assert witness.agreeing >= 5 and not witness.untold


def test_inputs_as_one_come_apart_again():
    image = np.random.default_rng(0).standard_normal((1, 3, 4, 5), dtype=np.float32)
    (one, _) = with_beside([image, image], BESIDE)
    pair = np.concatenate([one, one])
    found = apart(pair, [(3, 4, 5), (6,), (2, 3)])
    np.testing.assert_array_equal(found[0], np.concatenate([image, image]))
    assert [part.shape for part in found[1:]] == [(2, 6), (2, 2, 3)]
    assert set(np.unique(found[2])) <= {0, 1}
    assert with_beside([image], ()) == [image]


def test_a_module_with_any_number_of_inputs_numbers_them():
    class Open(nn.Module):
        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return inputs[0].mean((2, 3)) + inputs[1][:, :3]

    spec = ModelSpec(name="nets.py:Open", family="user", resolution=8, beside=BESIDE[:1])
    network = Network(spec, Open().eval())
    assert network.inputs == ("image", "input_2")
    assert [one.shape for one in network.graph.inputs] == [(1, 3, 8, 8), (1, 6)]
