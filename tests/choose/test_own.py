"""A factory of one's own: what is learned of its costs is what each network costs; what is no factory is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest import MonkeyPatch
from torch import nn

from edgebench.api import scale
from edgebench.choose import own
from edgebench.choose.pool import Describer, Variant, filled
from edgebench.graph.cost import count
from edgebench.ground.errors import UsageError
from edgebench.ground.progress import silent
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import load
from edgebench.models import InputSize

SIZE = InputSize(3, 32, 32)
SOURCE = """
from torch import nn

def make(width=1.0, depth=1.0):
    channels = max(8, int(16 * width))
    body = [nn.Conv2d(channels, channels, 3, padding=1, groups=channels) for _ in range(round(2 * depth))]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4)]
    return nn.Sequential(nn.Conv2d(3, channels, 3, 2), nn.ReLU(), *body, *head)
"""


def make(width: float = 1.0, depth: float = 1.0) -> nn.Module:
    channels = max(8, int(16 * width))
    body = [nn.Conv2d(channels, channels, 3, padding=1, groups=channels) for _ in range(round(2 * depth))]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4)]
    return nn.Sequential(nn.Conv2d(3, channels, 3, 2), nn.ReLU(), *body, *head)


def _raises(width: float) -> nn.Module:
    raise ValueError(f"no width of {width}")


@pytest.fixture(autouse=True)
def _few_points(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(own, "WIDTHS", (0.5, 1.0, 2.0))
    monkeypatch.setattr(own, "DEPTHS", (0.5, 1.0))
    monkeypatch.setattr(own, "_SIZES", (0.75, 1.0))


def test_learned_costs_are_those_of_each_network() -> None:
    costs = own.learn_costs(own.own(make, SIZE), silent)
    device, variant = load("rpi4"), Variant(ExportSpec(), 1)
    found = filled(costs.spaces, costs.tables, [variant], [device], lambda _, points, macs, __: own.by_macs(macs))
    describe = Describer(found, [device])
    assert len(found.columns) == 2 * 3 * 2 and costs.off == 0
    for index in range(len(found.columns)):
        point = describe.point(index)
        assert found.columns.macs[index] == count(found.graph(index)).macs
        assert found.columns.latency[index] == pytest.approx(point.latency_s.value, rel=1e-9)
        assert found.columns.size[index] == point.size_bytes


def test_without_data_the_answer_is_by_macs_and_says_so() -> None:
    chosen = scale("rpi4", base=make, input=SIZE, max_latency="1ms", confirmed=False)
    assert chosen.picked.accuracy is None and chosen.recipes == {}
    assert chosen.picked.macs == max(each.macs for each in chosen.frontier if each.latency_s.value <= 1e-3)
    assert any("candidates and frontier are ordered by MACs" in each for each in chosen.warnings)
    with pytest.raises(UsageError, match="`min_accuracy`: nothing tells"):
        scale("rpi4", base=make, input=SIZE, max_latency="1ms", min_accuracy=70)


def test_a_file_and_a_callable_give_the_same_and_the_pick_is_exported(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(SOURCE)
    terms: dict[str, Any] = {"input": SIZE, "max_latency": "1ms", "results": tmp_path / "results", "finalists": 1}
    named = scale("rpi4", base=f"{tmp_path / 'nets.py'}:make", confirmed=False, **terms)
    held = scale("rpi4", base=make, output=tmp_path, emulation=False, **terms)
    assert named.picked.macs == held.picked.macs
    assert held.picked.parity is not None and held.picked.parity.passed
    assert held.picked.model.options == named.picked.model.options


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda width: make(1.0), "ignores width: it builds the same network at 0.5 and at 2"),
        (_raises, "fails at width=0.5, depth=1, resolution=24: .*ValueError: no width of 0.5"),
        (lambda width: None, "returned NoneType: it must return a torch.nn.Module"),
        (lambda width: make(3 - width), "is not monotone in width: [0-9,]+ MACs at 0.5, and [0-9,]+ at 1"),
        (lambda classes: make(), "takes none of width, depth, resolution"),
    ],
)
def test_what_is_no_factory_is_refused_in_one_sentence(factory: Callable[..., Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        own.learn_costs(own.own(factory, SIZE), silent)
    assert "\n" not in str(caught.value)


def test_the_prior_expects_more_of_more_until_data_correct_it() -> None:
    costs = own.learn_costs(own.own(make, SIZE), silent)
    found = own.expected(costs.spaces[1].grid, costs.spaces[1].points)
    by_width = found.top1.reshape(3, 2)
    assert (np.diff(by_width, axis=0) > 0).all() and (np.diff(by_width, axis=1) > 0).all()
