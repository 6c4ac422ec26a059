"""Every rule of capture against torch, on generated shapes: the captured and simplified graph, replayed.

The calls of one theme are the outputs of one network, so that torch exports it once a shape.
"""

from collections.abc import Callable
from typing import Final

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from edgebench.formats.quantize.replay import Replay
from edgebench.graph.capture import capture

Call = Callable[[Tensor], Tensor]
CHANNELS: Final = 8
CAUSAL: Final = torch.ones(64, 64, dtype=torch.bool).tril()


def _heads(x: Tensor, count: int = 2) -> Tensor:
    """(1, C, H, W) as (1, heads, tokens, width) of attention."""
    return x.flatten(2).transpose(1, 2).unflatten(2, (count, -1)).transpose(1, 2)


def _set(x: Tensor, part: Callable[[Tensor], Tensor], value: float) -> Tensor:
    y = x * 1.0
    part(y).mul_(value)
    return y


def _assigned(x: Tensor, channels: Tensor, value: Tensor) -> Tensor:
    y = x * 1.0
    y[:, channels] = value
    return y


def _layers() -> list[Call]:
    return [
        nn.Conv2d(8, 12, (3, 5), (2, 1), (1, 2), (1, 2), groups=4),
        nn.Conv2d(8, 6, (2, 4), padding="same"),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, padding_mode="circular"),
        nn.Conv2d(8, 4, 3, padding=1, padding_mode="replicate"),
        nn.Conv2d(8, 4, 3, padding=1, padding_mode="reflect"),
        lambda x: F.conv1d(x.flatten(2), torch.ones(4, 2, 3), padding=2, dilation=2, groups=4),
        lambda x: F.conv3d(x[:, :, None], torch.ones(2, 8, 1, 3, 3), padding=(0, 1, 1)),
        lambda x: F.conv2d(x[0], torch.ones(2, 8, 1, 1)),
        nn.ConvTranspose2d(8, 4, 3, 2, 1, output_padding=1, groups=2),
        nn.Sequential(nn.ConvTranspose2d(8, 6, (1, 4), (1, 2), (0, 1), groups=2), nn.BatchNorm2d(6)),
        nn.ConvTranspose2d(8, 2, 3, dilation=2),
        lambda x: F.conv_transpose1d(x.flatten(2), torch.ones(8, 2, 3), stride=2),
        lambda x: nn.functional.linear(x.transpose(1, 3), torch.ones(5, 8), torch.ones(5)),
        nn.BatchNorm2d(8),
        nn.LayerNorm(10),
        lambda x: F.layer_norm(x, x.shape[1:]),
        nn.GroupNorm(2, 8),
        nn.GroupNorm(1, 8),
        nn.InstanceNorm2d(8, affine=True),
        nn.InstanceNorm2d(8, track_running_stats=True),
        nn.BatchNorm2d(8, track_running_stats=False),
        lambda x: F.rms_norm(x, x.shape[-1:]),
        nn.LocalResponseNorm(3),
        lambda x: torch.addmm(torch.ones(1, 3), x.mean((2, 3)), torch.ones(8, 3), alpha=2, beta=0.5),
        lambda x: F.fold(F.unfold(x, 2, stride=2), (x.shape[2] // 2 * 2, x.shape[3] // 2 * 2), 2, stride=2),
        lambda x: F.unfold(x, 3, padding=1),
    ]


def _windows() -> list[Call]:
    return [
        nn.MaxPool2d(3, 2, 1),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.MaxPool2d(2, 1, 1, dilation=2),
        nn.MaxPool2d(1, 2),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True),
        nn.AvgPool2d(3, 2, 1, count_include_pad=False, ceil_mode=True),
        nn.AvgPool2d(2, divisor_override=3),
        lambda x: F.avg_pool1d(x.flatten(2), 3, 2, 1),
        lambda x: F.max_pool1d(x.flatten(2), 3, 2, 1),
        nn.AdaptiveAvgPool2d((3, 5)),
        nn.AdaptiveMaxPool2d((3, 5)),
        nn.AdaptiveMaxPool2d(1),
        lambda x: F.adaptive_avg_pool1d(x.flatten(2), 7),
        lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
        lambda x: F.interpolate(x, (11, 7), mode="nearest"),
        lambda x: F.interpolate(x, (11, 7), mode="nearest-exact"),
        lambda x: F.interpolate(x, (11, 7), mode="bilinear"),
        lambda x: F.interpolate(x, (11, 7), mode="bilinear", align_corners=True),
        lambda x: F.interpolate(x, scale_factor=1.3, mode="bilinear"),
        lambda x: F.interpolate(x, (4, 3), mode="bilinear", antialias=True),
        lambda x: F.interpolate(x, (11, 7), mode="bicubic"),
        lambda x: F.interpolate(x.flatten(2), 17, mode="linear"),
        lambda x: F.interpolate(x.flatten(2), scale_factor=3, mode="nearest"),
        nn.PixelShuffle(2),
        lambda x: F.pixel_unshuffle(F.interpolate(x, scale_factor=2), 2),
        lambda x: F.max_unpool2d(*F.max_pool2d(x[..., :6, :6], 2, return_indices=True), 2),
        lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True)[1].float(),
        nn.ChannelShuffle(4),
    ]


