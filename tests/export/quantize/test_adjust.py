"""Changes of a graph before it becomes int8: they compute the same, or shift what rounding shifts."""

import numpy as np
import pytest
import torch
from torch import nn

from edgebench import models
from edgebench.formats.quantize.adjust import Weighted, correct, equalize, pairs, rounding_error, shifts
from edgebench.formats.quantize.replay import Replay, channel_means
from edgebench.graph.capture import capture
from edgebench.graph.operators import Conv, Dense
from edgebench.models.build import build

SMALL = [
    ("mobilenetv2", {"width": 0.35, "resolution": 64}),
    ("efficientnet_b0", {"width": 0.25, "depth": 0.5, "resolution": 64}),
    ("googlenet", {"width": 0.25, "resolution": 64}),
    ("resnet20", {}),
    ("lenet5", {}),
    ("alexnet", {"width": 0.25, "resolution": 67}),
]


def seeded(module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.3)
    return module.eval()


def noise(shape, batch: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((batch, *shape[1:]), dtype=np.float32))


@pytest.mark.parametrize(("name", "size"), SMALL, ids=[name for name, _ in SMALL])
def test_a_replayed_graph_computes_the_network(name, size):
    spec = models.resolve(name, classes=10, **size)
    module = build(spec)
    image = noise(spec.input_shape)
    with torch.inference_mode():
        expected, found = module(image), Replay(capture(module, spec.input_shape))(image)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_averages_leave_out_or_count_their_padding():
    module = nn.Sequential(
        nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.MaxPool2d(2, 1, 1)
    ).eval()
    image = noise((1, 3, 13, 17)) - 5
    torch.testing.assert_close(Replay(capture(module, (1, 3, 13, 17)))(image), module(image))


def chain() -> nn.Module:
    return seeded(
        nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, groups=8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 4),
        )
    )


def ranges(weight, axis) -> np.ndarray:
    return np.abs(weight).max(axis=tuple(other for other in range(weight.ndim) if other != axis))


def test_equalised_layers_have_equal_ranges_and_compute_the_same():
    module, image = chain(), noise((1, 3, 16, 16))
    module[0].weight.data *= torch.logspace(-2, 2, 8).reshape(-1, 1, 1, 1)
    graph = equalize(capture(module, (1, 3, 16, 16)))
    first, depthwise, pointwise = (each for each in graph.operators if isinstance(each, Conv))
    np.testing.assert_allclose(ranges(first.weight, 0), ranges(depthwise.weight, 0), rtol=1e-3)
    np.testing.assert_allclose(ranges(depthwise.weight, 0), ranges(pointwise.weight, 1), rtol=1e-3)
    torch.testing.assert_close(Replay(graph)(image), module(image), rtol=1e-4, atol=1e-3)


def test_only_layers_with_one_reader_and_positive_factors_between_are_pairs():
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
            self.gate, self.last = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)  # read twice
            return self.last(self.gate(self.left(x).relu() + self.right(x)).sigmoid())

    assert pairs(capture(Branches().eval(), (1, 3, 8, 8))) == []
    found = pairs(capture(chain(), (1, 3, 16, 16)))
    assert [(pair.first, pair.second) for pair in found] == [("0", "2"), ("2", "5"), ("5", "8")]


def test_relu6_becomes_relu_where_its_output_is_scaled():
    module = seeded(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU6(), nn.Conv2d(4, 4, 1), nn.ReLU6()))
    graph = equalize(capture(module, (1, 3, 8, 8)))
    assert [each.activation for each in graph.operators[1:]] == ["relu", "relu6"]


def test_nothing_to_equalise_is_none():
    assert equalize(capture(nn.Sequential(nn.Conv2d(3, 4, 1), nn.SiLU()).eval(), (1, 3, 8, 8))) is None


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_bias_correction_takes_back_what_rounding_shifts(groups):
    """For images whose means are the inputs' means, the corrected layer's outputs have the float layer's means."""
    layer = seeded(nn.Sequential(nn.Conv2d(8, 16, 3, groups=groups)))
    graph = capture(layer, (1, 8, 12, 12))
    image = np.ones((1, 8, 12, 12), np.float32) * np.arange(1, 9, dtype=np.float32).reshape(1, 8, 1, 1)
    corrected = correct(graph, channel_means(graph, [image])).operators[1]
    layer[0].weight.data = layer[0].weight.data + torch.from_numpy(rounding_error(corrected.weight))
    shifted = layer(torch.from_numpy(image)).mean((0, 2, 3))
    layer[0].bias.data = torch.from_numpy(corrected.bias)
    found = layer(torch.from_numpy(image)).mean((0, 2, 3))
    expected = Replay(graph)(torch.from_numpy(image)).mean((0, 2, 3))
    assert float((shifted - expected).detach().abs().max()) > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_layers_of_files_are_corrected_as_those_of_the_graph():
    """By the tensors that they read: channels first for a convolution, last for a dense layer."""
    graph = capture(seeded(nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.Flatten(), nn.Linear(8, 5))), (1, 4, 3, 3))
    image = np.random.default_rng(0).standard_normal((1, 4, 3, 3), dtype=np.float32)
    _, conv, *_, dense = graph.operators
    tensors = {name: value.numpy() for name, value in Replay(graph).tensors(torch.from_numpy(image))}
    layers = {"c": Weighted(conv.inputs[0], conv.weight, 2), "d": Weighted(dense.inputs[0], dense.weight)}
    found = shifts(layers, [tensors, tensors])
    for one, name in ((conv, "c"), (dense, "d")):
        after = correct(graph, channel_means(graph, [image])).operators[graph.operators.index(one)]
        np.testing.assert_allclose(found[name].reshape(-1), one.bias - after.bias, rtol=1e-4, atol=1e-7)
    coarse = shifts({"c": Weighted(conv.inputs[0], conv.weight, 2, levels=31)}, [tensors])["c"]
    assert np.abs(coarse).sum() > np.abs(found["c"]).sum()


def test_dense_layers_are_corrected_by_their_features():
    graph = capture(seeded(nn.Sequential(nn.Flatten(), nn.Linear(12, 5))), (1, 3, 2, 2))
    image = np.random.default_rng(0).standard_normal((1, 3, 2, 2), dtype=np.float32)
    before, after = graph.operators[-1], correct(graph, channel_means(graph, [image])).operators[-1]
    assert isinstance(after, Dense)
    shift = rounding_error(before.weight) @ image.reshape(-1)
    np.testing.assert_allclose(after.bias, before.bias - shift, rtol=1e-5)
