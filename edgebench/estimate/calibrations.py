"""The constants that a device's latencies are estimated with: a user's own, or composed of what the model knows.

data/constants.csv holds, for every group of the hierarchy, what is added to ln of the constants of its members, and
data/named_constants.csv the same for networks that are known by name; data/effects.csv by how much those are off beside
that; data/seen.csv what the fitted networks consist of. `fit` writes them. Reading them takes milliseconds and neither
torch nor scipy.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from msgspec.structs import replace

from edgebench.estimate import errors, hierarchy, known
from edgebench.estimate.errors import Name
from edgebench.estimate.form import Floats, features, with_slopes
from edgebench.estimate.hierarchy import EFFECTS, LEVELS, Place
from edgebench.estimate.published import Table, table_name, text
from edgebench.estimate.terms import CALIBRATION_ONLY, TERMS, Machine
from edgebench.estimate.work import Work, works
from edgebench.ground import units
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec, Precision
from edgebench.machines.profiles import Calibration, DeviceProfile, LeftOut
from edgebench.models import resolve
from edgebench.models.sketch import sketch
from edgebench.runtimes import computed_precision
from edgebench.runtimes import runtime as entry

COMMON: Final = "common"  # the group of everything
# Term -> the kernel that it is of, where not every runtime has that.
_OTHER: Final = {"winograd": "winograd", "winograd_io": "winograd", "normalize": "normalize", "unpacked": "packed"}


@dataclass(frozen=True)
class Seen:
    """What the networks that a runtime and precision are fitted on consist of: their MACs, and each term's largest
    share of the time."""

    macs: tuple[float, float]
    shares: dict[str, float]


def calibration(
    device: DeviceProfile, runtime: str, precision: Precision, threads: int, spec: ModelSpec | None = None
) -> Calibration | None:
    """What files of `precision` are estimated with: the user's own, else the model's; None where nothing is near.

    With the `spec` of a network that is known, its effect is in the constants, and the interval is narrower.
    """
    computed = computed_precision(runtime, precision, device.cpu.isa)
    at = hierarchy.place(device, runtime, computed, threads, table_name(device.name, runtime, computed, threads))
    own = device.calibration(runtime, computed, threads)
    if own is not None:
        return _of_known(own, device, spec, at)
    case = known.case_at(device, runtime, computed, threads)
    return _composed(device, at, case, spec) if case else None


def with_one_figure(
    device: DeviceProfile, runtime: str, precision: Precision, threads: int, spec: ModelSpec
) -> errors.Case:
    """How far estimates of a network are off once one network, of no matter which, has been measured there.

    One tells nothing of a board whose own table was published: it is off by more than the table leaves unknown.
    """
    at = hierarchy.place(device, runtime, computed_precision(runtime, precision, device.cpu.isa), threads)
    published = known.case_at(device, runtime, at.precision, threads) == "measured"
    return errors.case("measured" if published else "1", is_known(spec, at), at.runtime, at.precision, threads)


def off(device: DeviceProfile, spec: ModelSpec | None, at: Place) -> float:
    """ln of the factor by which a network is off the form in a place; 0 for one that is not known."""
    if spec is None or not is_known(spec, at):
        return 0.0
    machine, constants = machine_of(device), start(at)
    amounts = features(_kernels(spec.name, at.runtime), at.precision, machine)
    units = np.hstack([amounts.compute, amounts.traffic])
    _, slopes = with_slopes(units, np.ones(len(units)), machine, np.exp(constants))
    found = float(slopes @ (start(at, "named_constants.csv") - constants))
    for name, level in EFFECTS.items():
        value = _effects()[name].get(f"{spec.name} {level.key(at)}", 0.0)
        found += value * (at.doublings if level.slope else 1.0)
    return found


@cache
def _kernels(network: str, runtime: str) -> tuple[Work, ...]:
    """Those of a published network, which are the same on every device."""
    return works(sketch(resolve(network)), runtime)


def is_known(spec: ModelSpec | None, at: Place) -> bool:
    """Whether a network's latency in a runtime and precision was published: one of the zoo at its own scaling point."""
    group = f"{spec.name} {EFFECTS['runtime'].key(at)}" if spec is not None else ""
    return spec is not None and group in _effects()["runtime"] and resolve(spec.name).key == spec.key


def machine_of(device: DeviceProfile) -> Machine:
    """The facts of a device, by its kind of core where it lacks one. Raises UsageError for a core of no kind."""
    found = hierarchy.machine(device)
    if found is None:
        raise UsageError(f"the profile {device.name} lacks cpu.bandwidth or a cache: add it with its source")
    return found


