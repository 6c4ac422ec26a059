"""How far estimates are off on networks that the fit has not seen, and how wide an interval must therefore be."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final, Literal

from scipy.stats import kendalltau

from edgebench.estimate import regression
from edgebench.estimate.form import CALIBRATION_ONLY, TERMS, Floats, shares
from edgebench.estimate.reference import Cell, Key
from edgebench.machines.profiles import Calibration, LeaveOneOut
from edgebench.runtimes import runtime as entry

CONFIDENCE: Final = 0.9
ENOUGH: Final = 9  # the fewest values whose 90% quantile is not simply beyond their maximum
DESIGNS: Final = 3  # a cell with fewer families says nothing of a family that it lacks
_VISIBLE: Final = 0.01  # smaller shares of the time are left out of a calibration

Errors = Mapping[Key, Mapping[str, float]]  # cell -> network -> ln(estimate / published)


def leave_out(pool: Sequence[Cell], by: Literal["network", "family"]) -> Errors:
    """Fits `pool` without each network or family in turn, in all cells at once; the errors on what was left out.

    A family is the variants of one design, such as the six EfficientDet-lite networks.
    """
    members: dict[str, set[str]] = defaultdict(set)
    for cell in pool:
        for each in cell.observations:
            members[getattr(each, by)].add(each.network)
    errors: dict[Key, dict[str, float]] = {cell.key: {} for cell in pool}
    for _, networks in sorted(members.items()):
        for cell, constants in zip(pool, regression.fit(pool, networks), strict=True):
            for each in cell.observations:
                if each.network in networks:
                    errors[cell.key][each.network] = math.log(regression.seconds(each, constants) / each.latency_s)
    return errors


def families(cell: Cell) -> int:
    """How many designs a cell's networks are variants of."""
    return len({each.family for each in cell.observations})


def quantile(errors: Sequence[float]) -> float:
    """The smallest bound on |error| that covers the next value in 90% of cases (split conformal prediction).

    With fewer than nine values no bound does; the largest is returned.
    """
    ordered = sorted(abs(error) for error in errors)
    rank = math.ceil((len(ordered) + 1) * CONFIDENCE)
    return ordered[min(rank, len(ordered)) - 1]


def spread(cell: Cell, own: Mapping[str, float], unseen: Mapping[str, float], shared: Sequence[float]) -> float:
    """Half-width of the 90% interval of ln(published / estimate).

    `own` are the cell's errors with networks left out, `unseen` with whole families left out. Where the cell has too
    few families to judge by, `shared` holds such errors from other cells, and the interval covers its own as well.
    """
    if families(cell) >= ENOUGH:
        return quantile(list(unseen.values()))
    known: list[float] = [*own.values(), *(unseen.values() if families(cell) >= DESIGNS else ())]
    return max(quantile(shared), quantile(known))


def summary(cell: Cell, own: Mapping[str, float], unseen: Mapping[str, float], shared: Sequence[float]) -> LeaveOneOut:
    """Errors and order of left-out networks, and how often an interval made without a network covers it.

    The error on new designs comes from `shared` where the cell has too few of its own.
    """
    off = [abs(math.expm1(error)) for error in own.values()]
    designs = shared if families(cell) < DESIGNS else unseen.values()
    published = [each.latency_s for each in cell.observations]
    estimated = [each.latency_s * math.exp(own[each.network]) for each in cell.observations]
    return LeaveOneOut(
        median=median(off),
        worst=max(off),
        coverage=coverage(cell, own, unseen, shared),
        kendall_tau=float(kendalltau(published, estimated).statistic),
        new_design=median(abs(math.expm1(error)) for error in designs),
    )


def coverage(cell: Cell, own: Mapping[str, float], unseen: Mapping[str, float], shared: Sequence[float]) -> float:
    """Share of the networks that an interval made without them covers."""
    covered = 0
    for network, error in own.items():
        others = {name: value for name, value in own.items() if name != network}
        unseen_others = {name: value for name, value in unseen.items() if name != network}
        covered += abs(error) <= spread(cell.without({network}), others, unseen_others, shared)
    return covered / len(own)


def calibration(
    cell: Cell, constants: Floats, own: Mapping[str, float], unseen: Errors, shared: Sequence[float], note: str = ""
) -> Calibration:
    """One cell's constants with its rows and errors: `own` with networks left out, `unseen` with whole families.

    `shared` are such errors from elsewhere, for a cell with too few families.
    """
    _, runtime, precision, threads = cell.key
    # Some kernels are of a few runtimes only, and some terms of no network of ours.
    unneeded = {*CALIBRATION_ONLY}
    for kernel in {"winograd", "normalize"} - set(entry(runtime).kernels):
        unneeded |= {kernel, f"{kernel}_io"}
    named = dict(zip(TERMS, constants.tolist(), strict=True))
    seen = dict.fromkeys(TERMS, 0.0)
    for each in cell.observations:
        for term, share in shares(each.per_unit, each.machine, named).items():
            seen[term] = max(seen[term], share)
    macs = [each.macs for each in cell.observations]
    return Calibration(
        runtime=runtime,
        precision=precision,  # type: ignore[arg-type]  # the rows' precisions are checked when the TOML is read
        threads=threads,
        constants={term: value for term, value in named.items() if term not in unneeded},
        spread=spread(cell, own, unseen[cell.key], shared),
        macs=(float(min(macs)), float(max(macs))),
        rows=sum(len(each.rows) for each in cell.observations),
        networks=len(cell.observations),
        seen={term: most for term, most in seen.items() if most >= _VISIBLE and term not in CALIBRATION_ONLY},
        error=summary(cell, own, unseen[cell.key], shared),
        sources=tuple(sorted({row.source for each in cell.observations for row in each.rows})),
        note=note,
    )
