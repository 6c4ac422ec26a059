"""Fits the constants of accelerators and finds how far they are off: python -m edgebench.estimate.fit runs it too.

With k a term of form.py, the constants of a chip, and the latency that a table has of a network on it, are

    ln c[k] = PRIOR[k] + common[k] + scale[chip] + own[chip, k]
    ln t    = ln f(network; c) + off[table's source]

where everything added is a normal variable of mean zero, of a width in SPREADS. As in posterior.py that is a Gaussian
process, linearised where the last step ended; figures far from it count for less (Huber). In int8 the prior is what
fp16 has in common, since there are few figures of int8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edgebench.estimate.accelerated.errors import Case, Kind
from edgebench.estimate.accelerated.figures import KEYS, ZOO, Mask, Names, Rows, rows
from edgebench.estimate.accelerated.form import TERMS
from edgebench.estimate.accelerated.known import Key
from edgebench.estimate.errors import CONFIDENCE, quantile
from edgebench.estimate.form import Floats

# Seconds a unit on a Snapdragon 8 Elite, about; the widths of what is added do not hold any of them close.
PRIOR: Final = np.log([3e-4, 1.3e-4, 2e-3, 1e-5, 3e-6, 6e-6, 3e-6, 1e-6])
_NOISE, _FAR = 0.1, 3.0  # of ln of a figure beside the form; from this many times on, it counts for less
_STEPS, _AGAIN, _DAMPING, _LONGEST = 40, 15, 0.7, 0.7


@dataclass(frozen=True)
class Spread:
    """The widths: of what all chips have in common, of a chip's scale and its own, and of a source."""

    common: float
    scale: float
    own: float
    source: float


SPREADS: Final[dict[Key, Spread]] = {
    ("hexagon", "fp16"): Spread(1.5, 2.0, 0.35, 0.0),
    ("hexagon", "int8"): Spread(0.4, 2.0, 0.35, 0.0),
    ("ane", "fp16"): Spread(1.5, 0.3, 0.2, 0.12),
}
_BORROWED: Final[dict[Key, Key]] = {("hexagon", "int8"): ("hexagon", "fp16")}


@dataclass(frozen=True)
class Fit:
    """What figures say: `common` (terms,), and by chip and source what is added."""

    start: Floats
    common: Floats
    chips: dict[str, Floats]
    sources: dict[str, float]

    def constants(self, soc: str) -> Floats:
        """ln of the constants of a chip, (terms,); of one without figures, what all have in common."""
        return self.start + self.common + self.chips.get(soc, 0.0)

    def predict(self, of: Rows, *, sources: bool) -> Floats:
        """ln of the latencies, (figures,)."""
        logarithms = np.array([self.constants(soc) for soc in of.soc.tolist()])
        off = [self.sources.get(source, 0.0) if sources else 0.0 for source in of.source.tolist()]
        found: Floats = np.log((np.exp(logarithms) * of.quantities).sum(1)) + off
        return found


def fitted(of: Rows, spread: Spread, start: Floats, begin: Fit | None = None) -> Fit:
    """The constants on figures; some steps from another's where `begin` is given."""
    same_soc, same_source = _same(of.soc), _same(of.source)
    found = begin or Fit(start, np.zeros(len(TERMS)), {}, {})
    for _ in range(_AGAIN if begin else _STEPS):
        constants = np.array([found.constants(soc) for soc in of.soc.tolist()])
        parts = np.exp(constants) * of.quantities
        slopes = parts / parts.sum(1)[:, None]
        target = of.target - np.log(parts.sum(1)) + (slopes * (constants - start)).sum(1)
        products = slopes @ slopes.T
        system = spread.common**2 * products + same_soc * (spread.scale**2 + spread.own**2 * products)
        system += spread.source**2 * same_source
        off = np.abs(of.target - found.predict(of, sources=True)) / _NOISE
        system[np.diag_indices_from(system)] += _NOISE**2 * np.maximum(1.0, off / _FAR)
        found = _towards(found, of, spread, slopes, np.linalg.solve(system, target))
    return found


