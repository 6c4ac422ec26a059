"""The posterior of the hierarchy on published figures: a Gaussian process whose mean is the form of a latency.

`fitted` linearises the form where the last step ended (Gauss and Newton's method, at half steps: whole ones diverge)
and solves one system of the size of the figures; `effects` then solves another on what that leaves.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from edgebench.estimate import hierarchy
from edgebench.estimate.form import Floats, features, with_slopes
from edgebench.estimate.hierarchy import COMMON, EFFECTS, FIGURE_NOISE, LEVELS, NOISE, Place, mean
from edgebench.estimate.terms import TERMS, Machine
from edgebench.estimate.work import Work

Indices = npt.NDArray[np.intp]

_COMMON_VARIANCE: Final = (COMMON * np.array(hierarchy.COMMON_WIDTH)) ** 2
_OWN_VARIANCE: Final = np.array(hierarchy.OWN_WIDTH) ** 2
_STEPS: Final = 14
_AGAIN: Final = 5
_DAMPING: Final = 0.5
_LONGEST: Final = 0.6  # of a step, in ln
_NEW: Final = 0.08  # width of ln of the factor by which a network is off beside what is known of it
_LOOSE: Final = 3.0  # times the variance of what is not known of a place, and
_DOUBT: Final = 0.1  # the variance of what is: by these, one figure on a chip left out says most of the others
_OWN: Final = ("table", "runtime, cpu")  # levels of which a user's own board and version are new groups
_OWN_STEPS: Final = 20
_BLOCK: Final = 128  # rows


@dataclass(frozen=True)
class Sample:
    """One figure: `units` are (different kernels, terms but the last) per unit of constant, `counts` how often each.

    `noise` is the variance of ln beyond that of a published figure.
    """

    at: Place
    network: str
    family: str
    latency_s: float
    machine: Machine
    units: Floats
    counts: Floats
    macs: int
    noise: float = 0.0


@cache
def _amounts(works: tuple[Work, ...], precision: str, machine: Machine) -> tuple[Floats, Floats]:
    amounts = features(works, precision, machine)
    units, counts = np.unique(np.hstack([amounts.compute, amounts.traffic]), axis=0, return_counts=True)
    return units, counts.astype(float)


def sample(at: Place, network: str, family: str, latency_s: float, machine: Machine, works: Sequence[Work]) -> Sample:
    """A figure of a network that consists of `works`."""
    units, counts = _amounts(tuple(works), at.precision, machine)
    return Sample(at, network, family, latency_s, machine, units, counts, sum(work.macs for work in works))


class Design:
    """Samples and their groups, by number: (rows,) for every level and effect."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = list(samples)
        self.target = np.log([each.latency_s for each in samples])
        self.doublings = np.array([each.at.doublings for each in samples])
        self.means = np.array([mean(each.at) for each in samples])
        self.noise = np.array([NOISE[0] ** 2 + (NOISE[1] * each.at.doublings) ** 2 + each.noise for each in samples])
        self.names: dict[str, list[str]] = {}
        self.groups: dict[str, Indices] = {}
        for name, level in LEVELS.items():
            self._number(f"level {name}", [level.key(each.at) for each in samples])
        for name, effect in EFFECTS.items():
            self._number(f"effect {name}", [f"{each.network} {effect.key(each.at)}" for each in samples])

    def __len__(self) -> int:
        return len(self.samples)

    def _number(self, name: str, keys: list[str]) -> None:
        numbers: dict[str, int] = {}
        self.groups[name] = np.array([numbers.setdefault(key, len(numbers)) for key in keys])
        self.names[name] = list(numbers)

    def linear(self, constants: Floats, rows: Indices) -> tuple[Floats, Floats]:
        """ln of the form at ln `constants` (all samples, terms), and its derivatives by them, for `rows`."""
        values, slopes = np.empty(len(rows)), np.empty((len(rows), len(TERMS)))
        for place, row in enumerate(rows):
            values[place], slopes[place] = form(self.samples[row], np.exp(constants[row]))
        return values, slopes

    def shared(self, rows: Indices, columns: Indices) -> Shared:
        """What samples have in common by their groups."""
        flat, own = np.full((len(rows), len(columns)), COMMON**2), np.zeros((len(rows), len(columns)))
        for first in range(0, len(rows), _BLOCK):  # blocks that stay in the processor's cache
            block = slice(first, first + _BLOCK)
            for name, level in LEVELS.items():
                same = self._same(f"level {name}", rows[block], columns, slope=level.slope)
                flat[block] += level.scale**2 * same
                own[block] += level.own**2 * same
        return Shared(flat, own)

    def shared_effects(self, rows: Indices, columns: Indices) -> Floats:
        """The prior covariance of what networks are off by."""
        result = np.zeros((len(rows), len(columns)))
        for first in range(0, len(rows), _BLOCK):
            block = slice(first, first + _BLOCK)
            for name, effect in EFFECTS.items():
                same = self._same(f"effect {name}", rows[block], columns, slope=effect.slope)
                result[block] += effect.width**2 * same
        return result

    def covariance(self, rows: Indices, by_row: Floats, columns: Indices, by_column: Floats) -> Floats:
        """The prior covariance of ln latency; `by_row` and `by_column` are the form's derivatives."""
        return self.shared(rows, columns).covariance(by_row, by_column)

    def _same(self, name: str, rows: Indices, columns: Indices, *, slope: bool) -> Floats:
        groups = self.groups[name]
        same: Floats = (groups[rows][:, None] == groups[columns][None, :]).astype(float)
        if slope:
            same *= self.doublings[rows][:, None] * self.doublings[columns][None, :]
        return same