def _activations() -> list[Call]:
    return [
        nn.ReLU6(), nn.Hardtanh(), nn.Hardtanh(-2, 0.5), nn.Hardswish(), nn.Hardsigmoid(), nn.ELU(0.7), nn.CELU(0.7),
        nn.SELU(), nn.GLU(1), nn.GELU(), nn.GELU("tanh"), nn.Hardshrink(), nn.LeakyReLU(0.2), nn.LogSigmoid(),
        nn.Softplus(2), nn.Softshrink(), nn.Softsign(), nn.Tanhshrink(), nn.Softmin(1), nn.Softmax(1), nn.LogSoftmax(1),
        nn.RReLU(), nn.Threshold(0.1, 20), nn.Mish(), nn.SiLU(), nn.PReLU(), nn.PReLU(8), nn.Sigmoid(), nn.Softmax2d(),
        lambda x: x.clamp(min=0.3), lambda x: x.clamp_max(0.3), lambda x: x.clamp(torch.zeros(1), None),
    ]  # fmt: skip


def _elements() -> list[Call]:
    return [
        lambda x: torch.add(x, x.abs(), alpha=2),
        lambda x: 3 - x,
        lambda x: 1 / (x.abs() + 1),
        lambda x: x / (x.square() + 1),
        lambda x: torch.div(x, 0.3, rounding_mode="floor"),
        lambda x: torch.div(x, 0.3, rounding_mode="trunc"),
        lambda x: x // 0.3,
        lambda x: x % 0.7,
        lambda x: (x.abs() + 0.1) ** 0.3,
        lambda x: x**3 + x**2,
        lambda x: (x.abs() + 1) ** -1 + (x.abs() + 1) ** -0.5 + 2 ** x.cos(),
        lambda x: (x.abs() + 1).log2() + (x.abs() + 1).log10() + x.abs().log1p() + x.expm1(),
        lambda x: torch.addcmul(x, x, x.sin(), value=0.5) + torch.addcdiv(x, x, x.square() + 1),
        lambda x: torch.lerp(x, x.cos(), 0.3),
        lambda x: torch.maximum(x, x.mean(1, keepdim=True)) + torch.minimum(x, torch.zeros(1)),
        lambda x: x.floor() + x.ceil() + x.sign() + x.trunc() + x.round(),
        lambda x: torch.where(x > 0.2, x, -x),
        lambda x: torch.where(x <= x.mean(), 1.0, x),
        lambda x: x.masked_fill((x < 0) & (x > -1) | ~(x < 1), 0.5),
        lambda x: x.masked_fill(CAUSAL[: x.shape[2], : x.shape[3]], 2.0),
        lambda x: (x > 0).float() * x + (x >= 0.5) + (x != 0),
        lambda x: torch.zeros_like(x) + x.new_ones(1) * x + torch.full_like(x, 2.0),
        lambda x: (
            x.type_as(x).contiguous()
            + CAUSAL[:1, :2, None, None].type_as(x)[:, :1].expand_as(x)
            + torch.erf(x)
            + (x.double() * 2).float()
        ),
        lambda x: torch.atan2(x, x.cos() - 0.5) + torch.atan2(x, torch.tensor(-0.3)) + x.atan(),
        lambda x: x.cos().asin() + x.cos().acos() + x.asinh() + (x.abs() + 1).acosh() + (x.sin() / 2).atanh(),
        lambda x: x.exp2() + torch.hypot(x, x + 1) + x.fmod(0.7) + torch.copysign(x.cos(), x) + x.signbit(),
        lambda x: torch.logaddexp(x, x.cos()) + (x > 0).logical_xor(x) + ((x > 0) ^ (x > 1)) + x.isfinite(),
        lambda x: ((x > 0) + (x < -1)) * (x < 1) + torch.heaviside(x, torch.tensor(0.5)),
        lambda x: torch.where(CAUSAL[: x.shape[2], : x.shape[3]], (x > 0).int(), 0) + (x > 0).expand(2, -1, -1, -1),
    ]


