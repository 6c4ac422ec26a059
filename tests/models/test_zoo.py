"""Names, scaling points, options, parameter counts and preprocessing, all without torch."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec
from edgebench.models import plan, zoo

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "models.json").read_text())
WITH_DEPTH = (
    *("mobilenetv1", "mobilenetv2", "efficientnet", "efficientnet_lite", "resnet18", "resnet50", "resnet20"),
    *("mobilenetv3_small", "mobilenetv3_large", "mobilenetv4_conv_medium", "mnasnet_a1", "efficientnetv2"),
)


def test_golden_counts_cover_the_zoo() -> None:
    assert sorted(GOLDEN["parameters"]) == sorted(models.names())


@pytest.mark.parametrize("name", models.names())
def test_parameters_are_the_published_ones(name: str) -> None:
    assert models.parameters(models.resolve(name)) == GOLDEN["parameters"][name]


def test_parameters_of_nets_that_no_library_has_are_the_sums_of_their_tables() -> None:
    shortcuts = sum(2 * c * c + 4 * c for c in (64, 128, 256))  # 1x1 convolutions that double c, and their batch norm
    for layers in (18, 34):
        plain, residual = (models.parameters(models.resolve(f"{kind}{layers}")) for kind in ("plain", "resnet"))
        assert plain == residual - shortcuts
    convolutions = 9 * (3 * 16 + 6 * 16**2 + 16 * 32 + 5 * 32**2 + 32 * 64 + 5 * 64**2)
    assert models.parameters(models.resolve("resnet20")) == convolutions + 2 * (7 * 16 + 6 * 32 + 6 * 64) + 650
    blocks = [(3, 11, (96, 96, 96)), (96, 5, (256,) * 3), (256, 3, (384,) * 3), (384, 3, (1024, 1024, 1000))]
    nin = sum(k * k * c * a + a + a * b + b + b * d + d for c, k, (a, b, d) in blocks)
    assert models.parameters(models.resolve("nin")) == nin


def test_googlenets_side_branches_and_alexnets_columns() -> None:
    assert models.parameters(models.resolve("googlenet", options={"aux": True})) == 13_004_888
    halves = 48 * 256 * 25 + 192 * 384 * 9 + 192 * 256 * 9  # what conv 2, 4, 5 lose when each half sees its own half
    two = models.parameters(models.resolve("alexnet", options={"groups": 2}))
    assert two == 62_378_344 - halves == 60_965_224


@pytest.mark.parametrize(
    ("name", "width", "count"),
    # timm 1.0.31 mobilenetv2_140; MobileNetV1 paper, table 6 (2.6, 1.3, 0.5 million)
    [
        ("mobilenetv2", 1.4, 6_108_776),
        ("mobilenetv1", 0.75, 2.6e6),
        ("mobilenetv1", 0.5, 1.3e6),
        ("mobilenetv1", 0.25, 0.5e6),
    ],
)
def test_parameters_at_published_widths(name: str, width: float, count: float) -> None:
    assert models.parameters(models.resolve(name, width=width)) == pytest.approx(count, rel=0 if width > 1 else 0.07)


def test_spelling_does_not_matter() -> None:
    assert models.resolve("MobileNet_V2") == models.resolve("mobilenetv2")
    assert models.resolve("EfficientNet-B0") == models.resolve("efficientnet_b0")


def test_focus_is_in_the_zoo() -> None:
    assert set(models.FOCUS) <= set(models.names())


def test_registry_and_families_name_the_same_networks() -> None:
    for name in zoo.NETWORKS:
        kin = zoo.NETWORKS.load(name)
        assert name in kin.members
        assert set(kin.members) <= set(zoo.NETWORKS)


def test_named_points_are_published_and_overrides_replace_them() -> None:
    b3 = models.resolve("efficientnet_b3")
    assert (b3.width, b3.depth, b3.resolution) == (1.2, 1.4, 300)
    assert models.resolve("efficientnet_b3", width=1.0).width == 1.0


def test_keys_are_unique() -> None:
    specs = [models.resolve(name) for name in models.names()]
    specs += [models.resolve("efficientnet", phi=phi) for phi in (-1, -0.5, 0.5)]
    specs += [models.resolve("alexnet", options={"groups": 2}), models.resolve("lenet5", options={"modern": True})]
    assert len({spec.key for spec in specs}) == len(specs)


def test_an_option_at_its_default_changes_nothing() -> None:
    assert models.resolve("alexnet", options={"groups": 1}) == models.resolve("alexnet")
    assert models.resolve("lenet5", options={"modern": False}) == models.resolve("lenet5")


BAD = [
    ("mobilnetv2", {}, "did you mean mobilenetv2"),
    ("", {}, "unknown model"),
    ("mobilenetv2", {"width": 0}, "width 0 is out of range"),
    ("mobilenetv2", {"width": -1}, "width -1 is out of range"),
    ("mobilenetv2", {"width": math.nan}, "width nan is out of range"),
    ("mobilenetv2", {"depth": math.inf}, "depth inf is out of range"),
    ("mobilenetv2", {"width": 17}, "at most 16"),
    ("mobilenetv2", {"resolution": 31}, "resolution 31 .* from 32 to 4096"),
    ("alexnet", {"resolution": 66}, "from 67 to"),
    ("mobilenetv2", {"resolution": 224.5}, "whole number"),
    ("mobilenetv2", {"resolution": math.nan}, "whole number"),
    ("mobilenetv2", {"classes": 0}, "classes 0"),
    ("mobilenetv2", {"channels": 0}, "channels 0"),
    ("mobilenetv2", {"height": 192}, "square"),
    ("vgg16", {"depth": 2}, "no depth"),
    ("vgg16", {"phi": 1}, "cannot be scaled by phi"),
    ("efficientnet_b3", {"phi": 1}, "use efficientnet with phi"),
    ("efficientnet", {"phi": 1, "width": 2}, "not both"),
    ("efficientnet", {"phi": 100}, "phi 100 is out of range"),
    ("resnet20", {"resolution": 3}, "from 4"),
    ("alexnet", {"options": {"groups": 3}}, "use 1 or 2"),
    ("alexnet", {"options": {"groups": True}}, "use 1 or 2"),
    ("alexnet", {"options": {"group": 2}}, "did you mean groups"),
    ("vgg16", {"options": {"groups": 2}}, "no options"),
    ("lenet5", {"options": {"modern": 1}}, "use False or True"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), BAD)
def test_bad_input_is_refused_in_one_sentence(name: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        models.resolve(name, **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", models.names())
def test_every_network_works_at_its_minimum(name: str) -> None:
    minimum = zoo.NETWORKS.load(name).members[name].minimum
    spec = models.resolve(name, resolution=minimum)
    assert models.parameters(spec) > 0


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "alexnet_owt", "nin"])
def test_unpadded_networks_fit_nothing_smaller(name: str) -> None:
    minimum = zoo.NETWORKS.load(name).members[name].minimum
    below = ModelSpec(name=name, family="", resolution=minimum - 1)
    with pytest.raises(UsageError, match="larger resolution"):
        models.parameters(below)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(WITH_DEPTH),
    width=st.floats(0.05, 3),
    depth=st.floats(0.05, 3),
    resolution=st.integers(32, 640),
    classes=st.integers(1, 2000),
)
def test_any_scaling_point_gives_channels_in_eights(
    name: str, width: float, depth: float, resolution: int, classes: int
) -> None:
    spec = models.resolve(name, width=width, depth=depth, resolution=resolution, classes=classes)
    convs = [leaf for leaf, _ in plan.trace(models.plan_of(spec), spec.input_shape[1:]) if isinstance(leaf, plan.Conv)]
    assert all(conv.out % 8 == 0 for conv in convs if not conv.bias)  # gates squeeze to a quarter, which may be odd
    assert models.parameters(spec) > classes


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(WITH_DEPTH), phi=st.floats(-3, 3))
def test_phi_scales_every_family_that_has_depth(name: str, phi: float) -> None:
    spec = models.resolve(name, phi=phi)
    assert spec.width == pytest.approx(1.1**phi)
    assert spec.resolution % 8 == 0
    assert models.parameters(spec) > 0


@pytest.mark.parametrize("name", models.names())
def test_preprocessing_crops_to_the_input(name: str) -> None:
    spec = models.resolve(name)
    images = models.preprocessing(spec)
    assert images is not None
    assert images.crop == spec.resolution <= images.resize
    assert len(images.mean) == len(images.std) == spec.channels
    assert all(std > 0 for std in images.std)


def test_preprocessing_follows_resolution_and_channels() -> None:
    grey = models.preprocessing(models.resolve("mobilenetv2", resolution=112, channels=1))
    assert grey is not None
    assert (grey.resize, grey.crop) == (128, 112)
    assert grey.mean == (0.449,)
    lite = models.preprocessing(models.resolve("efficientnet_lite4"))
    assert lite is not None
    assert (lite.resize, lite.crop, lite.interpolation) == (332, 300, "bicubic")
    assert (255 * lite.mean[0], 255 * lite.std[0]) == pytest.approx((127, 128))


def test_a_users_network_has_no_plan() -> None:
    spec = models.resolve("net.py:make", resolution=32, channels=3)
    assert models.preprocessing(spec) is None
    with pytest.raises(UsageError, match="not in the zoo"):
        models.parameters(spec)
