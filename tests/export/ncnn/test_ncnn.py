import os
import stat
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

pytest.importorskip("pnnx", reason="needs pnnx: pip install 'edgebench[ncnn]'")

from edgebench.formats import manifest, pipeline
from edgebench.formats.ncnn import convert as exporter
from edgebench.formats.network import Network
from edgebench.ground.errors import ExportError
from edgebench.ground.records import ExportSpec, ModelSpec
from edgebench.models.layers import Subsample
from edgebench.runtimes import runtime

FP32, FP16 = ExportSpec(format="ncnn"), ExportSpec(format="ncnn", precision="fp16")


def of(module: nn.Module, size: int = 16) -> Network:
    return Network(ModelSpec(name="own", family="user", resolution=size, classes=10), module.eval())


def test_the_folder_computes_the_network(network, tmp_path):
    conversion = exporter.convert(network, FP32, tmp_path / "net.ncnn")
    inputs, expected = network.reference
    session = runtime("ncnn").load(str(tmp_path / "net.ncnn"))
    for x, y in zip(inputs, expected, strict=True):
        np.testing.assert_allclose(session.run(x), y, atol=1e-4)
    assert [(one["name"], one["shape"]) for one in (*session.inputs, *session.outputs)] == [
        ("image", [1, 3, 32, 32]),
        ("logits", [1, 10]),
    ]
    assert conversion.inputs[0].shape == (1, 3, 32, 32)
    assert (conversion.outputs[0].shape, conversion.outputs[0].layout) == ((1, 10), "NC")


def test_batch_norm_is_folded_and_activations_are_fused(network, tmp_path):
    operators = exporter.convert(network, FP32, tmp_path / "net.ncnn").operators
    assert "BatchNorm" not in operators and "ReLU" not in operators and "Clip" not in operators
    assert operators["Convolution"] == 3  # the stem and the two of squeeze-and-excitation
    assert operators["ConvolutionDepthWise"] == operators["LRN"] == operators["InnerProduct"] == 1


def test_nothing_but_the_two_files_is_written(network, tmp_path):
    exporter.convert(network, FP32, tmp_path / "net.ncnn")
    assert sorted(os.listdir(tmp_path)) == ["net.ncnn"]
    assert sorted(os.listdir(tmp_path / "net.ncnn")) == ["model.bin", "model.param"]
    text = (tmp_path / "net.ncnn" / "model.param").read_text()
    assert str(tmp_path) not in text and "image" in text


def test_a_limit_on_file_sizes_is_an_error_and_leaves_nothing(tmp_path):
    program = f"""
import resource
from pathlib import Path
from torch import nn
from edgebench.formats.ncnn import convert as ncnn
from edgebench.formats.network import Network
from edgebench.ground.records import ExportSpec, ModelSpec
network = Network(ModelSpec(name="own", family="user", resolution=16), nn.Conv2d(3, 4000, 1).eval())
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    ncnn.convert(network, ExportSpec(format="ncnn"), Path({str(tmp_path / "net.ncnn")!r}))
except OSError as error:
    print(error.strerror)
"""
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "File too large\n"), done.stderr[-500:]
    assert os.listdir(tmp_path) == []


def test_pnnx_that_meets_a_limit_on_file_sizes_is_told_apart(network, tmp_path, monkeypatch):
    done = subprocess.CompletedProcess([], exporter.FILE_TOO_LARGE, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *given, **options: done)
    with pytest.raises(OSError, match="File too large"):
        exporter.convert(network, FP32, tmp_path / "net.ncnn")
    assert os.listdir(tmp_path) == []


def test_the_same_network_gives_the_same_bytes(network, tmp_path):
    for name in ("a.ncnn", "b.ncnn"):
        exporter.convert(network, FP16, tmp_path / name)
    assert manifest.content_sha256(tmp_path / "a.ncnn") == manifest.content_sha256(tmp_path / "b.ncnn")


def test_the_pipeline_publishes_a_checked_folder_and_finds_it_again(spec, builds, tmp_path):
    made = [pipeline.export_model(spec, export, tmp_path) for export in (FP32, FP16)]
    assert [one.parity.passed for one in made] == [True, True]
    assert made[0].parity.evaluated_by.startswith("ncnn ")
    assert made[1].size_bytes < 0.75 * made[0].size_bytes  # the .param file is as large as the weights here
    assert {"ncnn", "pnnx", "torch"} <= set(made[0].tool_versions)
    assert pipeline.export_model(spec, FP32, tmp_path).cached
    assert sorted(os.listdir(tmp_path)) == sorted(f"{one}" for path in made for one in _pair(path.path))


def _pair(path: str) -> tuple[str, str]:
    name = os.path.basename(path)
    return name, f"{name}.json"


def test_every_second_row_becomes_a_pool_and_the_network_stays_as_it_is(tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), Subsample(2), nn.Flatten(), nn.Linear(8 * 9 * 9, 10))
    network = of(module, size=17)
    operators = exporter.convert(network, FP32, tmp_path / "net.ncnn").operators
    assert operators["Pooling"] == 1
    assert isinstance(module[1], Subsample)
    x = np.random.default_rng(0).standard_normal((1, 3, 17, 17), dtype=np.float32)
    found = runtime("ncnn").load(str(tmp_path / "net.ncnn")).run(x)
    np.testing.assert_allclose(found, network.compute([x])[0], atol=1e-5)


