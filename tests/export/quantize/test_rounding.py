"""Weights rounded by what they are multiplied with, against rounding each to its nearest level."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edgebench.formats.quantize import rounding
from edgebench.formats.quantize.adjust import rounding_error
from edgebench.formats.quantize.replay import Replay
from edgebench.graph.capture import capture
from edgebench.graph.operators import Conv, Dense

# Channels and pixels that go together, as those of real networks do: what one's rounding adds another can take back.
MIXING = np.random.default_rng(0).standard_normal((8, 8)) @ np.diag(2.0 ** -np.arange(8))
LEVELS = 31


def images(count: int, seed: int):
    raw = np.random.default_rng(seed).standard_normal((count, 1, 8, 5, 5)).repeat(2, 3).repeat(2, 4)
    return list(np.einsum("ci,nbihw->nbchw", MIXING, raw).astype(np.float32) + np.float32(0.5))


def graph_of(*layers: nn.Module):
    torch.manual_seed(0)
    return capture(nn.Sequential(*layers).eval(), (1, 8, 10, 10))


def nearest(graph):
    layers = [each for each in graph.operators if isinstance(each, Conv | Dense)]
    changed = {each.name: replace(each, weight=each.weight + rounding_error(each.weight, LEVELS)) for each in layers}
    return replace(graph, operators=tuple(changed.get(each.name, each) for each in graph.operators))


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(8, 16, 3, padding=1),),
        (nn.Conv2d(8, 16, 3, stride=2, groups=2, bias=False),),
        (nn.Conv2d(8, 8, 3, padding="same", groups=8),),
        (nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5)),
    ],
    ids=["whole", "groups", "depthwise", "dense"],
)
def test_outputs_change_less_on_images_that_were_not_seen(layers):
    graph, seen, others = graph_of(*layers), images(16, 1), torch.from_numpy(np.concatenate(images(16, 2)))
    found = rounding.rounded(graph, seen, LEVELS)
    for before, after in zip(graph.operators, found.operators, strict=True):
        if isinstance(before, Conv | Dense):
            assert np.abs(rounding_error(after.weight, LEVELS)).max() < 1e-6
            steps = np.abs(before.weight).reshape(len(before.weight), -1).max(1)
            np.testing.assert_allclose(np.abs(after.weight).reshape(len(steps), -1).max(1), steps, rtol=1e-6)
    expected, told, plain = (Replay(each)(others) for each in (graph, found, nearest(graph)))
    assert float((told - expected).norm()) < 0.85 * float((plain - expected).norm())


def test_what_is_too_long_is_rounded_to_the_nearest_with_its_mean_taken_back(monkeypatch):
    monkeypatch.setattr(rounding, "LONGEST", 71)
    graph, seen = graph_of(nn.Conv2d(8, 16, 3)), images(4, 3)
    found = rounding.rounded(graph, seen, LEVELS)
    np.testing.assert_allclose(found.operators[1].weight, nearest(graph).operators[1].weight, atol=1e-6)
    batch = torch.from_numpy(np.concatenate(seen))
    means = [Replay(each)(batch).mean((0, 2, 3)) for each in (graph, found)]
    torch.testing.assert_close(*means, rtol=1e-4, atol=1e-4)


def test_a_product_over_many_axes_without_a_bias_gets_none():
    graph = graph_of(nn.Linear(10, 10, bias=False), nn.Conv2d(8, 8, 3, bias=False))
    found = rounding.rounded(graph, images(2, 5), LEVELS)
    assert [each.bias is None for each in found.operators if isinstance(each, Conv | Dense)] == [True, False]


def test_dead_channels_stay_dead():
    graph = graph_of(nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 3))
    graph.operators[1].weight[0] = 0  # a filter of zeros, and inputs of zeros behind it
    graph.operators[1].bias[0] = 0
    found = rounding.rounded(graph, images(2, 4), LEVELS)
    assert not found.operators[1].weight[0].any()
    assert found.operators[1].bias[0] == 0
    assert np.isfinite(found.operators[2].weight).all()
