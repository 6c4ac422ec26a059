"""Changes of a graph before it becomes int8: they compute the same, or shift what rounding shifts."""

import numpy as np
import pytest
import torch
from torch import nn

from edgebench import models
from edgebench.formats.quantize.adjust import Weighted, equalize, pairs, rounding_error, shifts
from edgebench.formats.quantize.replay import Replay
from edgebench.graph.capture import capture
from edgebench.graph.operators import Conv
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


def test_layers_of_files_are_corrected_by_the_tensors_that_they_read():
    """Channels first for a convolution, last for a dense layer."""
    graph = capture(seeded(nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.Flatten(), nn.Linear(8, 5))), (1, 4, 3, 3))
    image = np.random.default_rng(0).standard_normal((1, 4, 3, 3), dtype=np.float32)
    _, conv, *_, dense = graph.operators
    tensors = {name: value.numpy() for name, value in Replay(graph).tensors(torch.from_numpy(image))}
    layers = {"c": Weighted(conv.inputs[0], conv.weight, 2), "d": Weighted(dense.inputs[0], dense.weight)}
    found = shifts(layers, [tensors, tensors])
    means = image.reshape(2, 2, 9).mean(2)
    errors = rounding_error(conv.weight).sum((2, 3)).reshape(2, 4, 2)
    np.testing.assert_allclose(found["c"], np.einsum("goi,gi->go", errors, means).reshape(-1), rtol=1e-4, atol=1e-7)
    shift = rounding_error(dense.weight) @ tensors[dense.inputs[0]].reshape(-1)
    np.testing.assert_allclose(found["d"], shift, rtol=1e-4, atol=1e-7)
    coarse = shifts({"c": Weighted(conv.inputs[0], conv.weight, 2, levels=31)}, [tensors])["c"]
    assert np.abs(coarse).sum() > np.abs(found["c"]).sum()
