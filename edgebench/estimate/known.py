"""What is known of a device: its published tables, and which case of errors.py each runtime and precision is."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from typing import Final

from edgebench.estimate import errors, hierarchy
from edgebench.estimate.errors import Name
from edgebench.estimate.hierarchy import LEVELS
from edgebench.estimate.published import Table, tables, text
from edgebench.ground.records import Precision
from edgebench.machines.profiles import DeviceProfile
from edgebench.runtimes import bundled, computed_precision
from edgebench.runtimes import runtime as entry

PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "fp16", "int8")
_CORES: Final = 3  # that a runtime must be known on before it is guessed on another


def case_of(device: DeviceProfile, runtime: str, precision: str) -> Name | None:
    """The case that a device is in; None where nothing is near. `measured` may be at another thread count."""
    at = hierarchy.place(device, runtime, precision, 1)
    groups = group_names()
    if device.cpu.clock_hz is None and not tables_of(device, runtime, precision):
        return None
    if tables_of(device, runtime, precision):
        return "measured"
    if LEVELS["runtime, cpu"].key(at) in groups["runtime, cpu"]:
        return "threads"
    if precision == "fp32" and not entry(runtime).unpacks_half(device.cpu.isa):
        return None  # a core with half-precision arithmetic computes in it, and that is what is published
    if LEVELS["runtime, core"].key(at) in groups["runtime, core"]:
        return "core"
    if precision == "int8":
        return None  # kernels differ too much: what three cores say of a fourth is 2.5 times off, and more on RISC-V
    if at.core in groups["core"] and _cores(runtime, precision) >= _CORES:
        return "runtime"
    return None


@cache
def _cores(runtime: str, precision: str) -> int:
    """The number of cores that figures of a runtime and precision are known of."""
    names = (name.split() for name in group_names()["runtime, core"])
    return len({core for named, core, computed in names if (named, computed) == (runtime, precision)})


def case_at(device: DeviceProfile, runtime: str, precision: str, threads: int) -> Name | None:
    """The case that a device is in at a number of threads."""
    case = case_of(device, runtime, precision)
    return "threads" if case == "measured" and not tables_of(device, runtime, precision, threads) else case


def estimable(device: DeviceProfile) -> dict[tuple[str, Precision], Name]:
    """The runtimes and precisions that the model has an estimate for, with the case each is in."""
    if not at_all(device):
        return {}
    cases = {
        (each.name, of): case_of(device, each.name, of)
        for each in bundled()
        for of in PRECISIONS
        if computed_precision(each.name, of, device.cpu.isa) == of
    }
    return {cell: case for cell, case in cases.items() if case is not None}


def cells(device: DeviceProfile) -> list[tuple[str, Precision]]:
    """The runtimes and precisions that there is an estimate for: the user's own and the model's."""
    own = {(each.runtime, each.precision) for each in device.calibrations}
    return sorted(own.union(estimable(device)))


def expected_error(device: DeviceProfile, runtime: str, precision: str, threads: int) -> float | None:
    """The median error to expect of a network that nobody measured; None where there is no estimate."""
    own, case = device.calibration(runtime, precision, threads), case_of(device, runtime, precision)
    if own is not None:
        return own.error.median
    return errors.case(case, False, runtime, precision, threads).median if case else None


def at_all(device: DeviceProfile) -> bool:
    """Whether the model knows cores of the device's kind."""
    return hierarchy.machine(device) is not None and hierarchy.core_of(device.cpu.core) in hierarchy.KIND


def tables_of(device: DeviceProfile, runtime: str, precision: str, threads: int | None = None) -> tuple[Table, ...]:
    """The published tables of a device's own cores."""
    return tuple(
        table
        for table in _by_device().get(device.name, ())
        if (table.runtime, table.precision, table.core) == (runtime, precision, "") and threads in (None, table.threads)
    )


@cache
def _by_device() -> dict[str, list[Table]]:
    found: dict[str, list[Table]] = {}
    for table in tables():
        found.setdefault(table.device, []).append(table)
    return found


@cache
def group_names() -> Mapping[str, frozenset[str]]:
    """The groups of each level that the model knows."""
    found: dict[str, set[str]] = {}
    for level, group, *_ in csv.reader(text("constants.csv").splitlines()):
        found.setdefault(level, set()).add(group)
    return {level: frozenset(groups) for level, groups in found.items()}