@dataclass(frozen=True)
class Shared:
    """The prior covariance of ln latency but for the form's derivatives: `own` is to be multiplied by theirs."""

    flat: Floats
    own: Floats

    def covariance(self, by_row: Floats, by_column: Floats) -> Floats:
        """The whole of it."""
        common = (by_row * _COMMON_VARIANCE) @ by_column.T
        result: Floats = self.own * ((by_row * _OWN_VARIANCE) @ by_column.T)
        result += common
        result += self.flat
        return result


@dataclass(frozen=True)
class Posterior:
    """What the samples `rows` of a design say: `weights` solve the system, linearised with slopes `slopes` there."""

    design: Design
    rows: Indices
    slopes: Floats
    weights: Floats
    factor: tuple[Floats, bool] | None

    @cached_property
    def inverse(self) -> Floats:
        """The system's inverse."""
        if self.factor is None:
            raise ValueError("a posterior without some samples is solved, and nothing is left out of it again")
        inverse: Floats = cho_solve(self.factor, np.eye(len(self.rows)), check_finite=False)
        return inverse

    def levels(self) -> dict[str, Floats]:
        """(groups, terms) for each level: what is added to ln of the constants of its members."""
        found = {}
        for name, level in LEVELS.items():
            weights = self._weights(slope=level.slope)[:, None] * (
                level.scale**2 + level.own**2 * self.slopes * _OWN_VARIANCE
            )
            found[name] = self._summed(f"level {name}", weights)
        return found

    def effects(self) -> dict[str, Floats]:
        """(groups,) for each effect, if the system has them: what is added to ln of latency of a network in it."""
        found = {}
        for name, effect in EFFECTS.items():
            weights = effect.width**2 * self._weights(slope=effect.slope)[:, None]
            found[name] = self._summed(f"effect {name}", weights)[:, 0]
        return found

    def common(self) -> Floats:
        """(terms,): what is added to ln of the constants everywhere."""
        added: Floats = _COMMON_VARIANCE * (self.weights @ self.slopes) + COMMON**2 * self.weights.sum()
        return added

    @cached_property
    def constants(self) -> Floats:
        """(all samples, terms): ln of the constants at each sample's place, without effects."""
        constants = self.design.means + self.common()
        for name, vectors in self.levels().items():
            times = self.design.doublings if LEVELS[name].slope else np.ones(len(self.design))
            constants = constants + times[:, None] * vectors[self.design.groups[f"level {name}"]]
        return constants

    def predict(self, rows: Indices) -> Floats:
        """ln of the form, (rows,), at each sample's own constants: without what its network is off by."""
        return self.design.linear(self.constants, rows)[0]

    def without(self, left_out: npt.NDArray[np.bool_]) -> Posterior:
        """The same with some samples left out, by the block inverse; `left_out` is (all samples,)."""
        gone, kept = np.flatnonzero(left_out[self.rows]), np.flatnonzero(~left_out[self.rows])
        between = self.inverse[np.ix_(kept, gone)]
        solved = np.linalg.solve(self.inverse[np.ix_(gone, gone)], between.T)
        return replace(
            self,
            rows=self.rows[kept],
            slopes=self.slopes[kept],
            weights=self.weights[kept] - solved.T @ self.weights[gone],
            factor=None,
        )

    def _weights(self, *, slope: bool) -> Floats:
        times: Floats = self.design.doublings[self.rows] if slope else np.ones(len(self.rows))
        return self.weights * times

    def _summed(self, name: str, weights: Floats) -> Floats:
        """(groups, columns): the weights of each group's members, added up."""
        sums = np.zeros((len(self.design.names[name]), weights.shape[1]))
        np.add.at(sums, self.design.groups[name][self.rows], weights)
        return sums


