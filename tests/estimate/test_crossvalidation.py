"""Left-out errors and the intervals that come from them."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.estimate import crossvalidation
from edgebench.estimate.crossvalidation import coverage, families, leave_out, quantile, spread, summary
from edgebench.estimate.reference import Cell, cells, pools


@pytest.fixture(scope="module")
def wide() -> Cell:
    return next(cell for cell in cells() if cell.key == ("rpi4", "ncnn", "fp32", 1))


@pytest.fixture(scope="module")
def narrow() -> Cell:
    return next(cell for cell in cells() if cell.key == ("rpi5", "litert", "fp32", 2))


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=60))
def test_the_quantile_covers_nine_tenths_of_its_values(errors: list[float]) -> None:
    bound = quantile(errors)
    assert bound in [abs(error) for error in errors]
    assert sum(abs(error) <= bound for error in errors) >= math.ceil(0.9 * len(errors))


def test_the_quantile_covers_the_next_value_in_nine_cases_of_ten() -> None:
    draws = np.random.default_rng(1).standard_normal((2000, 21))
    covered = np.mean([abs(row[-1]) <= quantile(list(row[:-1])) for row in draws])
    assert 0.88 <= covered <= 0.93


def test_a_cell_of_many_designs_is_judged_by_its_own(wide: Cell) -> None:
    unseen = {each.network: 0.01 * index for index, each in enumerate(wide.observations)}
    assert families(wide) >= 9
    assert spread(wide, {"x": 9.0}, unseen, [5.0]) == pytest.approx(quantile(list(unseen.values())))


def test_a_cell_of_one_design_is_judged_by_others_and_covers_its_own(narrow: Cell) -> None:
    own = {each.network: 0.3 for each in narrow.observations}
    assert families(narrow) == 1
    assert spread(narrow, own, {}, [0.1, 0.2]) == pytest.approx(0.3)
    assert spread(narrow, dict.fromkeys(own, 0.01), {}, [0.1, 0.2]) == pytest.approx(0.2)
    found = summary(narrow, dict.fromkeys(own, 0.01), {}, [0.1, 0.2])
    assert found.median == pytest.approx(np.expm1(0.01))
    assert found.new_design == pytest.approx(np.median(np.expm1([0.1, 0.2])))
    assert found.expected == found.new_design
    assert found.kendall_tau == pytest.approx(1)


def test_an_interval_never_helps_itself_to_cover(narrow: Cell) -> None:
    own = {each.network: 0.0 for each in narrow.observations}
    own[narrow.observations[0].network] = 1.0
    assert coverage(narrow, own, {}, [0.1]) == pytest.approx(1 - 1 / len(own))


def test_a_left_out_network_s_latency_cannot_change_its_own_estimate() -> None:
    pool = next(pool for pool in pools(cells()) if pool[0].key[0] == "n100")
    name = pool[0].observations[0].network

    def cells_with(factor: float) -> list[Cell]:
        """The pool with that latency changed, and all other networks as one family, which is left out once."""
        changed = {
            cell.key: [
                replace(each, latency_s=each.latency_s * factor)
                if each.network == name
                else replace(each, family="kept")
                for each in cell.observations
            ]
            for cell in pool
        }
        return [Cell(key, tuple(observations)) for key, observations in changed.items()]

    honest, other = (leave_out(cells_with(factor), "family")[pool[0].key][name] for factor in (1, 3))
    assert honest - other == pytest.approx(math.log(3), abs=1e-6)


def test_confidence_is_stated_once() -> None:
    from edgebench.estimate import estimator

    assert crossvalidation.CONFIDENCE == estimator.CONFIDENCE
    assert all(one < other for one, other in pairwise([quantile([1.0]), quantile([2.0, 1.0])]))
