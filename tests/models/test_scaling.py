"""Rounding and the compound rule, against the published figures they must reproduce."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.models.scaling import compound, round_channels, round_repeats


@pytest.mark.parametrize(
    ("channels", "expected"),
    # EfficientNet-B1..B4's stems and heads, MobileNetV2 0.35's last stages
    [(32 * 1.1, 32), (32 * 1.2, 40), (1280 * 1.1, 1408), (1280 * 1.4, 1792), (24 * 0.35, 8), (320 * 0.35, 112)],
)
def test_channels_round_as_published(channels: float, expected: int) -> None:
    assert round_channels(channels) == expected


@given(st.floats(0.01, 5000), st.sampled_from([2, 4, 8, 16]))
def test_rounded_channels_are_near_multiples(channels: float, divisor: int) -> None:
    rounded = round_channels(channels, divisor)
    assert rounded % divisor == 0
    assert rounded >= max(divisor, 0.9 * channels)
    assert rounded <= max(divisor, channels + divisor)


@given(st.integers(1, 40))
def test_rounding_keeps_a_multiple_of_eight(eighths: int) -> None:
    assert round_channels(8 * eighths) == 8 * eighths


@given(st.integers(1, 40), st.floats(0.01, 10))
def test_repeats_round_up(repeats: int, depth: float) -> None:
    rounded = round_repeats(repeats, depth)
    assert rounded >= 1
    assert repeats * depth * (1 - 2e-6) <= rounded < repeats * depth + 1


def test_repeats_forgive_the_rounding_of_floats() -> None:
    assert 100 * 0.07 > 7
    assert round_repeats(100, 0.07) == 7
    assert [round_repeats(repeats, float(f"{2 / 3:g}")) for repeats in (3, 6, 36)] == [2, 4, 24]


def test_phi_zero_is_the_base_and_one_the_papers_constants() -> None:
    assert compound(0) == (1.0, 1.0, 224)
    assert compound(1) == (1.1, 1.2, 256)  # 224 * 1.15 = 257.6


@given(st.floats(-10, 10))
def test_compound_follows_the_powers(phi: float) -> None:
    width, depth, resolution = compound(phi)
    assert width == pytest.approx(1.1**phi) and depth == pytest.approx(1.2**phi)
    assert resolution % 8 == 0
    assert abs(resolution - 224 * 1.15**phi) <= 4 + 1e-9


@pytest.mark.parametrize("phi", [11.0, -11.0, math.inf, math.nan])
def test_phi_out_of_range_is_refused(phi: float) -> None:
    with pytest.raises(UsageError, match=r"phi \S+ is out of range"):
        compound(phi)


def test_phi_doubles_the_cost() -> None:
    """alpha * beta^2 * gamma^2 is 1.92 by design; repeats round up, so a single step may cost more."""
    from edgebench.graph.cost import count
    from edgebench.models.sketch import sketch

    small, large = (count(sketch(models.resolve("efficientnet", phi=phi))).macs for phi in (0, 6))
    assert (large / small) ** (1 / 6) == pytest.approx(1.92, rel=0.06)
