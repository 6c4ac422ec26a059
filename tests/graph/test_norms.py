"""Normalisations are found in the arithmetic that the Graph has for them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgebench.graph.capture import capture
from edgebench.graph.norms import needed, norms
from edgebench.graph.operators import Graph


class Calls(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def graph_of(function) -> Graph:
    return capture(Calls(function).eval(), (1, 4, 6, 5))


@pytest.mark.parametrize(
    ("function", "axes"),
    [
        (lambda x: F.layer_norm(x, (5,)), (3,)),
        (lambda x: F.layer_norm(x, (6, 5)), (2, 3)),
        (lambda x: F.group_norm(x, 1), (1, 2, 3)),
        (lambda x: F.instance_norm(x, weight=torch.arange(4.0), bias=torch.ones(4)), (2, 3)),
    ],
)
def test_a_normalisation_is_found_and_nothing_else_is_left(function, axes):
    graph = graph_of(function)
    found = norms(graph)
    assert found[graph.output].axes == axes
    assert needed(graph, found) == {graph.output, graph.input.name}


def test_what_something_else_reads_is_left():
    graph = graph_of(lambda x: F.layer_norm(x, (5,)) + x.mean(3, keepdim=True))
    kinds = sorted(type(graph[name]).__name__ for name in needed(graph, norms(graph)))
    assert kinds == ["Binary", "Binary", "Input", "Reduce"]


def test_a_scale_behind_an_activation_is_no_part_of_the_norm():
    graph = graph_of(lambda x: F.relu(F.layer_norm(x, (5,))) * torch.arange(-2.0, 3.0))
    assert graph.output not in norms(graph)
    (norm,) = norms(graph).values()
    assert norm.weight is None


def test_a_mean_without_its_variance_is_none():
    graph = graph_of(lambda x: (x - x.mean(3, keepdim=True)) * torch.rsqrt(x.square().mean(3, keepdim=True) + 1e-5))
    assert not norms(graph)
