"""What one layer in int8 costs the output, against the same computed by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from edgebench.formats.quantize.adjust import rounding_error
from edgebench.formats.quantize.sensitivity import output_errors
from edgebench.graph.capture import capture

SHAPE = (1, 3, 8, 8)
IMAGES = [np.random.default_rng(seed).standard_normal(SHAPE, dtype=np.float32) for seed in range(2)]


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)
        self.last = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        return self.last((self.left(x).relu() + self.right(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def module() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Branches().eval()


def rounded(values: np.ndarray, low: float, high: float) -> np.ndarray:
    step = (high - low) / 255
    zero = round(low / step)
    return np.clip(np.round(values / step), zero, zero + 255) * step


def test_the_last_layer_costs_what_its_own_rounding_does(module):
    ranges = {"last": (-1.0, 1.0)}
    found = output_errors(capture(module, SHAPE), ranges, IMAGES, ["last"])["last"]
    with torch.inference_mode():
        exact = [module(torch.from_numpy(image)).numpy() for image in IMAGES]
        kept = module.last.weight.data
        module.last.weight.data = kept + torch.from_numpy(rounding_error(kept.numpy()))
        coarse = [rounded(module(torch.from_numpy(image)).numpy(), -1, 1) for image in IMAGES]
        module.last.weight.data = kept
    errors = [np.linalg.norm(one - other) / np.linalg.norm(other) for one, other in zip(coarse, exact, strict=True)]
    assert found == pytest.approx(max(errors), rel=0.5)  # eight directions drawn at random


def test_finer_ranges_cost_less_and_one_that_clips_everything_costs_most(module):
    graph = capture(module, SHAPE)
    costs = [output_errors(graph, {"left": (-end, end)}, IMAGES, ["left"])["left"] for end in (4.0, 40.0, 0.01)]
    assert costs[0] < costs[1] < costs[2]


def test_every_layer_that_is_named_is_told_and_no_other(module):
    graph = capture(module, SHAPE)
    names = [operator.name for operator in graph.operators]
    found = output_errors(graph, dict.fromkeys(names[2:-1], (-4.0, 4.0)), IMAGES, [*names[1:-1], "none"])
    assert set(found) == set(names[1:-1])
    assert all(0 < cost < 0.2 for cost in found.values())
