"""int8 for ncnn: what is written, and that ncnn computes it."""

import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

pytest.importorskip("pnnx", reason="needs pnnx: pip install 'edgebench[ncnn]'")

from edgebench.formats import pipeline
from edgebench.formats.ncnn import convert as exporter
from edgebench.formats.ncnn.activations import activations
from edgebench.formats.ncnn.files import (
    BIN,
    FLOAT16,
    INT8,
    PARAM,
    Block,
    Layer,
    parse,
    read_weights,
    sources,
    write_weights,
)
from edgebench.formats.ncnn.int8 import SLOWER, layer_errors, save_folder
from edgebench.formats.ncnn.static import quantize
from edgebench.formats.network import Network
from edgebench.formats.quantize.ranges import observe, ranges
from edgebench.ground.errors import ExportError
from edgebench.ground.records import ExportSpec, ModelSpec, Quantization
from edgebench.runtimes import runtime
from edgebench.runtimes.ncnn import engine

QUANTIZED = ("Convolution", "InnerProduct")
SPEC = ExportSpec(format="ncnn", precision="int8", quantization=Quantization(samples=8, calibrator="minmax"))


@pytest.fixture(scope="module")
def source(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("float") / "net.ncnn"
    exporter.convert(network, ExportSpec(format="ncnn"), path)
    return path


@pytest.fixture(scope="module")
def layers(source) -> list[Layer]:
    return parse((source / PARAM).read_text())


@pytest.fixture(scope="module")
def arrays(source, layers):
    return read_weights(layers, (source / BIN).read_bytes())


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(3)
    return [random.standard_normal((1, 3, 32, 32), dtype=np.float32) for _ in range(6)]


@pytest.fixture(scope="module")
def seen(source, layers, images):
    blobs = sources(layers)
    wanted = {blobs[layer.inputs[0]] for layer in layers if layer.kind in QUANTIZED}
    return ranges(observe(activations(source, images, wanted)), "minmax")


def error(folder, source, images) -> float:
    found, expected = (runtime("ncnn").load(str(path)) for path in (folder, source))
    pairs = [(found.run(image), expected.run(image)) for image in images]
    return max(float(np.linalg.norm(one - other) / np.linalg.norm(other)) for one, other in pairs)


def test_a_bin_file_is_read_as_it_was_written(source, layers, arrays):
    assert write_weights(layers, arrays) == (source / BIN).read_bytes()
    assert arrays["convclip_0"][0].values.size == 16 * 3 * 9


class Columns(nn.Module):
    """Image columns read by `cell`, or by attention where it is none: layers whose weights stay float."""

    def __init__(self, cell: nn.Module | None) -> None:
        super().__init__()
        self.stem, self.cell = nn.Conv2d(3, 8, 4, 4), cell
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(x).flatten(2).transpose(1, 2)
        return (self.cell(y) if self.cell else self.attention(y, y, y))[0]


class Unit(nn.Module):
    """An embedding of length one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(x.flatten(1))


@pytest.mark.parametrize(("kind", "module"), [
    ("GRU", Columns(nn.GRU(8, 6, bidirectional=True, batch_first=True))),
    ("LSTM", Columns(nn.LSTM(8, 6, batch_first=True))),
    ("RNN", Columns(nn.RNN(8, 6, batch_first=True))),
    ("MultiHeadAttention", Columns(None)),
    ("DeconvolutionDepthWise", nn.ConvTranspose2d(3, 6, 3, 2, 1, output_padding=1, groups=3)),
    ("Normalize", nn.Sequential(nn.Conv2d(3, 8, 4, 4), Unit())),
])  # fmt: skip
def test_every_array_of_a_layer_is_read(kind, module, tmp_path):
    network = Network(ModelSpec(name="columns", family="test", resolution=16, classes=8), module.eval())
    exporter.convert(network, ExportSpec(format="ncnn"), tmp_path / "net.ncnn")
    layers = parse((tmp_path / "net.ncnn" / PARAM).read_text())
    content = (tmp_path / "net.ncnn" / BIN).read_bytes()
    assert kind in {layer.kind for layer in layers}
    assert write_weights(layers, read_weights(layers, content)) == content


def test_int8_computes_the_network_nearly(source, layers, arrays, seen, images, tmp_path):
    save_folder(*quantize(layers, arrays, seen), tmp_path / "int8.ncnn")
    assert 1e-6 < error(tmp_path / "int8.ncnn", source, images) < 0.03
    assert engine.is_short(str(tmp_path / "int8.ncnn" / BIN))


def test_weights_are_whole_numbers_with_a_scale_a_channel(layers, arrays, seen):
    found, stored = quantize(layers, arrays, seen)
    for layer in found:
        if layer.kind in QUANTIZED:
            whole, *_ = stored[layer.name]
            original = arrays[layer.name][0].values
            assert whole.values.dtype == np.int8 and whole.content[:4] == INT8.to_bytes(4, "little")
            scales = next(block.values for block in stored[layer.name][1:] if block.values.min() > 0)
            back = whole.values.reshape(len(scales), -1) / scales[:, None]
            np.testing.assert_allclose(back, original.reshape(len(scales), -1), atol=0.51 / scales.min())


def test_kernels_that_winograd_transforms_keep_to_6_bits():
    options = {"0": "4", "1": "3", "5": "0", "6": "36"}
    block = [Block(np.random.default_rng(0).standard_normal(36).astype("<f4"), True)]
    largest = {}
    for stride in "12":
        layer = Layer("Convolution", "conv", ("a",), ("b",), options | {"3": stride})
        _, stored = quantize([layer], {"conv": block}, {"a": (-1.0, 2.0)})
        largest[stride] = np.abs(stored["conv"][0].values).max()
        assert stored["conv"][-1].values[0] == pytest.approx(127 / 2.0)
    assert largest == {"1": 31, "2": 127}


def chain(*last: str) -> list[Layer]:
    """Two convolutions one after the other, the first also read by `last`."""
    options = {"0": "1", "1": "1", "5": "0", "6": "1"}
    split = Layer("Split", "split", ("b",), ("b1", "b2"), {})
    reader = [Layer(kind, kind, ("b2",), (f"out-{kind}",), options) for kind in last]
    return [
        Layer("Convolution", "first", ("a",), ("b",), options),
        split,
        Layer("Convolution", "second", ("b1",), ("c",), options),
        *reader,
    ]


@pytest.mark.parametrize(
    ("last", "kept", "term"),
    [
        ((), (), "102"),
        (("Convolution",), (), "102"),
        (("ConvolutionDepthWise",), (), "2"),
        (("BinaryOp",), (), "2"),
        ((), ("second",), "2"),
        (("InnerProduct",), (), "2"),
    ],
)
def test_an_output_stays_in_8_bits_where_all_its_readers_are_int8_convolutions(last, kept, term):
    layers = chain(*last)
    block = [Block(np.ones(1, "<f4"), True)]
    found, stored = quantize(layers, {one.name: block for one in layers}, {"a": (0, 1), "b": (0, 4)}, kept)
    assert found[0].options["8"] == term
    if term == "102":
        assert stored["first"][-1].values[0] == 127 / 4


def test_what_stays_float_is_stored_as_float16(layers, arrays, seen):
    names = [layer.name for layer in layers if layer.kind == "Convolution"]
    found, stored = quantize(layers, arrays, seen, names)
    assert all(stored[name][0].content[:4] == FLOAT16.to_bytes(4, "little") for name in names)
    assert all("8" not in layer.options for layer in found if layer.name in names)


def test_a_channel_of_zeros_is_no_division_by_zero():
    layer = Layer("InnerProduct", "fc", ("a",), ("b",), {"0": "2", "1": "0", "2": "4"})
    block = [Block(np.array([0, 0, 1, -2], "<f4"), True)]
    _, stored = quantize([layer], {"fc": block}, {"a": (0, 1)})
    assert stored["fc"][0].values.tolist() == [0, 0, 64, -127]  # 63.5 goes away from zero
    assert stored["fc"][1].values.tolist() == [0, 63.5]


def test_layers_are_measured_in_their_own_unit(source, layers, arrays, seen, images, tmp_path):
    save_folder(*quantize(layers, arrays, seen, ["convclip_0"]), tmp_path / "int8.ncnn")
    found = layer_errors(source, tmp_path / "int8.ncnn", images, {"convclip_0": "stem.0"})
    assert found[0].name == "stem.0"
    assert {layer.kind for layer in found if layer.stored == "float"} == {"Convolution", "ConvolutionDepthWise"}
    assert sum(layer.stored == "float" for layer in found) == 2
    assert [layer.why for layer in found if layer.kind == "ConvolutionDepthWise"] == [SLOWER]
    assert found[0].relative_l2_error < 1e-3
    assert all(0 < layer.relative_l2_error < 0.1 for layer in found[1:])


def test_weights_that_are_unknown_or_cut_are_refused(layers, source):
    content = (source / BIN).read_bytes()
    with pytest.raises(ExportError, match="end early"):
        read_weights(layers, content[:-5])
    with pytest.raises(ExportError, match="stored in a way"):
        read_weights(layers, b"\xff" * len(content))
    with pytest.raises(ExportError, match="4 bytes of ncnn's weights belong to no known layer"):
        read_weights(layers, content + bytes(4))


@given(st.integers(1, 9), st.sampled_from(["<f4", "<f2", "i1"]))
def test_arrays_are_padded_to_4_bytes(size, dtype):
    layer = Layer("InnerProduct", "fc", ("a",), ("b",), {"0": "1", "1": "1", "2": str(size)})
    blocks = [Block(np.arange(size).astype(dtype), True), Block(np.ones(1, "<f4"), False)]
    content = write_weights([layer], {"fc": blocks})
    assert len(content) % 4 == 0
    whole, bias = read_weights([layer], content)["fc"]
    assert whole.values.dtype == np.dtype(dtype) and whole.values.tolist() == list(range(size))
    assert bias.values.tolist() == [1]


def test_the_pipeline_publishes_a_checked_folder_with_its_report(spec, builds, tmp_path):
    artifact = pipeline.export_model(spec, SPEC, tmp_path)
    assert artifact.parity.passed and artifact.parity.relative_l2_error < 0.05
    assert artifact.quantization.activations == "int8, symmetric about zero"
    assert len(artifact.quantization.layers) == 5
    assert len(os.listdir(tmp_path)) == 2
    assert pipeline.export_model(spec, SPEC, tmp_path).cached


def test_a_budget_leaves_layers_float(network, tmp_path):
    wanted = Quantization(samples=8, calibrator="mse", error_budget=0.004)
    conversion = exporter.convert(network.calibrated(wanted), SPEC, tmp_path / "net.ncnn")
    kept = [layer for layer in conversion.quantization.layers if "budget" in layer.why]
    assert kept and all(layer.stored == "float" for layer in kept)
    assert min(conversion.quantization.errors.values()) <= 0.004