def _axes() -> list[Call]:
    return [
        lambda x: x.mean((2, 3)),
        lambda x: x.mean(1, keepdim=True) + x.sum((1, 3), keepdim=True) + x.mean(),
        lambda x: x.amax(1) - x.amin(1),
        lambda x: x.max(dim=2)[0] + x.min(2)[0] + x.max(),
        lambda x: x.argmax(1).float() + x.argmin(1),
        lambda x: x.max(dim=3)[1].to(torch.int32),
        lambda x: x.var(1) + x.std((2, 3), keepdim=True).mean(1) + x.var(unbiased=False),
        lambda x: torch.var_mean(x, 1)[0] + torch.std_mean(x, 1)[1],
        lambda x: F.normalize(x, dim=1) + x.norm(dim=1, keepdim=True) + torch.linalg.vector_norm(x, 1),
        lambda x: torch.logsumexp(x, 1) + x.cumsum(1)[:, 3],
        lambda x: F.scaled_dot_product_attention(_heads(x), _heads(x).sin(), _heads(x)),
        lambda x: F.scaled_dot_product_attention(_heads(x), _heads(x), _heads(x), is_causal=True, scale=0.3),
        lambda x: F.scaled_dot_product_attention(_heads(x), _heads(x), _heads(x), attn_mask=_heads(x)[..., :1] > 0.0),
        lambda x: F.scaled_dot_product_attention(_heads(x), _heads(x, 1)[..., :4], _heads(x, 2), enable_gqa=True),
        lambda x: torch.einsum("bchw,bcij->bhwij", x[..., :3], x[..., :2]),
        lambda x: torch.einsum("bchw,dc->bdwh", x, torch.ones(3, 8)) + torch.einsum("bchw->bw", x)[:, None, :, None],
        lambda x: x[0, 0] @ x[0, 1].T + x[0, 0, :, 0] @ x[0, 0, :, :1],
        lambda x: torch.ones(3, x.shape[2]) @ x,
        lambda x: torch.bmm(x[0].transpose(1, 2), x[0]),
        lambda x: F.cosine_similarity(x, x.cos(), 1) + x.norm(p=3, dim=1),
        lambda x: torch.cdist(x.flatten(2), x.flatten(2).cos()) + torch.einsum("bcij,bkij,bc->k", x, x, x[..., 0, 0]),
        lambda x: torch.einsum("...ij,...kj->...ik", x, x.cos()) + x.cumprod(1).mean(),
    ]


