"""Fits the form's constants to a pool of cells at once.

Cells have few rows (5 to 24), so their constants are drawn toward common ones: with k the term and d the cell,

    ln c[d, k] = ln PRIOR[k] + common[k] + scale[d] + own[d, k]

and common, scale and own are penalised as normal variables of the widths below (a maximum a posteriori fit). Residuals
are ln(estimate / published) over NOISE, with Huber's loss, since published tables hold odd rows. All constants stay
positive. scipy is imported here only; estimating does not need it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from scipy.optimize import least_squares

from edgebench.estimate.form import COMPUTE, OPERATOR, OVERLAP, TERMS, TRAFFIC, Floats, norm
from edgebench.estimate.reference import Cell, Observation

# Where a fit starts: cycles a unit on one Cortex-A72-like core in fp32, and 1 for traffic at the copy rate.
PRIOR: Final[dict[str, float]] = {
    "gemm": 0.3,
    "gemm_io": 2.0,
    "columns": 1.0,
    "winograd": 0.12,
    "winograd_io": 6.0,
    "depthwise": 0.6,
    "depthwise_io": 1.0,
    "elementwise": 1.5,
    "exponential": 8.0,
    "normalize": 60.0,
    "resize": 10.0,
    "detection": 30.0,
    "dense_traffic": 1.0,
    "traffic": 1.0,
    OPERATOR: 1e4,
}
# How far the common constants may lie from PRIOR (in ln): what physics fixes is held tighter.
COMMON_WIDTH: Final[dict[str, float]] = dict.fromkeys(TERMS, 1.0) | {
    "dense_traffic": 0.3,
    "traffic": 0.7,
    "normalize": 0.5,
}
SCALE_WIDTH: Final = 1.0
OWN_WIDTH: Final = 0.5
NOISE: Final = 0.1
HUBER: Final = 1.5


def fit(cells: Sequence[Cell], left_out: Collection[str] = ()) -> Floats:
    """Returns the constants, (cells, TERMS), fitted to `cells` without the networks in `left_out`."""
    problem = _Problem([cell.without(left_out) for cell in cells])
    solution = least_squares(problem.residuals, np.zeros(problem.size), problem.jacobian, max_nfev=80, xtol=1e-10)
    return problem.constants(solution.x)


def seconds(observation: Observation, constants: Floats) -> float:
    """Returns the estimate for `observation` with `constants` in the order of TERMS."""
    return float(_predict(observation, constants)[0])


class _Problem:
    """The penalised least-squares problem of one pool, its unknowns laid out as common, scale, own."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = cells
        self.terms = len(TERMS)
        self.size = self.terms + len(cells) * (1 + self.terms)
        self.widths = np.concatenate(
            [
                [COMMON_WIDTH[term] for term in TERMS],
                np.full(len(cells), SCALE_WIDTH),
                np.full(len(cells) * self.terms, OWN_WIDTH),
            ]
        )

    def constants(self, unknowns: Floats) -> Floats:
        """The constants, (cells, terms), at `unknowns`."""
        count = len(self.cells)
        common, scale, own = np.split(unknowns, [self.terms, self.terms + count])
        prior = np.log([PRIOR[term] for term in TERMS])
        result: Floats = np.exp(prior + common + scale[:, None] + own.reshape(count, self.terms))
        return result

    def residuals(self, unknowns: Floats) -> Floats:
        """Huberised misfits of all observations, then the penalties."""
        return np.concatenate([_huber(self._misfits(unknowns)[0])[0], unknowns / self.widths])

    def jacobian(self, unknowns: Floats) -> Floats:
        """Derivatives of `residuals`."""
        misfits, slopes = self._misfits(unknowns)
        return np.vstack([slopes * _huber(misfits)[1][:, None], np.diag(1 / self.widths)])

    def _misfits(self, unknowns: Floats) -> tuple[Floats, Floats]:
        """ln(estimate / published) / NOISE of every observation, and its derivatives by the unknowns."""
        misfits, slopes = [], []
        for index, (cell, constants) in enumerate(zip(self.cells, self.constants(unknowns), strict=True)):
            for observation in cell.observations:
                estimate, by_term = _predict(observation, constants)
                misfits.append(np.log(estimate / observation.latency_s) / NOISE)
                slope, relative = np.zeros(self.size), by_term / estimate / NOISE
                own = self.terms + len(self.cells) + index * self.terms
                slope[: self.terms] = slope[own : own + self.terms] = relative
                slope[self.terms + index] = relative.sum()
                slopes.append(slope)
        return np.array(misfits), np.array(slopes).reshape(-1, self.size)


def _predict(observation: Observation, constants: Floats) -> tuple[float, Floats]:
    """The estimate in seconds and its derivatives by the logarithm of each constant."""
    of_compute, of_traffic, call = np.split(constants, [len(COMPUTE), len(COMPUTE) + len(TRAFFIC)])
    compute = observation.per_unit.compute @ of_compute
    traffic = observation.per_unit.traffic @ of_traffic
    kernels = norm(compute, traffic)
    safe = np.where(kernels > 0, kernels, 1.0)
    by_compute = ((compute / safe) ** (OVERLAP - 1)) @ observation.per_unit.compute * of_compute
    by_traffic = ((traffic / safe) ** (OVERLAP - 1)) @ observation.per_unit.traffic * of_traffic
    calls = len(kernels) / observation.machine.clock_hz * call
    return float(kernels.sum() + calls[0]), np.concatenate([by_compute, by_traffic, calls])


def _huber(misfits: Floats) -> tuple[Floats, Floats]:
    """Square roots of twice Huber's loss, with the sign of the misfit, and their slopes."""
    size = np.abs(misfits)
    root = np.sqrt(np.maximum(2 * HUBER * size - HUBER**2, HUBER**2))
    inside = size <= HUBER
    return np.where(inside, misfits, np.sign(misfits) * root), np.where(inside, 1.0, HUBER / root)
