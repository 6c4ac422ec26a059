"""Every rewrite of simplification: what is left of a small network, and that it computes the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgebench.formats.quantize.replay import Replay
from edgebench.graph.capture import capture, read
from edgebench.graph.capture_program import export_program

IMAGE = (1, 16, 6, 8)


class Calls(nn.Module):
    """A function of an image and some layers, whose batch-norm statistics and zeros are drawn at random."""

    def __init__(self, function: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.layers = nn.ModuleList(layers)
        torch.manual_seed(0)
        for norm in self.modules():
            if isinstance(norm, nn.BatchNorm2d | nn.LayerNorm):
                nn.init.normal_(norm.weight)
                nn.init.normal_(norm.bias)
            if isinstance(norm, nn.BatchNorm2d):
                nn.init.normal_(norm.running_mean)
                nn.init.uniform_(norm.running_var, 0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.layers)


def conv(size: int = 3, channels: int = 16, **how: Any) -> nn.Conv2d:
    return nn.Conv2d(16, channels, size, padding=size // 2, **how)


def scale(x: Tensor) -> Tensor:
    return x * torch.linspace(0.5, 2, 16).reshape(1, 16, 1, 1)


def attention(x: Tensor, qkv: nn.Module, out: nn.Module) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    q, k, v = qkv(tokens).reshape(1, 48, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)
    mixed = ((q @ k.transpose(-2, -1)) * 8**-0.5).softmax(-1) @ v
    return out(mixed.transpose(1, 2).reshape(1, 48, 16))


CASES: dict[str, tuple[Callable[..., Tensor], list[nn.Module], list[str]]] = {
    "affine_behind": (lambda x, c, n: n(c(x)), [conv(), nn.BatchNorm2d(16)], ["conv"]),
    "affine_behind transposed": (
        lambda x, c, n: n(c(x)),
        [nn.ConvTranspose2d(16, 8, 2, 2, groups=2), nn.BatchNorm2d(8)],
        ["transposedconv"],
    ),
    "affine_behind moves": (
        lambda x, c: c(x).flatten(2).transpose(1, 2) * torch.linspace(1, 2, 16) + 1,
        [conv()],
        ["conv", "reshape", "transpose"],
    ),
    "affine_behind_concat": (
        lambda x, c, d, n: n(torch.cat([c(x), d(x)], 1)),
        [conv(3, 4, groups=2), conv(5, 6), nn.BatchNorm2d(10)],
        ["conv", "conv", "concat"],
    ),
    "affine_before": (
        lambda x, c: c(y := scale(x)).exp() + c(y),
        [conv(groups=2)],
        ["conv", "activation", "conv", "add"],
    ),
    "affine_before shift": (lambda x, n, c: c(n(x)), [nn.BatchNorm2d(16), conv(1)], ["conv"]),
    "affine_before moves": (
        lambda x, n, d: d(n(x.permute(0, 2, 3, 1)).reshape(1, 48, 16)),
        [nn.LayerNorm(16), nn.Linear(16, 4)],
        ["transpose", "reduce", "sub", "activation", "reduce", "add", "activation", "mul", "reshape", "dense"],
    ),
    "affine_before joins": (
        lambda x, n, a, b, p: b(torch.cat([y := n(x.relu()), p(a(y).tanh() * 2 + 1), y], 1)),
        [nn.BatchNorm2d(16), conv(1), nn.Conv2d(48, 4, 1), nn.AvgPool2d(3, 1, 1, count_include_pad=False)],
        ["activation", "conv", "activation", "pool", "concat", "conv"],
    ),
    "affine_before pools": (
        lambda x, p, m, c: c(p((m(x.exp()) + 3) * scale(torch.ones(1, 16, 1, 1))).mean((2, 3), keepdim=True)),
        [nn.AvgPool2d(2, 2, 1), nn.MaxPool2d(3, 1, 1), conv(1)],
        ["activation", "pool", "add", "pool", "globalpool", "conv"],
    ),
    "scale_before_relu": (lambda x, a, b: b(scale(a(x).relu()) - 1), [conv(), conv()], ["conv", "add", "conv"]),
    "affine_twice": (lambda x: (x * 2 * 3 + 1 + 2).tanh(), [], ["mul", "add", "activation"]),
    "scale_through_matmul": (attention, [nn.Linear(16, 48), nn.Linear(16, 4)], []),
    "lone_affine": (lambda x, n, c: c(F.relu(n(x))), [nn.BatchNorm2d(16), conv()], ["depthwise", "conv"]),
    "parallel_branches": (
        lambda x, a, b, n, m: F.relu(n(a(x)) + b(x) + m(x)),
        [conv(bias=False), conv(1), nn.BatchNorm2d(16), nn.BatchNorm2d(16)],
        ["conv"],
    ),
    "parallel_branches minus": (
        lambda x, a, b: a(x) - b(x),
        [nn.Conv2d(16, 16, (1, 3), padding=(0, 1)), conv()],
        ["conv"],
    ),
    "parallel_branches depthwise": (
        lambda x, a, b: a(x) + b(x) - x,
        [conv(5, groups=16), conv(groups=16)],
        ["depthwise"],
    ),
    "same_shape": (
        lambda x: x.mean((2, 3), keepdim=True).permute(0, 2, 3, 1).exp(),
        [],
        ["globalpool", "reshape", "activation"],
    ),
    "move_twice": (lambda x: x.flatten(2).unflatten(2, (3, 16)).exp(), [], ["reshape", "activation"]),
    "moves_as_one": (
        lambda x: x.reshape(1, 2, 8, 48).transpose(1, 2).flatten(1, 2).transpose(1, 2).exp(),
        [],
        ["reshape", "transpose", "reshape", "activation"],
    ),
    "twin": (lambda x, p, q: p(x) + q(x).tanh(), [nn.MaxPool2d(2), nn.MaxPool2d(2)], ["pool", "activation", "add"]),
    "pooled_flat": (lambda x: x.mean((2, 3)).exp(), [], ["globalpool", "activation"]),
    "every_nth_pixel": (lambda x: x[:, :, ::2, ::3].exp(), [], ["subsample", "activation"]),
    "slice_twice": (lambda x: x[:, 2:12][:, 1:5].exp(), [], ["slice", "activation"]),
    "slice_of_concat": (lambda x: torch.cat([x.exp(), x.tanh()], 1)[:, 18:30], [], ["activation", "slice"]),
    "concat_of_slices": (lambda x: torch.cat(x.exp().chunk(2, 1), 1), [], ["activation"]),
    "concat_of_concats": (lambda x: torch.cat([x, torch.cat([x.exp(), x], 1)], 1), [], ["activation", "concat"]),
    "sliced_layer": (
        lambda x, d: torch.mul(*d(x.flatten(2).mT).chunk(2, -1)),
        [nn.Linear(16, 32)],
        ["reshape", "transpose", "dense", "dense", "mul"],
    ),
    "padded_window": (lambda x, c: c(F.pad(x, (1, 2, 0, 1))), [conv()], ["conv"]),
    "gather_before": (lambda x, c: c(x[:, [3, 1, 1, *range(13)]]), [conv()], ["conv"]),
    "gather_behind": (lambda x, c: c(x)[:, [3, 1, 1]], [conv()], ["conv"]),
    "expand_before": (
        lambda x, c: c(x.mean((2, 3), keepdim=True)).expand(1, 16, 6, 8) * x,
        [conv(1)],
        ["globalpool", "conv", "mul"],
    ),
    "expand_behind": (
        lambda x, c: c(x.mean((2, 3), keepdim=True)).expand(1, 16, 6, 8).sigmoid() * x,
        [conv(1)],
        ["globalpool", "conv", "activation", "mul"],
    ),
    "fuse_activation": (lambda x, c: F.relu6(c(x)), [conv()], ["conv"]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_rewrite_leaves_this_and_computes_the_same(name: str) -> None:
    function, layers, kinds = CASES[name]
    network = Calls(function, *layers).eval()
    graph = capture(network, IMAGE)
    assert graph.rewrites[name.split()[0]] >= 1
    assert not kinds or [operator.kind for operator in graph.computed] == kinds
    x = torch.randn(IMAGE)
    torch.testing.assert_close(Replay(graph)(x), network(x), rtol=1e-5, atol=1e-5)


def test_moves_of_more_axes_than_runtimes_move_at_once_stay_apart() -> None:
    def unrolled(x: Tensor) -> Tensor:
        """Blocks of blocks of blocks of 2 x 2, as in Hiera."""
        x = x.reshape(1, 8, 8, 12)
        for side in (4, 2, 1):
            x = x.reshape(-1, side, 2, side, 2, 12).permute(0, 2, 4, 1, 3, 5).reshape(-1, side, side, 12)
        return x.exp()

    network = Calls(unrolled).eval()
    graph = capture(network, IMAGE)
    assert max(len(one.shape) for one in graph.computed) <= 6
    torch.testing.assert_close(Replay(graph)(x := torch.randn(IMAGE)), network(x))


def test_queries_keys_and_values_become_layers_that_hold_the_scale() -> None:
    graph = capture(Calls(attention, nn.Linear(16, 48), nn.Linear(16, 4)).eval(), IMAGE)
    assert graph.counts()["dense"] == 4 and "mul" not in graph.counts() and "slice" not in graph.counts()


def test_a_network_whose_parameters_are_zero_is_kept_whole() -> None:
    network = Calls(lambda x, a, n, b: x.tanh() + n(a(x)) * b, conv(), nn.BatchNorm2d(16), nn.Identity()).eval()
    network.function = lambda x, a, n, b: (x.tanh() + n(a(x))) * a.bias.reshape(-1, 1, 1) + a.bias.reshape(-1, 1, 1)
    drawn = capture(network, IMAGE).counts()
    for value in network.parameters():
        nn.init.zeros_(value)
    assert capture(network, IMAGE).counts() == drawn == {"activation": 1, "conv": 1, "add": 2, "mul": 1}


def test_the_order_of_execution_stays_and_what_nobody_reads_goes() -> None:
    def network(x: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
        one, other = first(x), second(x)
        x.exp()
        return other.sigmoid() * one.tanh()

    found = capture(Calls(network, conv(), conv(1)).eval(), IMAGE)
    assert [each.name for each in found.computed][:2] == ["layers.0", "layers.1"]
    assert found.counts() == {"conv": 2, "activation": 2, "mul": 1}


def test_a_tensor_that_is_returned_too_is_not_changed() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = conv()

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y = self.conv(x)
            return y, F.relu(y)

    network = Two().eval()
    graph = capture(network, IMAGE)
    assert [operator.kind for operator in graph.computed] == ["conv", "activation"]
    x = torch.randn(IMAGE)
    for one, other in zip(Replay(graph)(x), network(x), strict=True):
        torch.testing.assert_close(one, other)


def test_reading_a_program_leaves_it_as_it_was() -> None:
    network = nn.Sequential(conv(), nn.BatchNorm2d(16), nn.ReLU(inplace=True)).eval()
    program = export_program(network, [torch.zeros(IMAGE)])
    before, values = str(program.graph), [value.clone() for value in network.parameters()]
    read(program)
    assert str(program.graph) == before
    for value, old in zip(network.parameters(), values, strict=True):
        np.testing.assert_array_equal(value.detach(), old.detach())
