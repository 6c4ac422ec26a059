"""Every operator of the Graph: written, run by LiteRT on two batch sizes, compared with torch, one delegate."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgebench.formats.tflite.writer import write
from edgebench.graph.capture import capture
from edgebench.runtimes.litert import engine as litert

IMAGE = (1, 8, 9, 8)


class Calls(nn.Module):
    """A network that is one function of its input and some layers."""

    def __init__(self, function, *layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x, *self.layers)


def norm_with_statistics(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm


LAYERS = {
    "conv": (nn.Conv2d(8, 4, 3), {"CONV_2D": 1}),
    "conv same": (nn.Conv2d(8, 4, 3, 1, 1), {"CONV_2D": 1}),
    "conv strided, odd": (nn.Conv2d(8, 4, 3, (2, 1), 1), {"CONV_2D": 1}),
    "conv strided, even": (nn.Conv2d(8, 4, 3, (1, 2), 1), {"PAD": 1, "CONV_2D": 1}),
    "conv dilated": (nn.Conv2d(8, 4, 3, 1, 2, 2), {"CONV_2D": 1}),
    "conv even kernel": (nn.Conv2d(8, 4, 4, padding=2), {"PAD": 1, "CONV_2D": 1}),
    "conv grouped": (nn.Conv2d(8, 12, 3, padding=1, groups=2), {"CONV_2D": 1}),
    "conv without bias": (nn.Conv2d(8, 4, 1, bias=False), {"CONV_2D": 1}),
    "depthwise": (nn.Conv2d(8, 8, 5, 1, 2, groups=8), {"DEPTHWISE_CONV_2D": 1}),
    "depthwise multiplier": (nn.Conv2d(8, 24, 3, groups=8), {"DEPTHWISE_CONV_2D": 1}),
    "depthwise dilated": (nn.Conv2d(8, 8, 3, 1, 2, 2, groups=8), {"DEPTHWISE_CONV_2D": 1}),
    "conv, norm, relu6": (nn.Sequential(nn.Conv2d(8, 4, 3), norm_with_statistics(4), nn.ReLU6()), {"CONV_2D": 1}),
    "norm alone": (norm_with_statistics(8), {"MUL": 1, "ADD": 1}),
    "zeros before conv": (nn.Sequential(nn.ZeroPad2d((0, 1, 1, 1)), nn.Conv2d(8, 4, 3, 2)), {"CONV_2D": 1}),
    "zeros": (nn.ZeroPad2d((1, 2, 3, 4)), {"PAD": 1}),
    "max pool": (nn.MaxPool2d(2), {"MAX_POOL_2D": 1}),
    "max pool, ceil": (nn.MaxPool2d((2, 3), (2, 3), ceil_mode=True), {"MAX_POOL_2D": 1}),
    "max pool, same": (nn.MaxPool2d(3, 1, 1), {"MAX_POOL_2D": 1}),
    "max pool, zeros": (nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 2, 1)), {"RELU": 1, "PAD": 1, "MAX_POOL_2D": 1}),
    "average pool": (nn.AvgPool2d(2), {"AVERAGE_POOL_2D": 1}),
    "average pool, padding counted": (nn.AvgPool2d(3, 1, 1), {"PAD": 1, "AVERAGE_POOL_2D": 1}),
    "average pool, same": (nn.AvgPool2d(3, 1, 1, count_include_pad=False), {"AVERAGE_POOL_2D": 1}),
    "average pool, ceil": (nn.AvgPool2d((2, 3), (2, 3), ceil_mode=True), {"AVERAGE_POOL_2D": 1}),
    "average pool, padding not counted": (
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        {"PAD": 1, "AVERAGE_POOL_2D": 1, "MUL": 1},
    ),
    "adaptive pool": (nn.AdaptiveAvgPool2d((3, 4)), {"AVERAGE_POOL_2D": 1}),
    "global pool": (nn.AdaptiveAvgPool2d(1), {"MEAN": 1}),
    "flatten": (nn.Sequential(nn.Flatten(), nn.Linear(576, 5)), {"RESHAPE": 1, "FULLY_CONNECTED": 1}),
    "flatten at the end": (nn.Flatten(), {"TRANSPOSE": 1, "RESHAPE": 1}),
    "lrn 0.75": (nn.LocalResponseNorm(5, 0.1), {"MUL": 3, "CONV_2D": 1, "RSQRT": 1, "SQRT": 1}),
    "lrn 0.25": (nn.LocalResponseNorm(5, 0.1, 0.25), {"MUL": 2, "CONV_2D": 1, "RSQRT": 1, "SQRT": 1}),
    "lrn 0.5, even": (nn.LocalResponseNorm(4, 0.1, 0.5), {"MUL": 2, "CONV_2D": 1, "RSQRT": 1}),
    "lrn 1": (nn.LocalResponseNorm(3, 0.1, 1.0, 2.0), {"MUL": 3, "CONV_2D": 1, "RSQRT": 1}),
    "lrn 0.6": (nn.LocalResponseNorm(5, 0.1, 0.6), {"MUL": 3, "CONV_2D": 1, "LOG": 1, "EXP": 1}),
    "relu": (nn.ReLU(), {"RELU": 1}),
    "relu6": (nn.ReLU6(), {"RELU6": 1}),
    "sigmoid": (nn.Sigmoid(), {"LOGISTIC": 1}),
    "silu": (nn.SiLU(), {"LOGISTIC": 1, "MUL": 1}),
    "tanh": (nn.Tanh(), {"TANH": 1}),
    "hardswish": (nn.Hardswish(), {"HARD_SWISH": 1}),
    "hardsigmoid": (nn.Hardsigmoid(), {"ADD": 1, "MUL": 1}),
    "gelu": (nn.GELU(), {"GELU": 1}),
    "elu": (nn.ELU(), {"ELU": 1}),
    "leaky relu": (nn.LeakyReLU(0.3), {"LEAKY_RELU": 1}),
}

FUNCTIONS = {
    "add": (lambda x: F.relu(x + x), [], {"ADD": 1}),
    "constants": (lambda x: (x * 0.5 - 2) / 3, [], {"MUL": 2, "ADD": 1}),
    "concat": (lambda x, conv: torch.cat([x, conv(x)], 1), [nn.Conv2d(8, 3, 1)], {"CONV_2D": 1, "CONCATENATION": 1}),
    "gate": (
        lambda x, conv: x * torch.sigmoid(conv(x.mean((2, 3), keepdim=True))),
        [nn.Conv2d(8, 8, 1)],
        {"MEAN": 1, "CONV_2D": 1, "LOGISTIC": 1, "MUL": 1},
    ),
    "gate by dense layer": (
        lambda x, dense: x * dense(x.mean((2, 3))).view(-1, 8, 1, 1).expand_as(x),
        [nn.Linear(8, 8)],
        {"MEAN": 1, "FULLY_CONNECTED": 1, "RESHAPE": 1, "MUL": 1},
    ),
    "hard gate": (
        lambda x, gate, conv: conv(x * F.hardsigmoid(gate(x.mean((2, 3), keepdim=True)))),
        [nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 3, padding=1)],
        {"MEAN": 1, "CONV_2D": 2, "MUL": 1},
    ),
    "norm and clamp before a mean": (
        lambda x, norm, conv: conv(norm(x).relu().mean((2, 3), keepdim=True)),
        [norm_with_statistics(8), nn.Conv2d(8, 4, 1)],
        {"MUL": 1, "ADD": 1, "MEAN": 1, "CONV_2D": 1},
    ),
    "spatial gate": (lambda x, conv: x * conv(x), [nn.Conv2d(8, 1, 1)], {"CONV_2D": 1, "MUL": 1}),
    "subsample": (lambda x: x[:, :, ::2, ::3], [], {"DEPTHWISE_CONV_2D": 1}),
    "shortcut": (lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 3, 5)), [], {"DEPTHWISE_CONV_2D": 1, "PAD": 1}),
    "softmax": (lambda x: x.mean((2, 3)).softmax(-1), [], {"MEAN": 1, "SOFTMAX": 1}),
    "flatten through tanh": (
        lambda x, dense: dense(torch.tanh(x.flatten(1))),
        [nn.Linear(576, 5)],
        {"RESHAPE": 1, "TANH": 1, "FULLY_CONNECTED": 1},
    ),
    "flatten beside others": (
        lambda x, dense: dense(torch.cat([x.flatten(1), x.mean((2, 3))], 1)),
        [nn.Linear(584, 5)],
        {"TRANSPOSE": 1, "RESHAPE": 1, "MEAN": 1, "CONCATENATION": 1, "FULLY_CONNECTED": 1},
    ),
}


@pytest.mark.parametrize(("layer", "operators"), LAYERS.values(), ids=LAYERS)
def test_layer(run, layer, operators):
    found = run(layer, IMAGE)
    assert found.operators == operators
    assert found.error < 2e-6
    assert found.one_delegate


@pytest.mark.parametrize(("function", "layers", "operators"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_function(run, function, layers, operators):
    found = run(Calls(function, *layers), IMAGE)
    assert found.operators == operators
    assert found.error < 2e-6
    assert found.one_delegate


def test_a_maximum_of_negative_values_is_padded_with_its_own_edge(run):
    """XNNPACK has no PADV2; zeros would be wrong where all of a window is negative."""
    found = run(nn.Sequential(nn.MaxPool2d(3, 2, 1)), (1, 2, 8, 8))
    assert found.operators == {"STRIDED_SLICE": 2, "CONCATENATION": 2, "MAX_POOL_2D": 1}
    assert found.error == 0
    assert found.one_delegate


def _peaks(x):
    """The places of the largest, read whole, by their columns, and as indices of another order: whole numbers."""
    place = x.flatten(1).topk(5).indices
    inside = place % 64
    column, row = inside % 8, inside // 8
    found = x.permute(0, 2, 3, 1).reshape(1, -1, x.shape[1]).gather(1, inside[..., None].expand(-1, -1, x.shape[1]))
    return torch.cat([column[..., None].float(), row[..., None].float(), found], -1)


def test_whole_numbers_are_not_written_over_while_they_are_to_be_read(tmp_path):
    """LiteRT computes in place in what a RESHAPE shows of another tensor."""
    network, x = Calls(_peaks).eval(), torch.randn(IMAGE, generator=torch.Generator().manual_seed(0))
    write(capture(network, IMAGE), tmp_path / "peaks.tflite")
    found = litert.load(str(tmp_path / "peaks.tflite")).run(x.permute(0, 2, 3, 1).numpy().copy())
    torch.testing.assert_close(torch.from_numpy(found), network(x))
