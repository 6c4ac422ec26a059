"""Which processors of a device, beside its CPU, latencies are published of: read without numpy, as listings need it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

import msgspec

from edgebench.estimate import known
from edgebench.estimate.accelerated.errors import Case, shipped
from edgebench.estimate.hierarchy import soc_of
from edgebench.estimate.published import text
from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.records import Precision
from edgebench.ground.tables import read_csv
from edgebench.machines.profiles import PROCESSORS, DeviceProfile, Processor
from edgebench.runtimes import runtime as entry

Key = tuple[str, str]  # unit and precision
FEWEST: Final = 12  # networks that a chip's figures must be of


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One published table: the figures of a chip's `unit`, as "network milliseconds; ..."."""

    unit: str
    soc: str
    precision: str
    source: str
    figures: str

    @property
    def rows(self) -> Iterator[tuple[str, float]]:
        """(network, latency in seconds) of each figure."""
        for figure in self.figures.split("; "):
            network, _, latency = figure.rpartition(" ")
            yield network, float(latency) / 1e3


@cache
def tables() -> tuple[Table, ...]:
    """Reads the published tables, in the file's order."""
    return tuple(read_csv(text("accelerated_figures.csv"), Table))


def check(device: DeviceProfile, processor: str | None) -> None:
    """Raises UsageError for a processor that does not exist or that the device's profile does not have."""
    if processor is None:
        return
    if processor not in PROCESSORS:
        raise unknown("processor", processor, PROCESSORS)
    have = ["cpu", *(each.kind for each in device.processors)]
    if processor not in have:
        raise UsageError(
            f"the profile of {device.name} has no {processor}: choose {' or '.join(have)}, or add it as [[processors]]"
        )


def processor(device: DeviceProfile, runtime: str, precision: str, wanted: str | None = None) -> str:
    """The one that is `wanted`, else the CPU, or the first other one if only that has an estimate."""
    check(device, wanted)
    if wanted is not None:
        return wanted
    if any(cell == (runtime, precision) for cell in known.cells(device)):
        return "cpu"
    able = (each.kind for each in device.processors if estimable(device, each.kind, runtime, precision))
    return next(able, "cpu")


def files(device: DeviceProfile, wanted: str | None) -> set[tuple[str, Precision]]:
    """The runtimes and precisions that there is an estimate for on the `wanted` processor; None: as `processor` has it.

    Raises UsageError as `check` does.
    """
    check(device, wanted)
    on_cpu = set(known.cells(device)) if wanted in (None, "cpu") else set()
    return on_cpu or {(runtime, of) for runtime, of, kind in cells(device) if wanted in (None, kind)}


def cells(device: DeviceProfile) -> dict[tuple[str, Precision, str], Case]:
    """The runtimes, precisions and processors beside the CPU that there is an estimate for, and how far it is off."""
    from edgebench.runtimes import every

    return {
        (runtime.name, precision, each.kind): shipped()[each.unit, computed(precision), "new"]
        for each in device.processors
        for runtime in every()
        for precision in known.PRECISIONS
        if estimable(device, each.kind, runtime.name, precision)
    }


def estimable(device: DeviceProfile, processor: str, runtime: str, precision: str) -> bool:
    """Whether enough is published of a processor with such files."""
    part = part_of(device, processor)
    if part is None or part.unit not in entry(runtime).units:
        return False
    key, soc = (part.unit, computed(precision)), soc_of(device)
    return (*key, soc) in fitted() and len(networks_of(key, soc)) >= FEWEST


def computed(precision: str) -> Precision:
    """What files of a precision are computed in: such processors have no fp32."""
    return "int8" if precision == "int8" else "fp16"


def missing(device: DeviceProfile, processor: str, runtime: str, precision: str) -> str:
    """Why there is no estimate for a processor beside the CPU, and what there is or would be needed."""
    part = part_of(device, processor)
    if part is None:
        raise UsageError(f"the profile of {device.name} has no {processor}")
    sentence = f"no estimate for the {processor} of {device.name} with {runtime} {precision}"
    able = sorted({f"{name} {of}" for name, of, kind in cells(device) if kind == processor})
    if able:
        return f"{sentence}; there are estimates for {', '.join(able)}"
    key, soc = (part.unit, computed(precision)), soc_of(device)
    found = len(networks_of(key, soc))
    others = sorted({chip for unit, _, chip in fitted() if unit == part.unit})
    return (
        f"{sentence}: figures of {found} networks on {soc} are published, and {FEWEST} would be needed. "
        f"Chips with an estimate: {', '.join(others)}"
    )


def part_of(device: DeviceProfile, processor: str) -> Processor | None:
    """A processor of the profile, or None."""
    return next((each for each in device.processors if each.kind == processor), None)


def networks_of(key: Key, soc: str) -> frozenset[str]:
    """The networks of which a chip's unit has figures in a precision."""
    return frozenset(
        network
        for table in tables()
        if (table.unit, table.precision, table.soc) == (*key, soc)
        for network, _ in table.rows
    )


@cache
def fitted() -> Mapping[tuple[str, str, str], Mapping[str, str]]:
    """The lines of the shipped constants by unit, precision and chip."""
    lines = csv.DictReader(text("accelerated_constants.csv").splitlines())
    return {(line["unit"], line["precision"], line["soc"]): line for line in lines}
