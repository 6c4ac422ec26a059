import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.compare import sequential
from edgebench.compare.statistics import Array


def log_ratios(seed: int, count: int, shift: float = 0.0, noise: float = 0.03) -> Array:
    """Heavy-tailed, symmetric about `shift`."""
    return shift + noise * np.random.default_rng(seed).standard_t(2, count)


def test_looking_after_every_pair_raises_no_more_alarms_than_alpha() -> None:
    alpha, runs = 0.05, 600
    alarms = sum(sequential.evidence(log_ratios(seed, 150)).max() >= math.log(1 / alpha) for seed in range(runs))
    assert alarms / runs <= alpha


def test_a_repeated_fixed_interval_would_raise_many() -> None:
    """The problem that sequential.py solves: the same looking with a plain 95% sign test."""
    from scipy.stats import binomtest

    def alarmed(seed: int) -> bool:
        signs = np.cumsum(log_ratios(seed, 100) > 0)
        return any(binomtest(int(signs[n - 1]), n).pvalue < 0.05 for n in range(10, 101, 5))

    assert sum(alarmed(seed) for seed in range(100)) > 10


@given(st.integers(0, 1000), st.floats(0.5, 2.0), st.integers(2, 30))
@settings(max_examples=25, deadline=None)
def test_interval_moves_with_the_ratio(seed: int, slowdown: float, pairs: int) -> None:
    base, new = np.ones(pairs), np.exp(log_ratios(seed, pairs))
    plain = sequential.interval(base.tolist(), new.tolist())
    slowed = sequential.interval(base.tolist(), (new * slowdown).tolist())
    assert slowed.value == pytest.approx(plain.value * slowdown)
    if pairs >= sequential.least_pairs():
        assert slowed.low == pytest.approx(plain.low * slowdown, rel=1e-6)
        assert slowed.high == pytest.approx(plain.high * slowdown, rel=1e-6)


def test_interval_never_widens() -> None:
    new = np.exp(log_ratios(3, 60, 0.05))
    paths = [sequential.interval([1.0] * n, new[:n].tolist()) for n in range(1, 61)]
    lows, highs = [each.low for each in paths], [each.high for each in paths]
    assert lows == sorted(lows)
    assert highs == sorted(highs, reverse=True)
    assert paths[-1].low > 1


def test_a_single_wild_pair_decides_nothing() -> None:
    x = np.array([0.001, -0.001] * 10 + [5.0])
    found = sequential.interval([1.0] * len(x), np.exp(x).tolist())
    assert found.low < 1 < found.high
    assert found.value == pytest.approx(1.0, abs=0.01)


def test_disturbed_pairs_do_not_hide_a_slowdown() -> None:
    chance = np.random.default_rng(5)
    x = math.log(1.1) + chance.normal(0, 0.02, 30) + (chance.random(30) < 0.2) * chance.normal(0, 0.5, 30)
    found = sequential.interval([1.0] * len(x), np.exp(x).tolist())
    assert 1.05 < found.low < 1.1 < found.high < 1.2


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_pair_at_most_doubles_the_evidence_and_costs_at_most_the_stake(seed: int) -> None:
    path = sequential.evidence(np.random.default_rng(seed).standard_cauchy(40))
    steps = np.diff(np.concatenate([[0.0], path]))
    assert steps.max() <= math.log(2)
    assert steps.min() >= math.log(1 - sequential.STAKES.max()) - 1e-9


def test_fewer_pairs_than_the_least_decide_nothing_and_as_many_can() -> None:
    least = sequential.least_pairs(0.002)
    assert least == 12
    few = sequential.interval([1.0] * (least - 1), [2.0] * (least - 1))
    enough = sequential.interval([1.0] * (least + 1), [2.0] * (least + 1))
    assert few.low < 1 < enough.low
    assert few.high == pytest.approx(100)
