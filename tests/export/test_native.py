"""A file's own tensors, from and to what torch has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.formats.native import dequantized, fed, quantized
from edgebench.ground.records import TensorSpec


def tensor(dtype="int8", scale=0.5, zero_point=3, layout=None) -> TensorSpec:
    return TensorSpec(name="t", shape=(1, 4), dtype=dtype, layout=layout, scale=scale, zero_point=zero_point)


@given(st.floats(-60, 60, width=32), st.floats(1e-3, 1), st.sampled_from(["int8", "uint8"]), st.integers(0, 100))
def test_a_round_trip_is_off_by_half_a_step_within_the_range(value, scale, dtype, zero_point):
    spec = tensor(dtype, scale, zero_point)
    limits = np.iinfo(dtype)
    stored = quantized(np.array([value], np.float32), spec)
    assert stored.dtype == dtype
    low, high = ((end - zero_point) * scale for end in (limits.min, limits.max))
    expected = min(max(value, low), high)
    assert float(dequantized(stored, spec)[0]) == pytest.approx(expected, abs=0.501 * scale + 1e-5)


def test_float_tensors_pass_as_they_are():
    values, spec = np.ones((1, 4), np.float32), TensorSpec(name="t", shape=(1, 4), dtype="float32")
    assert quantized(values, spec) is values
    assert dequantized(values, spec) is values


def test_a_file_is_fed_in_its_own_layout_and_type():
    seen = {}

    def run(x):
        seen["x"] = x
        return np.array([[3, 5]], np.int8)

    image = np.arange(6, dtype=np.float32).reshape(1, 3, 1, 2)
    found = fed(run, [tensor(scale=1.0, zero_point=-1, layout="NHWC")], [tensor()])(image)
    assert seen["x"].dtype == np.int8
    assert np.array_equal(seen["x"], image.transpose(0, 2, 3, 1) - 1)
    assert np.array_equal(found, [[0, 1]])
