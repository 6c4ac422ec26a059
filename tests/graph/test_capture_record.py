"""A recorded program against torch.export's: the same calls, or none."""

from collections import Counter

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgebench.graph.capture import RULES
from edgebench.graph.capture_call import aten_name, location
from edgebench.graph.capture_program import export_program, program_of
from edgebench.graph.capture_record import recorded

IMAGE = torch.zeros(1, 8, 12, 10)
SHIFT = torch.zeros(1)


class Remembers(nn.Module):
    """Keeps what it computed once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, torch.Tensor] = {}
        self.register_buffer("shift", torch.zeros(1))
        self.weight = nn.Parameter(torch.randn(10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if "weight" not in self.seen:
            self.seen["weight"] = self.weight.softmax(0)
        return x * self.seen["weight"] + self.shift


class Calls(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def told(program) -> Counter:
    """The calls of a program, each with the module that made it."""
    calls = [node for node in program.graph.nodes if node.op == "call_function" and aten_name(node) != "getitem"]
    return Counter((aten_name(node), *location(node)) for node in calls if aten_name(node) != "detach")


class Columns(nn.Module):
    """Attention between the columns of an image, which torch has one call for that no format has."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        columns = x.mean(2).transpose(1, 2)
        return self.attention(columns, columns, columns, need_weights=False)[0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.LocalResponseNorm(5)),
        lambda: nn.Sequential(nn.Flatten(2), nn.LayerNorm(120), nn.GELU(), nn.Linear(120, 4)),
        lambda: Calls(lambda x: [part + torch.arange(10) for part in x.chunk(2, 1)]),
        lambda: Calls(lambda x: {"top": x.topk(2)[1], "three": 3 * F.interpolate(x, scale_factor=2)}),
        Columns,
    ],
)
def test_the_calls_are_those_of_torch_export(make):
    network = make().eval()
    found, expected = recorded(network, [IMAGE], RULES), program_of(export_program(network, [IMAGE]))
    assert told(found) == told(expected)
    assert found.inputs == expected.inputs
    assert {one.shape for one in found.constants.values()} <= {one.shape for one in expected.constants.values()}


def test_the_network_is_left_as_it_was():
    network = Remembers().eval()
    program = recorded(network, [IMAGE], RULES)
    assert not network.seen
    assert program.constants["weight"].data_ptr() == network.weight.data_ptr()
    assert program.constants["shift"].data_ptr() != network.shift.data_ptr()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.mean(1).unsqueeze_(1),
        lambda x: x + x.mean().item(),
        lambda x: x + SHIFT.add_(1),
        lambda x: x + len(None),
    ],
    ids=["changes a shape in place", "takes a value for a number", "changes a constant", "does not run"],
)
def test_what_cannot_be_told_is_left_to_torch_export(function):
    assert recorded(Calls(function).eval(), [IMAGE], RULES) is None
