"""What a device can be asked for: which runtimes, precisions and thread counts are measured or estimated there."""

from __future__ import annotations

import msgspec

from edgebench.estimate.accelerated import known as accelerated
from edgebench.estimate.known import cells as cells_of
from edgebench.estimate.known import estimable, expected_error
from edgebench.formats.format import every
from edgebench.formats.web import web_engines
from edgebench.ground.records import Precision
from edgebench.machines.profiles import HERE, DeviceProfile
from edgebench.runtimes import bundled, computed_precision, runtime_of, unavailable


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said of a runtime, precision, processor and thread count on a device. `error` is the median one to
    expect."""

    runtime: str
    precision: Precision
    processor: str = "cpu"
    threads: int
    measured: bool
    estimated: bool
    error: float | None = None


_Cell = tuple[str, Precision, int]


def capabilities(profile: DeviceProfile) -> list[Capability]:
    """What can be measured, estimated, or neither, for each runtime, precision and thread count."""
    known: dict[_Cell, float | None] = {
        (runtime, precision, threads): expected_error(profile, runtime, precision, threads)
        for runtime, precision in cells_of(profile)
        for threads in range(1, profile.cpu.cores + 1)
        if (runtime, precision) in estimable(profile) or profile.calibration(runtime, precision, threads)
    }
    cells: list[_Cell] = [(runtime_of(form.name), precision, 1) for form in every() for precision in form.precisions]
    here = profile.name in HERE
    if profile.reach == "browser":
        in_pages = {runtime_of(name) for name in web_engines()}
        cells = [cell for cell in cells if cell[0] in in_pages]
    if not here:
        there = {each.name for each in bundled()}
        halves: dict[_Cell, float | None] = {
            (name, "fp16", threads): error
            for (name, precision, threads), error in known.items()
            if precision == "fp32" and computed_precision(name, "fp16", profile.cpu.isa) == "fp32"
        }
        known = halves | known
        cells = sorted({cell for cell in cells if cell[0] in there}.union(known))
    able = [
        Capability(
            runtime=cell[0],
            precision=cell[1],
            threads=cell[2],
            measured=here and not unavailable(cell[0]),
            estimated=cell in known,
            error=known.get(cell),
        )
        for cell in cells
    ]
    return able + [
        Capability(
            runtime=runtime,
            precision=precision,
            processor=processor,
            threads=1,
            measured=False,
            estimated=True,
            error=case.median,
        )
        for (runtime, precision, processor), case in accelerated.cells(profile).items()
    ]