def _moves() -> list[Call]:
    return [
        lambda x: x.permute(0, 2, 3, 1).reshape(1, -1, 4).movedim(1, 2).flatten(1),
        lambda x: x.reshape(1, 2, 4, *x.shape[2:]).transpose(1, 2).reshape(x.shape).mT,
        lambda x: torch.cat(x.chunk(3, 1)[::-1], 1) + torch.cat(x.split([2, 6], 1), 1),
        lambda x: torch.stack(x.unbind(1)[:2], -1) + x.select(1, 3)[..., None],
        lambda x: x[:, 1:7:2, ::2, 1::3],
        lambda x: x[..., ::2, ::2] + x.narrow(2, 0, 1)[..., ::2],
        lambda x: x.roll((1, -2), (2, 3)) + x.roll(3) + x.flip(1, 3),
        lambda x: x[:, [3, 1, 1]] + x.index_select(1, torch.tensor([0, 7, 2])),
        lambda x: x[:, :, torch.tensor([[0, 1], [2, 0]]), torch.tensor([1, 0])],
        lambda x: x[torch.tensor([0]), :, :, torch.tensor([1, 2])].squeeze(0),
        lambda x: x[..., :4, :4].diagonal(1, 2, 3) + x.as_strided((1, 3), (9, 2), 1) + x.take(torch.tensor([7, 0, 9])),
        lambda x: x.tensor_split(3, 1)[1] + x.hsplit(4)[0].mean() + x.swapdims(2, 3).sum(),
        lambda x: x.unfold(2, 3, 2).mean(-1),
        lambda x: F.pad(x, (1, -1, 2, 0, 0, 1), value=0.5),
        lambda x: F.pad(x, (2, 1, 1, 3), mode="reflect") + F.pad(x, (2, 1, 1, 3), mode="replicate"),
        lambda x: F.pad(x, (2, 0, 1, 1), mode="circular"),
        lambda x: x.repeat(1, 1, 2, 1) + x.mean((2, 3), keepdim=True).repeat(1, 1, x.shape[2] * 2, 1),
        lambda x: x.repeat_interleave(3, 1) + x[:, :1].expand(-1, 24, -1, -1) + x.tile(1, 3, 1, 1),
        lambda x: x.squeeze(0)[None].unsqueeze(2).squeeze() + 1,
        lambda x: _set(x, lambda y: y[:, :4], 2.0) + _set(x, lambda y: y[:, 2], 0.5),
        lambda x: _set(x, lambda y: y[:, 1::3, ::2], 2.0),
        lambda x: _assigned(x, torch.tensor([0, 2]), x[:, [3, 1]]) + x.index_fill(1, torch.tensor([0, 7]), 2.0),
        lambda x: x.index_put((torch.tensor([0]), torch.tensor([3, 5])), torch.tensor(0.5), accumulate=True),
        lambda x: torch.zeros(1, 3, *x.shape[2:]).index_add(1, torch.tensor([0, 1, 1, 2, 0, 0, 2, 2]), x),
        lambda x: x.scatter(1, torch.tensor([[[[3, 1]]]]), x[..., 2:5]),
    ]