def fitted(samples: Sequence[Sample]) -> Posterior:
    """The posterior on all `samples`."""
    design = Design(samples)
    return _steps(design, np.arange(len(design)), design.means, _STEPS)


def conditioned(
    start: Floats, unknown: Collection[str], samples: Sequence[Sample], effects: Sequence[float] | Floats
) -> Floats:
    """ln of the constants, (terms,), of a place where `samples` were seen; `unknown` are the levels without a group.

    `start` is what the model gives the place, `effects` by how much (in ln) the samples' networks are known to be off.
    """
    levels = [LEVELS[name] for name in {*unknown, *_OWN}]
    scale = _LOOSE * sum(level.scale**2 for level in levels) + _DOUBT
    prior = scale + np.diag(sum(level.own**2 for level in levels) * _OWN_VARIANCE)
    noise = np.diag([_NEW**2 + each.noise for each in samples])
    target = np.log([each.latency_s for each in samples]) - effects
    constants = start
    for _ in range(_OWN_STEPS):
        formed = [form(each, np.exp(constants)) for each in samples]
        values, slopes = np.array([value for value, _ in formed]), np.array([slope for _, slope in formed])
        gain = prior @ slopes.T @ np.linalg.inv(slopes @ prior @ slopes.T + noise)
        aim = start + gain @ (target - values + slopes @ (constants - start))
        constants = constants + np.clip((aim - constants) / 2, -1.0, 1.0)
    return constants


def refitted(found: Posterior, rows: Indices) -> Posterior:
    """The posterior on some of the samples, some steps from another's."""
    return _steps(found.design, rows, found.constants, _AGAIN)


def _steps(design: Design, rows: Indices, constants: Floats, steps: int) -> Posterior:
    shared = design.shared(rows, rows)
    for _ in range(steps):
        found = _solved(design, rows, constants, shared, design.noise[rows])
        constants = constants + np.clip(_DAMPING * (found.constants - constants), -_LONGEST, _LONGEST)
    return found


def _solved(design: Design, rows: Indices, constants: Floats, shared: Shared, noise: Floats) -> Posterior:
    """The system of some samples, linearised at `constants`."""
    values, slopes = design.linear(constants, rows)
    target = design.target[rows] - values + np.einsum("ij,ij->i", slopes, (constants - design.means)[rows])
    system = shared.covariance(slopes, slopes)
    system[np.diag_indices_from(system)] += noise
    factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    return Posterior(design, rows, slopes, cho_solve(factor, target, check_finite=False), factor)


@dataclass(frozen=True)
class ByName:
    """What is known of networks by their names beside `found`: by how much they are off, in `solved`, one system of
    constants and effects. It is linearised where `found` is: free to move, constants go where few figures lie."""

    found: Posterior
    solved: Posterior

    def predict(self, rows: Indices) -> Floats:
        """ln of latency, (rows,)."""
        design = self.found.design
        values, slopes = design.linear(self.found.constants, rows)
        values += np.einsum("ij,ij->i", slopes, (self.solved.constants - self.found.constants)[rows])
        values += design.shared_effects(rows, self.solved.rows) @ self.solved.weights
        return values


def by_name(found: Posterior) -> ByName:
    """What the same samples say of networks by their names."""
    design, rows = found.design, found.rows
    shared = design.shared(rows, rows)
    shared.flat[:] += design.shared_effects(rows, rows)
    noise = FIGURE_NOISE**2 * (1 + design.doublings[rows] ** 2)
    return ByName(found, _solved(design, rows, found.constants, shared, noise))


def form(sample: Sample, constants: Floats) -> tuple[float, Floats]:
    """ln of the form and its derivatives by ln of each constant."""
    return with_slopes(sample.units, sample.counts, sample.machine, constants)
