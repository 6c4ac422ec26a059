"""What a device can be asked for: which runtimes, precisions and thread counts are measured or estimated there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from edgebench.formats.format import every
from edgebench.ground.records import Precision
from edgebench.machines.profiles import DeviceProfile
from edgebench.runtimes import bundled, computed_precision, runtime_of, unavailable


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said of a runtime, precision and thread count on a device. `error` is the median one to expect."""

    runtime: str
    precision: Precision
    threads: int
    measured: bool
    estimated: bool
    error: float | None = None


_Cell = tuple[str, Precision, int]


def capabilities(profile: DeviceProfile) -> list[Capability]:
    """What can be measured, estimated, or neither, for each runtime, precision and thread count."""
    known: dict[_Cell, float | None] = {each.cell: each.error.expected for each in profile.calibrations}
    if profile.reach == "local":
        return [_capability((name, precision, 1), known, measured=not unavailable(name)) for name, precision in _run()]
    there = {each.name for each in bundled()}
    wanted: set[_Cell] = {(name, precision, 1) for name, precision in _run() if name in there}
    halves: dict[_Cell, float | None] = {
        (name, "fp16", threads): error
        for (name, precision, threads), error in known.items()
        if precision == "fp32" and computed_precision(name, "fp16", profile.cpu.isa) == "fp32"
    }
    estimated = halves | known
    return [_capability(cell, estimated, measured=False) for cell in sorted(wanted.union(estimated))]


def _run() -> Iterator[tuple[str, Precision]]:
    """Each runtime with the precisions of the files that it runs."""
    for form in every():
        for precision in form.precisions:
            yield runtime_of(form.name), precision


def _capability(cell: _Cell, estimated: Mapping[_Cell, float | None], *, measured: bool) -> Capability:
    runtime, precision, threads = cell
    return Capability(
        runtime=runtime,
        precision=precision,
        threads=threads,
        measured=measured,
        estimated=cell in estimated,
        error=estimated.get(cell),
    )