def _towards(found: Fit, of: Rows, spread: Spread, slopes: Floats, weights: Floats) -> Fit:
    """A step to where `weights` solve the linearised system."""
    common = spread.common**2 * (weights @ slopes)
    chips, sources = {}, {}
    for soc in np.unique(of.soc).tolist():
        here = of.soc == soc
        chips[soc] = spread.scale**2 * weights[here].sum() + spread.own**2 * (weights[here] @ slopes[here])
    for source in np.unique(of.source).tolist():
        sources[source] = float(spread.source**2 * weights[of.source == source].sum())
    step = np.clip(_DAMPING * (common - found.common), -_LONGEST, _LONGEST)
    moved = {
        soc: before + np.clip(_DAMPING * (now - before), -_LONGEST, _LONGEST)
        for soc, now in chips.items()
        for before in [found.chips.get(soc, np.zeros(len(TERMS)))]
    }
    return Fit(found.start, found.common + step, moved, sources)


def _same(names: Names) -> Floats:
    same: Floats = (names[:, None] == names[None, :]).astype(float)
    return same


def fit(key: Key, kept: Mask | None = None, begin: Fit | None = None, without: Names | None = None) -> Fit:
    """The constants of a unit and precision, on all figures or some; what is borrowed is made `without` networks."""
    of = rows(*key)
    start = PRIOR
    if lender := _BORROWED.get(key):
        theirs = rows(*lender)
        mask = None if without is None else ~np.isin(theirs.network, without)
        lent = fit(lender, mask)
        start = lent.start + lent.common
    return fitted(of if kept is None else of.where(kept), SPREADS[key], start, begin)


def residuals(key: Key, kind: Kind, whole: Fit) -> Floats:
    """ln(estimate / published) of each figure, with those that it must not know left out."""
    of = rows(*key)
    groups = {"network": of.network, "source": of.source, "new": of.family, "known": of.network}[kind]
    found = np.zeros(len(of.target))
    for name in np.unique(groups).tolist():
        out = groups == name
        part = fit(key, ~out, whole if key not in _BORROWED else None, np.unique(of.network[out]))
        found[out] = part.predict(of.where(out), sources=kind == "network") - of.target[out]
    if kind == "known":
        found -= _elsewhere(of, found)
    return found


def _elsewhere(of: Rows, off: Floats) -> Floats:
    """What the same network is off by on other chips, (figures,), in the middle; 0 where there are none."""
    same = (of.network[:, None] == of.network[None, :]) & (of.soc[:, None] != of.soc[None, :])
    return np.array([float(np.median(off[others])) if others.any() else 0.0 for others in same])


def case(key: Key, kind: Kind, off: Floats) -> Case:
    """One line of errors. The sample is of networks: a new one errs alike on all chips."""
    of = rows(*key)
    whole = {name: np.abs(off[of.network == name]) for name in np.unique(of.network).tolist()}
    middle = {
        name: errors.tolist() if kind == "known" else [float(np.median(errors))] for name, errors in whole.items()
    }
    bounds = {name: quantile([each for also in middle if also != name for each in middle[also]]) for name in middle}
    inside = [abs(error) <= bounds[name] for name, error in zip(of.network.tolist(), off.tolist(), strict=True)]
    relative = np.abs(np.expm1(off))
    return Case(
        unit=key[0],
        precision=key[1],
        case=kind,
        rows=len(off),
        networks=len(middle),
        median=float(np.median(relative)),
        p90=float(np.quantile(relative, CONFIDENCE)),
        coverage=float(np.mean(inside)),
        spread=quantile([each for errors in middle.values() for each in errors]),
    )


def cases() -> Iterator[Case]:
    """Every line: in some minutes."""
    for key in KEYS:
        whole = fit(key)
        for kind in ("known", "network", "source", "new"):
            if kind != "source" or SPREADS[key].source:
                yield case(key, kind, residuals(key, kind, whole))


def constants() -> Iterator[dict[str, Any]]:
    """A line for each chip: its constants, in seconds a unit."""
    for unit, precision in KEYS:
        found = fit((unit, precision))
        used = rows(unit, precision).quantities.max(0) > 0
        for soc in sorted(found.chips):
            values = np.exp(found.constants(soc))
            terms = {
                term: value if is_used else ""
                for term, value, is_used in zip(TERMS, values.tolist(), used, strict=True)
            }
            yield {"unit": unit, "precision": precision, "soc": soc} | terms


def effects() -> Iterator[dict[str, Any]]:
    """A line for each network of the zoo that figures are of: ln of what the form is off by, in the middle of them."""
    for unit, precision in KEYS:
        of = rows(unit, precision)
        off = of.target - fit((unit, precision)).predict(of, sources=True)
        for name, called in ZOO.items():
            here = np.isin(of.network, [each.partition("@")[0] for each in called])
            if here.any():
                yield {"unit": unit, "precision": precision, "network": name, "value": float(np.median(off[here]))}
