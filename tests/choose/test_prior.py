"""The accuracy prior against the rows it came from, the paper's claims, and what it must refuse."""

import msgspec
import numpy as np
import pytest
from benchmarks import fit_prior

from edgebench.choose import prior
from edgebench.choose.scalable import BASES
from edgebench.ground.errors import UsageError

KINS = sorted(prior.DEFAULT_RECIPE)


def at(kin: str, width: float, depth: float, resolution: float, **how: str) -> prior.Accuracy:
    return prior.accuracy(kin, *(np.array([value]) for value in (width, depth, resolution)), **how)


def test_shipped_constants_are_what_the_fit_gives() -> None:
    shipped, fitted = prior.load(), fit_prior.compute()
    for axis in prior.AXES:
        assert shipped.saturations[axis].amplitude == pytest.approx(fitted.saturations[axis].amplitude, rel=1e-3)
        assert shipped.saturations[axis].exponent == pytest.approx(fitted.saturations[axis].exponent, rel=1e-3)
    assert shipped.within == pytest.approx(fitted.within, rel=1e-2)
    assert shipped.transfer == pytest.approx(fitted.transfer, rel=1e-2)
    assert shipped.designs == pytest.approx(fitted.designs, abs=1e-3)
    assert shipped.recipes == pytest.approx(fitted.recipes, abs=1e-3)
    for name in ("int8", "ranges", "own"):
        assert msgspec.to_builtins(getattr(shipped, name)) == msgspec.to_builtins(getattr(fitted, name))


def test_every_design_has_an_offset_for_its_default_recipe() -> None:
    assert {base.kin for base in BASES.values()} == set(KINS) == set(prior.load().offsets)
    for kin in KINS:
        assert prior.load().recipe(kin, None) == prior.DEFAULT_RECIPE[kin]


@pytest.mark.parametrize(
    ("kin", "published"),
    [  # arXiv 1905.11946v1, tables 3 and 7; EfficientNet-Lite's README; torchvision's ResNet18_Weights.IMAGENET1K_V1
        ("mobilenetv1", 70.6),
        ("mobilenetv2", 72.0),
        ("efficientnet", 76.3),
        ("resnet_bottleneck", 76.0),
        ("efficientnet_lite", 75.1),
        ("resnet_basic", 69.76),
        ("mobilenetv3_large", 75.2),
        ("mobilenetv3_small", 67.5),
        ("mnasnet_a1", 75.452),
        ("efficientnetv2", 78.7),
    ],
)
def test_intervals_hold_the_published_base_networks(kin: str, published: float) -> None:
    found = at(kin, 1.0, 1.0, 224)
    assert found.low[0] < published < found.high[0]
    assert found.top1[0] == pytest.approx(published, abs=1.0)


def test_errors_on_left_out_rows_are_small() -> None:
    shipped = prior.load()
    rows = sum(each.rows for each in shipped.left_out_point)
    assert rows >= 90
    assert sum(each.mean * each.rows for each in shipped.left_out_point) / rows < 0.65
    designs = sum(each.rows for each in shipped.left_out_design)
    assert sum(each.mean * each.rows for each in shipped.left_out_design) / designs < 0.75
    assert max(each.worst for each in shipped.left_out_design) < 3.2
    pairs = sum(each.rows for each in shipped.left_out_pair)
    assert sum(each.mean * each.rows for each in shipped.left_out_pair) / pairs < 0.8


@pytest.mark.parametrize("kin", KINS)
@pytest.mark.parametrize("axis", prior.AXES)
def test_more_of_an_axis_gives_more_accuracy_and_less_each_time(kin: str, axis: str) -> None:
    points = {"width": np.ones(3), "depth": np.ones(3), "resolution": np.full(3, 224.0)}
    points[axis] = points[axis] * np.array([1.0, 1.4, 1.8])
    level = prior.logit(prior.accuracy(kin, **points).top1)
    first, second = np.diff(level)
    assert first > second > 0


@pytest.mark.parametrize(("kin", "gain"), [("mobilenetv1", 5.0), ("mobilenetv2", 5.4), ("efficientnet", 4.8)])
def test_compound_scaling_beats_each_single_axis_as_in_the_paper(kin: str, gain: float) -> None:
    """Table 3 and 7: about four times the MACs by d=1.4, w=1.2, r=1.3 (gain in points), or by one axis alone."""
    base, compound = at(kin, 1, 1, 224).top1[0], at(kin, 1.2, 1.5, 291).top1[0]
    alone = [at(kin, 2, 1, 224).top1[0], at(kin, 1, 4, 224).top1[0], at(kin, 1, 1, 448).top1[0]]
    assert compound > max(alone)
    assert compound - base == pytest.approx(gain, abs=2.0)


def test_the_interval_is_wider_where_only_other_designs_have_rows() -> None:
    inside, transferred = at("efficientnet_lite", 1.0, 1.0, 224), at("efficientnet_lite", 0.5, 1.0, 224)
    assert not transferred.outside[0]
    widths = [prior.logit(each.high) - prior.logit(each.low) for each in (inside, transferred)]
    assert widths[1] > widths[0]


@pytest.mark.parametrize("point", [(0.2, 1, 224), (1, 0.5, 224), (1, 1, 64), (3, 1, 224), (1, 5, 224), (1, 1, 800)])
def test_points_beyond_all_rows_are_marked(point: tuple[float, float, float]) -> None:
    assert at("mobilenetv2", *point).outside[0]


def test_int8_costs_what_published_pairs_say() -> None:
    whole, quantised = at("mobilenetv2", 1, 1, 224), at("mobilenetv2", 1, 1, 224, precision="int8")
    assert whole.top1[0] - quantised.top1[0] == pytest.approx(0.9)  # TensorRT's toolkit: 71.77 to 70.87
    assert quantised.high[0] - quantised.low[0] > whole.high[0] - whole.low[0]


def test_a_pair_that_nobody_published_is_the_sum_of_its_parts_and_less_sure() -> None:
    """MobileNetV4 was published with long trainings only; with those of MobileNetV2 it gives what these give less."""
    own, common = at("mobilenetv4_conv_small", 1, 1, 224), at("mobilenetv4_conv_small", 1, 1, 224, recipe="slim")
    assert own.top1[0] - common.top1[0] > 2
    widths = [prior.logit(each.high) - prior.logit(each.low) for each in (own, common)]
    assert widths[1] > widths[0]
    assert at("squeezenet1_1", 1, 1, 224, precision="int8").top1[0] < at("squeezenet1_1", 1, 1, 224).top1[0]


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'slin'.*did you mean slim"):
        at("mobilenetv2", 1, 1, 224, recipe="slin")