def test_the_copy_for_ncnn_shares_the_weights():
    module = nn.Sequential(nn.Conv2d(3, 8, 1), Subsample(2))
    copied = exporter._with_pooling(module)
    assert copied[0].weight is module[0].weight and copied[0] is not module[0]
    plain = nn.Sequential(nn.Conv2d(3, 8, 1))
    assert exporter._with_pooling(plain) is plain


class Scaled(nn.Module):
    """Arithmetic on the input itself, which ncnn does in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv((x - 0.5) * 4).mean((2, 3))


def test_arithmetic_on_the_input_stays_within_its_memory(tmp_path):
    network = of(Scaled())
    exporter.convert(network, FP32, tmp_path / "net.ncnn")
    (image, *_), (expected, *_) = network.reference
    given = image.copy()
    np.testing.assert_allclose(runtime("ncnn").load(str(tmp_path / "net.ncnn")).run(image), expected, atol=1e-4)
    assert (image == given).all()


def test_a_map_as_output_keeps_its_four_sizes(tmp_path):
    network = of(nn.Conv2d(3, 5, 3, stride=2))
    conversion = exporter.convert(network, FP32, tmp_path / "net.ncnn")
    session = runtime("ncnn").load(str(tmp_path / "net.ncnn"))
    x = np.ones((1, 3, 16, 16), np.float32)
    assert conversion.outputs[0].shape == tuple(session.outputs[0]["shape"]) == (1, 5, 7, 7)
    np.testing.assert_allclose(session.run(x), network.compute([x])[0], atol=1e-5)


class Windows(nn.Module):
    """Windows of an image beside each other in place of its batch: six axes, which ncnn has not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = x.reshape(1, 3, 2, 8, 2, 8).permute(0, 2, 4, 3, 5, 1).reshape(4, 64, 3)
        return torch.matmul(parts, parts.transpose(1, 2)).mean((1, 2)).reshape(1, 4)


class Squeezed(nn.Module):
    """One number, without an axis."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((1, 2, 3)).squeeze()


@pytest.mark.parametrize(
    ("network", "sentence"),
    [(Windows(), r"ncnn has no operator for Tensor\.reshape"), (Squeezed(), "ncnn has no tensors without axes")],
)
def test_what_cannot_be_written_is_named(network, sentence, tmp_path):
    with pytest.raises(ExportError, match=sentence):
        exporter.convert(of(network), FP32, tmp_path / "net.ncnn")
    assert os.listdir(tmp_path) == []


class Plain(nn.Module):
    """What pnnx leaves as it is, and the Graph says in operators that ncnn has."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv = nn.GroupNorm(1, 3), nn.Linear(48, 48)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.norm(x)[:, :, ::3, 1::4].flatten(1).reshape(1, 1, -1).expand(1, 4, -1)[..., :48]
        tokens = nn.functional.pad(tokens, (0, 48 - tokens.shape[-1]))
        q, k, v = self.qkv(tokens).reshape(1, 4, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)
        return nn.functional.scaled_dot_product_attention(q, k, v).flatten(1)


def test_where_pnnx_cannot_the_graph_is_taken(tmp_path):
    network = of(Plain())
    exporter.convert(network, FP32, tmp_path / "net.ncnn")
    inputs, expected = network.reference
    session = runtime("ncnn").load(str(tmp_path / "net.ncnn"))
    np.testing.assert_allclose(session.run(inputs[0]).reshape(1, -1), expected[0], atol=1e-4)


@pytest.mark.parametrize(
    ("script", "says"),
    [("echo out of memory >&2; exit 3", "exit code 3: out of memory"), ("exit 0", "exit code 0: no message")],
)
def test_a_converter_that_fails_is_quoted(script, says, monkeypatch, tmp_path):
    program = tmp_path / "pnnx"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(exporter.pnnx, "EXEC_PATH", str(program))
    with pytest.raises(ExportError, match=says):
        exporter.convert(of(nn.Conv2d(3, 4, 1)), FP32, tmp_path / "net.ncnn")


def test_a_converter_that_hangs_is_ended(monkeypatch, tmp_path):
    program = tmp_path / "pnnx"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(exporter.pnnx, "EXEC_PATH", str(program))
    monkeypatch.setattr(exporter, "PATIENCE_S", 0.1)
    with pytest.raises(ExportError, match="took longer"):
        exporter.convert(of(nn.Conv2d(3, 4, 1)), FP32, tmp_path / "net.ncnn")


NAMES = st.text("aZ_.09", min_size=1, max_size=9)
LAYERS = st.builds(
    exporter.Layer,
    kind=NAMES,
    name=NAMES,
    inputs=st.lists(NAMES, max_size=3).map(tuple),
    outputs=st.lists(NAMES, max_size=3).map(tuple),
    options=st.dictionaries(st.integers(-23400, 99).map(str), st.text("-0.,e=", min_size=1, max_size=9)),
)


@given(st.lists(LAYERS, max_size=5))
def test_a_param_file_is_read_as_it_was_written(layers):
    text = exporter.show(layers)
    assert exporter.parse(text) == layers
    blobs = sum(len(layer.outputs) for layer in layers)
    assert text.splitlines()[:2] == ["7767517", f"{len(layers)} {blobs}"]
