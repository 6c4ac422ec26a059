"""Ready .tflite files as networks: reading compares each with LiteRT, so that a file that is read is read right."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor, nn
from torch.nn import functional as F

import edgebench
from edgebench.formats.tflite.model import Model
from edgebench.formats.tflite.source import module
from edgebench.formats.tflite.torch_operators import OPERATORS, Held, Step, resize, transposed
from edgebench.formats.tflite.writer import write
from edgebench.graph.capture import capture
from edgebench.ground.errors import ExportError, UsageError

SHAPE = (8, 10, 12)


class Of(nn.Module):
    def __init__(self, function: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.layers)


def attention(x: Tensor, qkv: nn.Module) -> Tensor:
    q, k, v = qkv(x.flatten(2).mT).chunk(3, -1)
    return F.scaled_dot_product_attention(q, k, v)


CASES: dict[str, tuple[Callable[..., Tensor], list[nn.Module]]] = {
    "convolutions": (
        lambda x, a, b, c: F.relu6(c(F.hardswish(b(a(x))))),
        [nn.Conv2d(8, 12, 3, 2, 1), nn.Conv2d(12, 12, 5, padding=2, groups=12), nn.Conv2d(12, 6, 1, groups=3)],
    ),
    "transposed convolution": (lambda x, a: a(x), [nn.ConvTranspose2d(8, 4, 3, 2, 1, 1)]),
    "pools": (
        lambda x: torch.cat([F.max_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)], 1),
        [],
    ),
    "resizing": (
        lambda x: F.interpolate(F.interpolate(x, scale_factor=2), size=(15, 9), mode="bilinear", align_corners=True),
        [],
    ),
    "attention": (attention, [nn.Linear(8, 24)]),
    "normalisation": (lambda x, n: F.gelu(n(x.permute(0, 2, 3, 1))), [nn.LayerNorm(8)]),
    "moves": (
        lambda x: F.pad(x.reshape(1, 2, 4, 10, 12).transpose(1, 2).flatten(1, 2)[:, 1:7, ::3, 1:], (1, 2, 0, 1)),
        [],
    ),
    "shuffles": (
        lambda x: F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2).amax(1, keepdim=True) + x.mean((2, 3))[..., None, None],
        [],
    ),
    "choices": (lambda x: torch.where(x > x.roll(1, 3), x.abs().sqrt(), F.leaky_relu(x, 0.2)), []),
    "the largest": (lambda x: torch.cat([x.topk(2)[0], x.topk(3)[1].float()], -1), []),
    "mirrored edge": (lambda x: F.pad(x, (2, 1, 1, 2), mode="reflect"), []),
    "head": (lambda x, d: d(x.mean((2, 3))).softmax(-1), [nn.Linear(8, 5)]),
}


def written(path: Path, function: Callable[..., Tensor], *layers: nn.Module, precision: str = "fp32") -> nn.Module:
    torch.manual_seed(0)
    network = Of(function, *layers).eval()
    write(capture(network, (1, *SHAPE)), path, precision)  # type: ignore[arg-type]
    return network


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_read_as_the_network_that_it_was_made_of(case, tmp_path):
    function, layers = CASES[case]
    network = written(tmp_path / "net.tflite", function, *layers)
    found = module(tmp_path / "net.tflite")
    x = torch.randn(1, *SHAPE)
    torch.testing.assert_close(found(x), network(x), rtol=1e-4, atol=1e-5)
    assert capture(found, (1, *SHAPE)).outputs


def test_weights_of_half_precision_are_read(tmp_path):
    network = written(tmp_path / "net.tflite", lambda x, a: a(x), nn.Conv2d(8, 4, 3), precision="fp16")
    x = torch.randn(1, *SHAPE)
    torch.testing.assert_close(module(tmp_path / "net.tflite")(x), network(x), rtol=1e-2, atol=1e-2)


def test_convolutions_on_both_sides_of_what_is_element_by_element_need_no_transpose(tmp_path):
    function, layers = CASES["convolutions"]
    written(tmp_path / "net.tflite", function, *layers)
    assert "transpose" not in capture(module(tmp_path / "net.tflite"), (1, *SHAPE)).counts()


def test_other_formats_are_made_of_a_file(tmp_path):
    function, layers = CASES["head"]
    written(tmp_path / "net.tflite", function, *layers)
    made = edgebench.export(tmp_path / "net.tflite", format="onnx", output=tmp_path / "onnx")
    assert made.parity.range_error < 1e-5


def test_another_answer_than_litert_s_is_refused(tmp_path, monkeypatch):
    written(tmp_path / "net.tflite", *CASES["head"][:1], *CASES["head"][1])
    monkeypatch.setattr(F, "linear", lambda x, weight, bias: x @ weight.T + 1)
    with pytest.raises(ExportError, match="torch computes something else than LiteRT"):
        module(tmp_path / "net.tflite")


def test_another_size_is_refused(tmp_path):
    written(tmp_path / "net.tflite", lambda x: x.exp())
    with pytest.raises(UsageError, match="takes images of 8x10x12, not of 8x8x8"):
        module(tmp_path / "net.tflite", (8, 8, 8))


def test_whole_numbers_as_weights_are_refused(tmp_path):
    written(tmp_path / "net.tflite", lambda x: x + 1)
    content = schema.ModelT.InitFromPackedBuf((tmp_path / "net.tflite").read_bytes(), 0)
    content.subgraphs[0].tensors[0].type = schema.TensorType.INT8
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    (tmp_path / "net.tflite").write_bytes(bytes(builder.Output()))
    with pytest.raises(UsageError, match="holds int8, and other formats are made of float files"):
        module(tmp_path / "net.tflite")


@pytest.mark.parametrize(
    ("places", "corners", "halves"), [([0, 0.5, 1, 1.5, 2, 2], False, False), ([0, 0.4, 0.8, 1.2, 1.6, 2], True, False)]
)
def test_the_oldest_resizing_takes_places_from_the_corner(places, corners, halves):
    options = schema.ResizeBilinearOptionsT()
    options.alignCorners, options.halfPixelCenters = corners, halves
    column = torch.tensor([0.0, 1, 2]).reshape(1, 1, 3, 1)
    made = resize(Step("RESIZE_BILINEAR", options, ((1, 6, 1, 1),)), [Held(image=column)])
    np.testing.assert_allclose(made.first().reshape(-1), places, atol=1e-6)


@pytest.mark.parametrize(("padding", "size"), [(schema.Padding.SAME, 6), (schema.Padding.VALID, 7)])
def test_a_transposed_convolution_is_cut_as_its_padding_says(padding, size):
    options = schema.TransposeConvOptionsT()
    options.padding, options.strideH, options.strideW = padding, 2, 2
    weight, image = torch.arange(9.0).reshape(1, 3, 3, 1), torch.randn(1, 1, 3, 3)
    made = transposed(
        Step("TRANSPOSE_CONV", options, ((1, size, size, 1),)), [None, Held(plain=weight), Held(image=image)]
    )
    whole = F.conv_transpose2d(image, weight.permute(3, 0, 1, 2), stride=2)
    torch.testing.assert_close(made.first(), whole[..., :size, :size])


def test_a_maximum_of_what_was_padded_with_the_least_number_is_one_pool(tmp_path):
    model, code = Model("test"), schema.BuiltinOperator
    image, padded, pooled = (model.computed(str(size), (1, size, size, 3)) for size in (4, 6, 2))
    amounts = model.constant("amounts", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    model.operator(code.PADV2, [image, amounts, model.constant("value", np.array(-np.inf, np.float32))], padded)
    window = {"filterHeight": 3, "filterWidth": 3, "strideH": 3, "strideW": 3, "padding": schema.Padding.VALID}
    model.operator(code.MAX_POOL_2D, [padded], pooled, **window)
    model.save(tmp_path / "net.tflite", {"image": image}, {"logits": pooled})
    (pool,) = capture(module(tmp_path / "net.tflite"), (1, 3, 4, 4)).computed
    assert (pool.kind, pool.padding) == ("pool", (1, 1, 1, 1))


def test_a_bias_may_have_axes_of_size_one():
    options = schema.FullyConnectedOptionsT()
    x, weight, bias = torch.ones(3, 2), torch.ones(4, 2), torch.arange(4.0).reshape(1, 1, 1, 4)
    made = OPERATORS["FULLY_CONNECTED"](
        Step("FULLY_CONNECTED", options, ((3, 4),)), [Held(v) for v in (x, weight, bias)]
    )
    assert made.file().tolist() == [[2, 3, 4, 5]] * 3
