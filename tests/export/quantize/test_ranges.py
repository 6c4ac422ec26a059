"""Observers: bounded memory, any order, and ranges that are what their definitions say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edgebench.formats.quantize.ranges import CALIBRATORS, HALF, LARGEST_SAMPLE, Observer, observe, ranges

VALUES = st.floats(-1e4, 1e4, width=32, allow_subnormal=False)
TENSORS = st.lists(arrays(np.float32, array_shapes(max_dims=4, max_side=6), elements=VALUES), min_size=1, max_size=5)
NAMES = tuple(CALIBRATORS)


def observed(tensors) -> Observer:
    return observe({"x": tensor} for tensor in tensors)["x"]


def normal(size: int = 20000) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(size, dtype=np.float32)


def quantization_error(values, low, high) -> float:
    """Mean squared error of rounding to 256 levels from `low` to `high`, with zero among them."""
    step = (high - low) / 255
    zero = np.round(-low / step)
    levels = np.clip(np.round(values / step) + zero, 0, 255)
    return float(np.mean((values - (levels - zero) * step) ** 2))


@given(TENSORS)
@settings(deadline=None)
def test_every_range_holds_zero_and_nothing_beyond_what_was_seen(tensors):
    observer = observed(tensors)
    for name in NAMES:
        low, high = ranges({"x": observer}, name)["x"]
        assert low <= 0 <= high
        assert low < high
        if observer.high > observer.low:
            assert observer.low <= low
            assert high <= observer.high


@given(TENSORS)
@settings(deadline=None)
def test_minmax_is_exact_and_every_nonzero_value_is_counted_once(tensors):
    observer = observed(tensors)
    flat = np.concatenate([tensor.reshape(-1) for tensor in tensors])
    assert (observer.low, observer.high) == (min(0.0, flat.min()), max(0.0, flat.max()))
    assert observer.counts.sum() == np.count_nonzero(flat)
    assert len(observer.counts) == 2 * HALF


@given(TENSORS)
@settings(deadline=None)
def test_bins_hold_their_values_when_the_limit_doubled(tensors):
    """The mean by the histogram is the mean of the values within half a bin."""
    observer = observed(tensors)
    flat = np.concatenate([tensor.reshape(-1) for tensor in tensors]).astype(np.float64)
    nonzero = flat[flat != 0]
    if nonzero.size:
        mean = (observer.counts * observer.values).sum() / observer.counts.sum()
        assert abs(mean - nonzero.mean()) <= 0.5001 * observer.limit / HALF


@given(TENSORS, st.floats(1 / 8, 8))
@settings(deadline=None)
def test_ranges_scale_with_the_values(tensors, factor):
    factor = float(2 ** round(np.log2(factor)))  # exact in float32
    before = ranges({"x": observed(tensors)}, "mse")["x"]
    after = ranges({"x": observed([tensor * np.float32(factor) for tensor in tensors])}, "mse")["x"]
    if any(tensor.any() for tensor in tensors):
        assert after == pytest.approx([factor * end for end in before], rel=1e-6)


def test_percentile_leaves_out_a_single_outlier():
    values = np.append(np.linspace(0.001, 1, 99999, dtype=np.float32), np.float32(1000))
    pieces = np.array_split(values, 20)  # small enough for every value to be counted
    low, high = ranges({"x": observed(pieces)}, "percentile")["x"]
    assert low == 0
    assert high == pytest.approx(1, abs=1000 / HALF)


def test_moving_average_follows_the_images_with_a_momentum_of_095():
    observer = observed([np.array([0, high], np.float32) for high in (1, 2, 4)])
    assert ranges({"x": observer}, "moving")["x"][1] == pytest.approx((1 * 0.95 + 2 * 0.05) * 0.95 + 4 * 0.05)


@pytest.mark.parametrize("name", ["percentile", "entropy"])
def test_clipping_calibrators_beat_minmax_where_there_are_outliers(name):
    values = np.concatenate([normal(), [60]]).astype(np.float32)
    observer = observed(np.array_split(values, 8))
    found, whole = ranges({"x": observer}, name)["x"], ranges({"x": observer}, "minmax")["x"]
    assert quantization_error(values[:-1], *found) < quantization_error(values[:-1], *whole) / 4


@pytest.mark.parametrize(
    "shape", [normal(), np.exp(normal()), np.append(normal(), np.float32(60))], ids=["normal", "lognormal", "outlier"]
)
def test_no_calibrator_rounds_with_less_error_than_mse(shape):
    observer = observed(np.array_split(shape, 8))
    errors = {name: quantization_error(shape, *ranges({"x": observer}, name)["x"]) for name in NAMES}
    assert errors["mse"] <= 1.02 * min(errors.values())


def test_mse_is_the_optimum_of_a_normal_distribution():
    """The 8-bit uniform quantizer of a unit normal clips near 3.92 (Banner et al., 2019, table 1: 3.92 for 8 bits)."""
    values = np.random.default_rng(1).standard_normal((40, 8000), dtype=np.float32)
    low, high = ranges({"x": observed(values)}, "mse")["x"]
    assert -low == pytest.approx(3.92, abs=0.25)
    assert high == pytest.approx(3.92, abs=0.25)


def test_large_tensors_are_sampled_and_keep_exact_extremes():
    values = np.zeros(LARGEST_SAMPLE * 8, np.float32) + normal(LARGEST_SAMPLE * 8)
    values[12345] = 77
    observer = observed([values])
    assert observer.counts.sum() <= LARGEST_SAMPLE
    assert observer.high == 77
    assert ranges({"x": observer}, "mse")["x"][1] < 6


def test_a_tensor_of_zeros_has_a_range_all_the_same():
    observer = observed([np.zeros((1, 4), np.float32)])
    assert {ranges({"x": observer}, name)["x"] for name in NAMES} == {(0.0, 1.0)}


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        observed([np.array([1, np.inf], np.float32)])
