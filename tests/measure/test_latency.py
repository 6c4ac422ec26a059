"""Statistics of samples: against definitions, tables and simulations."""

from __future__ import annotations

import math
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgebench.measure.latency import RUNS_NEEDED, nearest_rank, summarize

seconds = st.floats(1e-6, 10.0)
processes = st.lists(st.lists(seconds, min_size=1, max_size=20), min_size=1, max_size=12)


def test_nearest_rank_of_the_textbook_example() -> None:
    # https://en.wikipedia.org/wiki/Percentile#Worked_examples_of_the_nearest-rank_method
    values = [15, 20, 35, 40, 50]
    assert [nearest_rank(values, percent) for percent in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]


@given(st.lists(seconds, min_size=1), st.integers(1, 100))
def test_nearest_rank_is_the_least_value_that_enough_do_not_exceed(values: list[float], percent: int) -> None:
    enough = [value for value in values if 100 * sum(other <= value for other in values) >= percent * len(values)]
    assert nearest_rank(sorted(values), percent) == min(enough)


@pytest.mark.parametrize("name", RUNS_NEEDED)
def test_runs_needed_are_the_least_that_support_a_percentile(name: str) -> None:
    least, share = RUNS_NEEDED[name], int(name[1:]) / 100
    assert stats.binom.cdf(1, least, 1 - share) <= 0.01 < stats.binom.cdf(1, least - 1, 1 - share)


@pytest.mark.parametrize(("name", "needed"), RUNS_NEEDED.items())
def test_a_percentile_is_refused_one_run_below_what_it_needs(name: str, needed: int) -> None:
    short = summarize([[1.0] * (needed - 1)])
    assert getattr(short, name) is None
    assert short.refused[name] == f"needs {needed} runs"
    enough = summarize([[1.0] * (needed - 9), [2.0] * 9])
    assert getattr(enough, name) is not None
    assert name not in enough.refused


def test_a_quick_scenario_gives_no_tail_however_long_it_ran() -> None:
    summary = summarize([[1.0] * 1000], quick=True)
    assert summary.p90 == 1.0
    assert summary.p95 is None and summary.p99 is None
    assert summary.refused == {"p95": "needs a run without --quick", "p99": "needs a run without --quick"}


def test_one_process_has_no_interval() -> None:
    summary = summarize([[1.0, 2.0, 3.0]])
    assert (summary.median, summary.low, summary.high, summary.cv_between) == (2.0, None, None, None)


@given(processes)
def test_no_sample_is_left_out_or_moved(samples: list[list[float]]) -> None:
    before = [list(process) for process in samples]
    summary = summarize(samples)
    assert samples == before
    assert summary.runs == sum(map(len, samples))
    assert summary.least == min(map(min, samples))
    assert summary.most == max(map(max, samples))
    assert summary.median == median(map(median, samples))


@given(processes, st.sampled_from([0.5, 2.0, 1024.0]))
def test_a_slower_clock_scales_everything(samples: list[list[float]], factor: float) -> None:
    one, other = summarize(samples), summarize([[factor * value for value in process] for process in samples])
    for name in ("median", "low", "high", "p90", "least", "most"):
        value = getattr(one, name)
        assert getattr(other, name) == (None if value is None else pytest.approx(factor * value))
    for name in ("cv_within", "drift"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), abs=1e-9)


def test_spread_and_drift() -> None:
    steady, rising = [1.0] * 9, [1.0] * 3 + [1.1] * 3 + [1.2] * 3
    assert summarize([steady, steady]).cv_within == 0.0
    assert summarize([[0.9] * 5, [1.1] * 5]).cv_between == pytest.approx(math.sqrt(0.02))
    assert summarize([rising]).drift == pytest.approx(1.2)
    assert summarize([[1.0, 5.0]]).drift == 1.0


@pytest.mark.parametrize("samples", [[], [[]], [[1.0], []]])
def test_nothing_measured_is_refused(samples: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        summarize(samples)
