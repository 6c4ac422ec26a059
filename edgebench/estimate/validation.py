"""The validation table: what every calibration errs by on networks that its fit has not seen."""

from __future__ import annotations

import math

import msgspec

from edgebench.profiles import load, names


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One calibration's figures, as its device's file holds them; see profiles.LeaveOneOut."""

    device: str
    runtime: str
    precision: str
    threads: int
    rows: int
    networks: int
    median: float
    worst: float
    coverage: float
    interval: float
    kendall_tau: float
    new_design: float
    note: str


def table(device: str | None = None) -> list[Line]:
    """Returns a line for each calibration of `device`, or of all shipped devices. `interval` is high over value."""
    profiles = [load(name) for name in ([device] if device else names())]
    return [
        Line(
            device=profile.name,
            runtime=each.runtime,
            precision=each.precision,
            threads=each.threads,
            rows=each.rows,
            networks=each.networks,
            median=each.error.median,
            worst=each.error.worst,
            coverage=each.error.coverage,
            interval=math.exp(each.spread),
            kendall_tau=each.error.kendall_tau,
            new_design=each.error.new_design,
            note=each.note,
        )
        for profile in profiles
        for each in profile.calibrations
    ]
