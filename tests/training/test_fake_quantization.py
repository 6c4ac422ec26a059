"""Fake quantisation: where it rounds, to what, and that gradients and state dicts are those of the float network."""

import pytest
import torch
from torch import nn

from edgebench import models
from edgebench.models.build import build
from edgebench.training.fake_quantization import FakeQuantization, round_weight


def _network(name: str, **options: float) -> nn.Module:
    return build(models.resolve(name, resolution=32, classes=4, **options))  # type: ignore[arg-type]


def test_a_weight_has_255_levels_a_channel_and_passes_gradients() -> None:
    weight = (torch.randn(4, 3, 3, 3) * torch.tensor([0.01, 1, 100, 0]).view(4, 1, 1, 1)).requires_grad_()
    rounded = round_weight(weight)
    scale = weight.detach().abs().amax((1, 2, 3)) / 127
    steps = (rounded / scale.clamp_min(1e-30).view(4, 1, 1, 1)).detach()
    assert torch.allclose(steps, steps.round(), atol=1e-3) and steps.abs().max() <= 127.001
    assert ((rounded - weight).abs() <= scale.view(4, 1, 1, 1) * 0.5001).all()
    rounded.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(weight.grad, torch.ones_like(weight))  # type: ignore[arg-type]


def test_folding_a_batch_norm_commutes_with_rounding_a_channel() -> None:
    weight, scales = torch.randn(4, 3, 3, 3), torch.tensor([-2.0, 0.01, 3.0, 1.0]).view(4, 1, 1, 1)
    assert torch.allclose(round_weight(weight) * scales, round_weight(weight * scales), rtol=1e-5, atol=1e-6)


# Convolutions and dense layers that fuse, plus what stands alone: pools, sums, gates (product, SiLU and sigmoid).
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet20", 19 + 9 + 1 + 1),  # convolutions, sums, pool, dense
        ("mobilenetv1", 27 + 1 + 1),  # convolutions, pool, dense
        ("mobilenetv2", 52 + 10 + 1 + 1),  # convolutions, sums, pool, dense: its 64 operators in TFLite without pads
    ],
)
def test_tensors_are_those_of_the_int8_file(name: str, expected: int) -> None:
    network = _network(name, width=0.5)  # at 0.25 one more block of mobilenetv2 is residual
    assert len(FakeQuantization(network).roundings) == expected


@pytest.mark.parametrize("name", ["mobilenetv2", "efficientnet_b0", "resnet20", "googlenet"])
def test_the_network_computes_nearly_the_same_and_is_given_back(name: str) -> None:
    network = _network(name, width=0.25)
    x = torch.randn(8, 3, 32, 32)
    with torch.no_grad():
        before, keys = network(x), list(network.state_dict())
        rounding = FakeQuantization(network)
        rounding.train()
        network(x)
        rounding.eval()
        rounded = network(x)
        assert list(network.state_dict()) == keys
        rounding.detach()
        after = network(x)
    assert torch.equal(before, after)
    error = (rounded - before).norm() / before.norm()
    assert 1e-4 < error < 0.5


def test_ranges_follow_in_training_and_stand_still_when_held() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    rounding = FakeQuantization(network).train()
    x = torch.rand(2, 3, 4, 4)
    network(x)
    first = rounding.image.high.clone()
    network(10 * x)
    assert rounding.image.high > first
    rounding.hold()
    held = rounding.image.high.clone()
    network(100 * x)
    assert torch.equal(rounding.image.high, held)
    assert network(x).unique().numel() <= 256


def test_gradients_reach_every_weight() -> None:
    network = _network("mobilenetv2", width=0.25).train()
    FakeQuantization(network).train()
    network(torch.randn(4, 3, 32, 32)).square().sum().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in network.parameters())
