"""The fit: its derivatives, what it recovers, and what it leaves alone."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from edgebench.estimate.form import OPERATOR, TERMS, Machine, features
from edgebench.estimate.reference import Cell, Observation, cells, pools
from edgebench.estimate.regression import PRIOR, _Problem, fit, seconds
from edgebench.estimate.work import Work

MACHINE = Machine(1.5e9, 2e9, 5e5)


def _network(index: int, truth: np.ndarray) -> Observation:
    generator = np.random.default_rng(index)
    draw = lambda low, high: int(10 ** generator.uniform(low, high))  # noqa: E731
    kernels = [Work("gemm", draw(4, 6), draw(4, 6), draw(6, 9), draw(4, 6), draw(3, 5)) for _ in range(9)]
    kernels += [Work("depthwise", draw(4, 6), draw(4, 6), draw(5, 7), draw(3, 4)) for _ in range(9)]
    kernels += [Work("elementwise", draw(4, 6), draw(4, 6)), Work("dense", 1000, 1000, draw(5, 6), draw(5, 6))]
    per_unit = features(kernels, "fp32", MACHINE.cache_bytes).seconds(MACHINE)
    blank = Observation(f"n{index}", f"f{index}", 1.0, MACHINE, per_unit, 1, ())
    return Observation(f"n{index}", f"f{index}", seconds(blank, truth), MACHINE, per_unit, 1, ())


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    factors = {"gemm": 1.4, "depthwise": 0.7, OPERATOR: 1.5}
    return np.array([PRIOR[term] * factors.get(term, 1.0) for term in TERMS])


@pytest.fixture(scope="module")
def cell(truth: np.ndarray) -> Cell:
    return Cell(("rpi4", "litert", "fp32", 1), tuple(_network(index, truth) for index in range(14)))


def test_the_jacobian_is_the_derivative(cell: Cell) -> None:
    problem = _Problem([cell, cell.without({"n3"})])
    point = np.random.default_rng(0).normal(0, 0.1, problem.size)
    row = 5
    numeric = approx_fprime(point, lambda at: problem.residuals(at)[row], 1e-7)
    assert problem.jacobian(point)[row] == pytest.approx(numeric, rel=1e-3, abs=1e-4)


def test_known_constants_predict_networks_that_were_left_out(cell: Cell) -> None:
    (constants,) = fit([cell], {"n0", "n1"})
    for observation in cell.observations[:2]:
        assert seconds(observation, constants) == pytest.approx(observation.latency_s, rel=0.08)


def test_one_absurd_row_does_not_bend_the_others(cell: Cell) -> None:
    first, *others = cell.observations
    absurd = Observation(first.network, first.family, first.latency_s * 50, MACHINE, first.per_unit, 1, ())
    (constants,) = fit([Cell(cell.key, (absurd, *others))])
    errors = [abs(np.log(seconds(each, constants) / each.latency_s)) for each in others]
    assert np.median(errors) < 0.1


def test_an_empty_cell_takes_the_pool_s_constants(cell: Cell) -> None:
    everything = {each.network for each in cell.observations}
    full, empty = fit([cell, Cell(("rpi5", "litert", "fp32", 1), cell.without(everything).observations)])
    ratio = np.log(empty / full)
    assert np.all(np.isfinite(empty)) and np.ptp(ratio) < 1.5


def test_all_shipped_rows_are_in_a_pool() -> None:
    found = cells()
    assert sorted(cell.key for cell in found) == sorted(cell.key for pool in pools(found) for cell in pool)
    assert all(len({cell.key[1:3] for cell in pool}) == 1 for pool in pools(found))
