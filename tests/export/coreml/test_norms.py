"""Which normalisations are found in a captured graph, and what CoreML makes of them."""

import pytest
import torch
from torch import nn

from edgebench.formats.coreml.evaluate import Program
from edgebench.formats.coreml.writer import program
from edgebench.graph.capture import capture
from edgebench.graph.norms import norms


def seeded(norm: nn.Module) -> nn.Module:
    for value in norm.parameters():
        nn.init.normal_(value, generator=torch.Generator().manual_seed(0))
    return norm


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        (nn.LayerNorm(5), ["layer_norm"]),
        (nn.LayerNorm((4, 5), bias=False), ["layer_norm"]),
        (nn.InstanceNorm2d(6, affine=True), ["instance_norm"]),
        (nn.InstanceNorm2d(6), ["layer_norm"]),
        (nn.GroupNorm(1, 6), ["layer_norm"]),
        (nn.GroupNorm(3, 6), ["layer_norm"]),
        (nn.RMSNorm(5), []),
    ],
)
def test_a_norm_is_one_operator(norm, expected):
    x = torch.randn(1, 6, 4, 5, generator=torch.Generator().manual_seed(1))
    network = nn.Sequential(seeded(norm), nn.Sigmoid()).eval()
    graph = capture(network, tuple(x.shape))
    made = program(graph, ["image"], ["logits"], half=False).functions["main"]
    kinds = [one.op_type for one in made.operations]
    assert [kind for kind in kinds if kind.endswith("_norm")][-1:] == expected
    torch.testing.assert_close(torch.from_numpy(Program(made).run(x.numpy())), network(x), atol=1e-5, rtol=1e-5)


def test_what_only_looks_like_a_norm_is_none():
    class Other(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            apart = x - x.mean(1, keepdim=True)
            return apart * torch.rsqrt(apart.square().mean(2, keepdim=True) + 1e-5)

    assert not norms(capture(Other().eval(), (1, 6, 4, 5)))