def _picks() -> list[Call]:
    grid = torch.rand(1, 5, 6, 2) * 2.6 - 1.3
    filters = {shape: torch.randn(shape) for shape in ((4, 4, 3, 2), (16, 1, 3, 3))}
    return [
        lambda x: x.flatten(1).topk(5).values,
        lambda x: x.topk(3, 1, largest=False).indices,
        lambda x: torch.cat([one.float() for one in x.sort(2, descending=True)], 1),
        lambda x: x.flatten(1).argsort(),
        lambda x: x.kthvalue(3, 1).values + x.median(1).values + x.median(),
        lambda x: x.gather(3, x.argmax(3, keepdim=True)) + x.gather(1, x.topk(2, 1).indices[:, :, :3]).sum(),
        lambda x: x.index_select(2, x.mean((0, 1, 3)).argsort()[:4]),
        lambda x: x[:, :, x.mean((0, 1, 3)).argsort()[:4] - x.shape[2]],
        lambda x: filters[4, 4, 3, 2][:, 0, x.argmax(1)[0, 0] % 3, 0],
        lambda x: F.embedding(x.argmax(1), torch.ones(8, 3).cumsum(0)),
        lambda x: F.one_hot(x.argmax(1), 8) + (x > 0).sum(1)[..., None] // 2 % 3,
        lambda x: x[:, :3].prod(1) + x.prod(2).sum() + torch.tan(x / 9).sum() + torch.special.erfc(x).sum(),
        lambda x: torch.sinh(x / 4) + torch.cosh(x / 4),
        *[
            lambda x, mode=mode, pad=pad, corners=corners: F.grid_sample(
                x, torch.tanh(x[:, :2].permute(0, 2, 3, 1)) * 1.4, mode, pad, corners
            )
            for mode, pad, corners in (
                ("bilinear", "zeros", False),
                ("bilinear", "border", True),
                ("bilinear", "reflection", False),
                ("nearest", "zeros", True),
                ("bicubic", "zeros", False),
                ("bicubic", "border", True),
                ("bicubic", "reflection", False),
            )
        ],
        lambda x: F.grid_sample(x, grid, align_corners=False) + F.grid_sample(x, grid, "nearest", align_corners=True),
        lambda x: F.conv2d(x, filters[4, 4, 3, 2] * x.mean(), x.mean((0, 2, 3))[:4], 2, 1, groups=2),
        lambda x: F.conv2d(x, filters[16, 1, 3, 3] * x.mean(), padding=1, dilation=2, groups=8),
        lambda x: F.conv2d(x, x[:, :, :1, :1]),
        lambda x: F.grid_sample(
            x.reshape(2, 4, *x.shape[2:]), x[:, :4, :6, :6].reshape(2, 6, 6, 2), align_corners=True
        ),
        lambda x: torch.zeros_like(x).scatter(1, x.topk(2, 1).indices, 1.0) + x.scatter(1, x.argmax(1, True), x[:, :1]),
        lambda x: x.scatter_add(1, x.argsort(1), x.cos()) + torch.where(x > 1, 1, 0),
        lambda x: x.index_put((x > 0.5,), torch.tensor(0.25)),
        lambda x: _assigned(x, x.mean((0, 2, 3)).argsort()[:2], x[:, :2]),
        lambda x: torch.bucketize(x, torch.tensor([-1.0, 0.0, 0.7])),
    ]


THEMES: Final[dict[str, Callable[[], list[Call]]]] = {
    "layers": _layers,
    "windows": _windows,
    "activations": _activations,
    "elements": _elements,
    "axes": _axes,
    "moves": _moves,
    "picks": _picks,
}


class All(nn.Module):
    """Gives what every one of some calls gives."""

    def __init__(self, calls: list[Call]) -> None:
        super().__init__()
        self.calls = calls
        self.layers = nn.ModuleList(call for call in calls if isinstance(call, nn.Module))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(call(x) for call in self.calls)


@pytest.mark.parametrize("theme", THEMES)
@settings(max_examples=2, deadline=None)
@given(height=st.integers(6, 9), width=st.integers(7, 10), seed=st.integers(0, 99))
def test_calls_compute_what_torch_computes(theme: str, height: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(1, CHANNELS, height, 10 if theme == "layers" else width)
    network = All(THEMES[theme]()).eval().requires_grad_(False)
    found = Replay(capture(network, tuple(x.shape)))(x)
    for number, (one, other) in enumerate(zip(found, network(x), strict=True)):
        assert one.shape == other.shape, f"{theme} {number}"
        scale = float(other.abs().max()) + 1
        torch.testing.assert_close(one.to(other.dtype), other, rtol=1e-5, atol=1e-5 * scale, msg=f"{theme} {number}")
