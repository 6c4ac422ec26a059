"""The validation tables: what every calibration errs by on networks that its fit has not seen.

`table` holds what leaving networks out of the fit tells. `unseen` is independent of that: published rows that neither
the fit nor the choice of its form has used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import msgspec

from edgebench.estimate import reference
from edgebench.estimate.counts import CountedCalibration, calibrations
from edgebench.estimate.estimator import calibration_for, latency_interval
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Precision
from edgebench.machines.profiles import Calibration, load, names


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
    return [line(profile.name, each) for profile in profiles for each in profile.calibrations]


def line(device: str, calibration: Calibration) -> Line:
    """One calibration of `device` in one line."""
    return Line(
        device=device,
        runtime=calibration.runtime,
        precision=calibration.precision,
        threads=calibration.threads,
        rows=calibration.rows,
        networks=calibration.networks,
        interval=math.exp(calibration.spread),
        note=calibration.note,
        **msgspec.structs.asdict(calibration.error),
    )


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A published latency that no fit has used, beside its estimate and the ends of the 90% interval, in seconds."""

    device: str
    runtime: str
    precision: Precision
    threads: int
    network: str
    published_s: float
    estimate_s: float
    low_s: float
    high_s: float
    source: str

    @property
    def inside(self) -> bool:
        """Whether the interval holds the published figure."""
        return self.low_s <= self.published_s <= self.high_s

    @property
    def error(self) -> float:
        """estimate / published - 1."""
        return self.estimate_s / self.published_s - 1


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Several checks at once: |estimate / published - 1|, and the share of the figures inside their intervals."""

    rows: int
    median: float
    worst: float
    coverage: float


def unseen(device: str | None = None) -> list[Check]:
    """Returns a check for each row kept from the fits, of `device` or of all, that there is a calibration for."""
    checks = []
    for row in reference.unseen():
        profile = load(row.device)
        calibration = calibration_for(profile, row.runtime, row.precision, row.threads)
        if device not in (None, row.device) or calibration is None:
            continue
        kernels = reference.networks()[row.network].works(row.runtime)
        interval, _ = latency_interval(kernels, profile, calibration)
        checks.append(
            Check(
                device=row.device,
                runtime=row.runtime,
                precision=row.precision,
                threads=row.threads,
                network=row.network,
                published_s=row.latency_s,
                estimate_s=interval.value,
                low_s=interval.low,
                high_s=interval.high,
                source=row.source,
            )
        )
    return checks


def tally(checks: Sequence[Check]) -> Tally:
    """Sums up at least one check; raises UsageError for none."""
    if not checks:
        raise UsageError("no published latency is kept from the fits for this device, so there is nothing to sum up")
    errors = [abs(check.error) for check in checks]
    covered = sum(check.inside for check in checks) / len(checks)
    return Tally(rows=len(checks), median=median(errors), worst=max(errors), coverage=covered)


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """All of it for one device: `tally` is None where no published figure was kept from the fits."""

    device: str
    calibrations: tuple[Line, ...]
    counted: tuple[CountedCalibration, ...]
    unseen: tuple[Check, ...]
    tally: Tally | None


def validation(device: str) -> Validation:
    """Everything that is known of how far a device's estimates are off."""
    checks = unseen(device)
    return Validation(
        device=device,
        calibrations=tuple(table(device)),
        counted=tuple(each for each in calibrations().values() if each.device == device),
        unseen=tuple(checks),
        tally=tally(checks) if checks else None,
    )
