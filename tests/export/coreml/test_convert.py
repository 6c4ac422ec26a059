import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from edgebench.formats.coreml.convert import _name_outputs, convert, ct
from edgebench.formats.coreml.evaluate import load_package
from edgebench.formats.coreml.mil_operators import OPERATORS
from edgebench.formats.describe import describe
from edgebench.formats.network import Conversion, Network
from edgebench.ground.errors import Uncheckable
from edgebench.ground.records import ExportSpec, TensorSpec

WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
X = np.random.default_rng(0).standard_normal((1, 3, 32, 32), dtype=np.float32)


@pytest.fixture(scope="module")
def packages(network, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("coreml")
    paths = {precision: folder / f"{precision}.mlpackage" for precision in ("fp32", "fp16")}
    for precision, path in paths.items():
        convert(network, ExportSpec(format="coreml", precision=precision), path)
    return paths


def computed(network, x: np.ndarray = X) -> np.ndarray:
    with torch.inference_mode():
        return network.module(torch.from_numpy(x)).numpy()


def test_input_is_an_array_and_both_ends_are_float32_in_either_precision(network, tmp_path):
    conversion = convert(network, ExportSpec(format="coreml", precision="fp16"), tmp_path / "net.mlpackage")
    (image,), (logits,) = conversion.inputs, conversion.outputs
    assert (image.name, image.shape, image.dtype, image.layout) == ("image", (1, 3, 32, 32), "float32", "NCHW")
    assert (logits.name, logits.shape, logits.dtype) == ("logits", (1, 10), "float32")
    assert conversion.operators["conv"] == 4
    assert "const" not in conversion.operators


def test_saved_fp32_package_computes_the_network(packages, network):
    assert np.abs(load_package(packages["fp32"]).run(X) - computed(network)).max() < 1e-5


def test_saved_fp16_package_shows_the_error_of_float16(packages, network):
    error = np.abs(load_package(packages["fp16"]).run(X) - computed(network)).max()
    assert 1e-5 < error < 1e-2


@pytest.mark.skipif(sys.platform != "darwin", reason="only a Mac has Apple's arithmetic")
@pytest.mark.parametrize(("precision", "limit"), [("fp32", 1e-4), ("fp16", 2e-2)])
def test_apple_computes_what_the_evaluator_does(packages, precision, limit):
    from edgebench.runtimes.coreml.engine import load

    ours, apples = load_package(packages[precision]).run(X), load(str(packages[precision])).run(X)
    assert np.abs(apples - ours).max() <= limit * np.ptp(ours)


def test_the_names_of_the_outputs_are_in_the_packages_own_metadata(packages, network, tmp_path):
    path = Path(shutil.copytree(packages["fp32"], tmp_path / "net.mlpackage"))
    _name_outputs(path, ["cat", "été"])
    stored = ct.models.MLModel(str(path), skip_model_load=True).user_defined_metadata["labels"]
    assert json.loads(stored) == ["cat", "été"]
    assert np.array_equal(load_package(path).run(X), load_package(packages["fp32"]).run(X))


def test_evaluator_sees_one_changed_weight(packages, network, tmp_path):
    changed = shutil.copytree(packages["fp32"], tmp_path / "changed.mlpackage")
    content = (changed / WEIGHTS).read_bytes()
    dense = network.module.classifier.weight.detach().numpy().tobytes()
    (changed / WEIGHTS).write_bytes(content.replace(dense, dense[:-4] + np.float32(0.5).tobytes()))
    difference = load_package(changed).run(X) - load_package(packages["fp32"]).run(X)
    assert np.abs(difference).max() > 0


def test_operator_without_evaluation_is_named_and_published_only_unchecked(network, packages, monkeypatch):
    monkeypatch.delitem(OPERATORS, "sigmoid")
    spec, path = ExportSpec(format="coreml"), packages["fp32"]
    conversion = Conversion(inputs=(), outputs=(TensorSpec(name="logits", shape=(1, 10), dtype="float32"),))
    with pytest.raises(Uncheckable, match="edgebench's evaluator has no sigmoid of CoreML; `unchecked` publishes it"):
        describe(network, spec, path, conversion)
    made = describe(network, spec, path, conversion, unchecked=True)
    assert made.parity is None
    assert made.warnings[0].startswith("UNCHECKED: the file cannot be compared with torch here")


def test_conversion_and_evaluation_print_nothing(network, tmp_path, capfd):
    convert(network, ExportSpec(format="coreml"), tmp_path / "net.mlpackage")
    load_package(tmp_path / "net.mlpackage").run(X)
    assert capfd.readouterr() == ("", "")


def test_an_image_as_output_says_its_layout(network, tmp_path):
    convolution = Network(network.spec, torch.nn.Conv2d(3, 4, 3).eval())
    (output,) = convert(convolution, ExportSpec(format="coreml"), tmp_path / "net.mlpackage").outputs
    assert (output.shape, output.layout) == ((1, 4, 30, 30), "NCHW")