def start(at: Place, file: str = "constants.csv") -> Floats:
    """ln of the constants, (terms,), that the model, one of its files, gives a place."""
    vectors = _vectors(file)
    constants: Floats = hierarchy.mean(at) + vectors[COMMON]["all"]
    for name, level in LEVELS.items():
        vector = vectors[name].get(level.key(at))
        if vector is not None:
            constants = constants + vector * (at.doublings if level.slope else 1.0)
    return constants


def missing_levels(at: Place) -> tuple[str, ...]:
    """The levels of which the model has no group for a place."""
    return tuple(
        name
        for name, level in LEVELS.items()
        if level.key(at) not in _vectors("constants.csv")[name] and not level.slope
    )


def seen(runtime: str, precision: str) -> Seen:
    """What the networks consist of that a runtime and precision, or else any, are fitted on."""
    shipped = _seen()
    return shipped.get((runtime, precision)) or max(shipped.values(), key=lambda each: len(each.shares))


def named(runtime: str, constants: Floats) -> dict[str, float]:
    """The constants by name, without those of no kernel that the runtime has."""
    kernels = entry(runtime).kernels
    return {
        term: float(f"{value:.6g}")
        for term, value in zip(TERMS, constants.tolist(), strict=True)
        if term not in CALIBRATION_ONLY and (term not in _OTHER or _OTHER[term] in kernels)
    }


def _of_known(own: Calibration, device: DeviceProfile, spec: ModelSpec | None, at: Place) -> Calibration:
    """A user's own calibration with what is known of a network, where that is known from other devices."""
    if not is_known(spec, at):
        return own
    factor = float(np.exp(off(device, spec, at)))
    constants = {term: value * factor for term, value in own.constants.items()}
    if own.known is None:
        return replace(own, constants=constants)
    return replace(own, constants=constants, spread=own.known.spread, error=own.known.error)


def _composed(device: DeviceProfile, at: Place, case: Name, spec: ModelSpec | None) -> Calibration:
    constants = start(at) + off(device, spec, at)
    error = errors.case(case, is_known(spec, at), at.runtime, at.precision, at.threads)
    own, fitted = known.tables_of(device, at.runtime, at.precision, at.threads), seen(at.runtime, at.precision)
    rows = [row for table in own for row in table.rows]
    return Calibration(
        runtime=at.runtime,
        precision=at.precision,  # type: ignore[arg-type]  # one of PRECISIONS
        threads=at.threads,
        constants=named(at.runtime, np.exp(constants)),
        spread=error.spread,
        macs=fitted.macs,
        rows=len(rows),
        networks=len({row.network for row in rows}),
        seen=fitted.shares,
        error=LeftOut(median=error.median, p90=error.p90, coverage=error.coverage),
        sources=tuple(sorted({table.source for table in own})),
        basis=_BASIS[case].format(runtime=at.runtime, precision=at.precision, core=at.core),
        note=_note(device, own),
    )


_BASIS: Final[dict[str, str]] = {
    "measured": "published latencies with {runtime} {precision} on it, and all of other devices",
    "threads": "published latencies with {runtime} {precision} on its chip, and on other devices",
    "core": "published latencies with {runtime} {precision} of other chips with a {core}",
    "runtime": "published latencies of its {core} with other runtimes, and with {runtime} {precision} of other cores",
}


def _note(device: DeviceProfile, own: tuple[Table, ...]) -> str:
    clocks = sorted({units.hertz(table.clock) / 1e9 for table in own if table.clock})
    if not clocks or device.cpu.clock_hz is None:
        return ""
    ran = " and ".join(f"{clock:g}" for clock in clocks)
    return f"the rows ran at {ran} GHz; computing is scaled to {device.cpu.clock_hz / 1e9:g} GHz"


@cache
def _vectors(file: str) -> Mapping[str, Mapping[str, Floats]]:
    found: dict[str, dict[str, Floats]] = {name: {} for name in (COMMON, *LEVELS)}
    for line in csv.DictReader(text(file).splitlines()):
        found[line["level"]][line["group"]] = np.array([float(line[term] or 0) for term in TERMS])
    return found


@cache
def _effects() -> Mapping[str, Mapping[str, float]]:
    found: dict[str, dict[str, float]] = {name: {} for name in EFFECTS}
    for line in csv.DictReader(text("effects.csv").splitlines()):
        found[line["effect"]][line["group"]] = float(line["value"])
    return found


@cache
def _seen() -> Mapping[tuple[str, str], Seen]:
    return {
        (line["runtime"], line["precision"]): Seen(
            (float(line["least_macs"]), float(line["most_macs"])),
            {term: float(line[term]) for term in TERMS if line[term]},
        )
        for line in csv.DictReader(text("seen.csv").splitlines())
    }
