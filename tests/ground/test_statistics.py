"""The interval of the median: against tables, definitions and simulations."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgebench.ground.statistics import interval, order_rank, student_t

seconds = st.floats(1e-6, 10.0)


@pytest.mark.parametrize(("count", "rank"), [(6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (20, 6), (25, 8)])
def test_order_ranks_of_the_published_table(count: int, rank: int) -> None:
    # Conover, Practical Nonparametric Statistics: the ranks of a 95% interval of the median.
    assert order_rank(count) == rank


@pytest.mark.parametrize("count", range(6, 200, 7))
def test_order_ranks_are_the_largest_that_cover(count: int) -> None:
    rank = order_rank(count)
    assert stats.binom.cdf(rank - 1, count, 0.5) * 2 <= 0.05 < stats.binom.cdf(rank, count, 0.5) * 2


@pytest.mark.parametrize("freedom", range(1, 5))
def test_student_t_is_the_tables(freedom: int) -> None:
    assert student_t(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=5e-4)


def _log_normal(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.exp(random.normal(0, 0.05, shape))


def _one_in_ten_slow(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """As seen on a shared machine: one process in ten takes a third longer."""
    return np.exp(random.normal(0, 0.02, shape)) * np.where(random.random(shape) < 0.1, 1.35, 1.0)


def _skewed(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return 1 + random.exponential(0.1, shape)


@pytest.mark.parametrize("count", [3, 5, 6, 10, 15])
@pytest.mark.parametrize("draw", [_log_normal, _one_in_ten_slow, _skewed])
def test_the_interval_covers_the_true_median(
    count: int, draw: Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
) -> None:
    """4000 simulated measurements; the limit leaves three standard errors of the simulation."""
    random = np.random.default_rng(2026)
    truth = float(np.median(draw(random, (1, 1_000_000))))
    bounds = [interval(list(row)) for row in draw(random, (4000, count))]
    covered = sum(low <= truth <= high for low, high in filter(None, bounds)) / len(bounds)
    promised = 0.95 if count >= 6 or draw is _log_normal else 1 - 2.0 ** (1 - count)
    assert covered >= promised - 3 * math.sqrt(promised * (1 - promised) / 4000)


@given(st.lists(seconds, min_size=2, max_size=30))
def test_the_interval_holds_the_headline(medians: list[float]) -> None:
    bounds = interval(medians)
    assert bounds is not None
    assert bounds[0] <= median(medians) <= bounds[1]
