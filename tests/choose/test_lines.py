"""Lines at equal cost: the paper's claim by the prior, in MACs and in a device's latency."""

import pytest
from msgspec.structs import replace

from edgebench.choose import Choice
from edgebench.choose.lines import ALONE, at_the_picks_cost, compare, latency_on, macs
from edgebench.choose.pool import Variant
from edgebench.choose.scalable import BASES
from edgebench.estimate.estimator import estimate
from edgebench.graph.cost import count
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import load
from edgebench.models import resolve
from edgebench.models.sketch import sketch


@pytest.mark.parametrize("name", ["mobilenetv1", "mobilenetv2", "efficientnet"])
def test_compound_scaling_beats_every_single_axis_at_four_times_the_macs(name: str) -> None:
    """Tan and Le, 2019, tables 3 and 7."""
    found = compare(BASES[name], 4.0, macs)
    assert set(found) == {*ALONE, "compound", "best"}
    assert found["compound"].accuracy > max(found[axis].accuracy for axis in ALONE)
    assert found["best"].accuracy >= found["compound"].accuracy
    base = count(sketch(resolve(name))).macs
    for each in found.values():
        spec = resolve(BASES[name].name, width=each.width, depth=each.depth, resolution=each.resolution)
        assert each.cost == pytest.approx(count(sketch(spec)).macs / base, rel=0.02)
        assert 3.3 < each.cost < 4.1


def test_in_latency_on_the_raspberry_pi_pixels_pay_less_for_efficientnet_than_in_macs() -> None:
    """SiLU and squeeze-and-excitation cost time with every pixel, and no MACs."""
    by_macs = compare(BASES["efficientnet"], 4.0, macs)["best"].line
    by_time = compare(BASES["efficientnet"], 4.0, latency_on(load("rpi4"), Variant(ExportSpec(), 1)))["best"].line
    assert by_time.gamma < by_macs.gamma


def test_lines_go_down_too() -> None:
    found = compare(BASES["mobilenetv1"], 0.5, macs)
    assert found["compound"].phi < 0
    assert found["best"].cost <= 0.52


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.0, float("nan"), float("inf")])
def test_a_factor_that_scales_nothing_is_refused(factor: float) -> None:
    with pytest.raises(UsageError, match="scales nothing"):
        compare(BASES["mobilenetv1"], factor)


def test_the_picks_latency_is_spent_in_other_ways(choice: Choice) -> None:
    found = at_the_picks_cost(choice)
    factor = choice.picked.latency_s.value / _latency("mobilenetv2")
    assert {"width", "resolution", "compound", "best"} <= set(found)
    assert all(each.cost <= factor * 1.03 for each in found.values())
    assert found["best"].accuracy <= choice.picked.accuracy.value + 0.3  # lines may take 2% more time


def _latency(name: str) -> float:
    spec = resolve(name)
    told = estimate(sketch(spec), load("rpi4"), spec=spec, export=ExportSpec()).latency_s
    assert told is not None
    return told.value


def test_a_base_without_depth_of_its_own_has_no_lines(choice: Choice) -> None:
    deeper = replace(choice, picked=replace(choice.picked, model=resolve("resnet34")))
    assert at_the_picks_cost(deeper) == {}
