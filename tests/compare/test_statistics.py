import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edgebench.compare import statistics
from edgebench.compare.statistics import effect

SIZES = st.integers(2, 14)


def draw(seed: int, base: int, new: int, shift: float = 0.0) -> tuple[statistics.Array, statistics.Array]:
    chance = np.random.default_rng(seed)
    return np.exp(chance.normal(0, 0.1, base)), np.exp(chance.normal(shift, 0.1, new))


@given(st.integers(0, 10_000), SIZES, SIZES, st.floats(-0.3, 0.3))
@settings(max_examples=60, deadline=None)
def test_p_value_is_the_exact_one_of_scipy(seed: int, base: int, new: int, shift: float) -> None:
    a, b = draw(seed, base, new, shift)
    assert effect(a, b).p == pytest.approx(stats.mannwhitneyu(a, b, method="exact").pvalue, rel=1e-9)


@given(st.integers(0, 10_000), SIZES, SIZES)
@settings(max_examples=60, deadline=None)
def test_interval_excludes_one_exactly_when_the_test_rejects(seed: int, base: int, new: int) -> None:
    found = effect(*draw(seed, base, new, 0.12))
    assert (found.low > 1 or found.high < 1) == (found.p <= 1 - statistics.CONFIDENCE)
    assert found.low <= found.ratio <= found.high


@given(st.integers(0, 10_000), st.floats(0.5, 2.0))
@settings(max_examples=30, deadline=None)
def test_ratio_follows_a_slowdown_and_swapping_the_sides_inverts_it(seed: int, slowdown: float) -> None:
    a, b = draw(seed, 8, 9)
    plain, slowed, swapped = effect(a, b), effect(a, b * slowdown), effect(b, a)
    assert slowed.ratio == pytest.approx(plain.ratio * slowdown)
    assert slowed.low == pytest.approx(plain.low * slowdown)
    assert swapped.ratio == pytest.approx(1 / plain.ratio)
    assert swapped.high == pytest.approx(1 / plain.low)
    assert swapped.p == pytest.approx(plain.p)


def test_interval_covers_as_often_as_it_says() -> None:
    covered = sum(
        found.low <= 1.2 <= found.high for found in (effect(*draw(i, 7, 7, math.log(1.2))) for i in range(1000))
    )
    assert 940 <= covered <= 975  # exact coverage of 7 against 7 is 96.2%


def test_three_processes_a_side_have_no_interval() -> None:
    found = effect(*draw(0, 3, 3))
    assert (found.low, found.high) == (0.0, math.inf)


def test_equal_values_are_no_evidence() -> None:
    same = np.full(10, 0.007)
    found = effect(same, same)
    assert (found.ratio, found.low, found.high, found.p, found.noise) == (1.0, 1.0, 1.0, 1.0, 0.0)


# The smallest n with 2 / C(2n, n) < alpha.
@pytest.mark.parametrize(("alpha", "count"), [(0.05, 4), (0.01, 5), (0.002, 7), (0.001, 7)])
def test_least_processes(alpha: float, count: int) -> None:
    assert statistics.least_processes(alpha) == count


def test_processes_needed_narrow_the_interval_to_half_the_threshold() -> None:
    needed = statistics.processes_needed(0.04, 0.05)
    widths = [effect(*draw_with(0.04, needed, seed)) for seed in range(200)]
    half = np.median([math.log(found.high / found.low) / 2 for found in widths])
    assert half == pytest.approx(math.log1p(0.05) / 2, rel=0.1)


def draw_with(noise: float, count: int, seed: int) -> tuple[statistics.Array, statistics.Array]:
    chance = np.random.default_rng(seed)
    return np.exp(chance.normal(0, noise, count)), np.exp(chance.normal(0, noise, count))


def test_one_value_a_process_that_a_slow_half_does_not_move() -> None:
    steady = [0.007 + i * 1e-6 for i in range(100)]
    disturbed = [value * (3 if i >= 50 else 1) for i, value in enumerate(steady)]
    values = statistics.process_values([steady, disturbed, []])
    assert len(values) == 2
    assert values[1] == pytest.approx(values[0])


def test_disturbance_is_nothing_on_an_idle_machine_and_a_multiple_of_the_unrest_on_a_busy_one() -> None:
    idle = [[0.007 * (1 + 0.001 * i) for i in range(60)]] * 10
    busy = [[0.007 * (1 + 0.02 * i) for i in range(60)]] * 10
    assert statistics.disturbance(idle) == statistics.disturbance([[], []]) == 0
    assert statistics.unrest(busy) == pytest.approx(math.log((1 + 0.02 * 29.5) / (1 + 0.02 * 5.9)))
    assert statistics.disturbance(busy) == pytest.approx(3 * statistics.unrest(busy))
