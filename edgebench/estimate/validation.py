"""How far estimates are off on figures that no fit has read: the model's cases beside their goals, and each device's.

`reached` is what leaving figures out of the fit tells. `unseen` is independent of that: published rows that neither the
fit nor the choice of its form has used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Final

import msgspec

from edgebench.estimate import calibrations, errors, known, published, reference
from edgebench.estimate.accelerated import errors as accelerated
from edgebench.estimate.counts import CountedCalibration
from edgebench.estimate.counts import calibrations as of_counts
from edgebench.estimate.estimator import latency_interval
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Precision
from edgebench.machines.profiles import Calibration, DeviceProfile, load

# What a line of the table is, the case, and its goals: the median and the 90th percentile of the error.
Goal = tuple[str, errors.Name, bool, str, str, float | None, float | None]
GOALS: Final[tuple[Goal, ...]] = (
    ("known network, device known, 1 thread", "measured", True, "fp32", "1", 0.033, 0.12),
    ("known network, device known, 1 thread", "measured", True, "fp16", "1", 0.05, 0.18),
    ("known network, device known, 1 thread", "measured", True, "int8", "1", 0.045, 0.16),
    ("known network, device known, several threads", "measured", True, "fp32", "several", 0.06, 0.22),
    ("known network, device known, several threads", "measured", True, "fp16", "several", 0.06, 0.22),
    ("known network, device known, several threads", "measured", True, "int8", "several", 0.06, 0.22),
    ("new network, device known", "measured", False, "fp32", "1", 0.06, 0.20),
    ("new network, device known", "measured", False, "fp16", "1", 0.10, 0.30),
    ("new network, device known", "measured", False, "int8", "1", 0.10, 0.30),
    ("known network, one measurement on a new chip", "1", True, "fp32", "1", 0.06, None),
    ("new network, one measurement on a new chip", "1", False, "fp32", "1", 0.09, None),
    ("known network, never measured, core known", "core", True, "fp32", "1", 0.11, None),
    ("new network, never measured, core known", "core", False, "fp32", "1", 0.20, None),
    ("known network, other thread counts known", "threads", True, "fp32", "several", None, None),
    ("known network, core known by other runtimes", "runtime", True, "any", "any", None, None),
)

# The same of other processors: what is left out, unit, precision, case, goals.
ACCELERATED: Final = (
    ("Snapdragon NPU, network known from other chips", "hexagon", "fp16", "known", None),
    ("Snapdragon NPU, network known from other chips", "hexagon", "int8", "known", None),
    ("Snapdragon NPU, new network", "hexagon", "fp16", "network", 0.09),
    ("Snapdragon NPU, new network", "hexagon", "int8", "network", 0.12),
    ("Snapdragon NPU, new family of networks", "hexagon", "fp16", "new", None),
    ("Snapdragon NPU, new family of networks", "hexagon", "int8", "new", None),
    ("iPhone Neural Engine, new network, source known", "ane", "fp16", "network", 0.09),
    ("iPhone Neural Engine, source left out", "ane", "fp16", "source", 0.14),
    ("iPhone Neural Engine, new family, source unknown", "ane", "fp16", "new", None),
)


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """A goal beside what is reached: errors are |estimate / published - 1|, `interval` is high over value."""

    case: str
    precision: str
    rows: int
    median: float
    p90: float
    coverage: float
    interval: float
    goal_median: float | None
    goal_p90: float | None


def reached() -> list[Reached]:
    """Every goal with what the shipped table of errors says of it, and the figures kept from all fits."""
    lines = [_reached(*goal) for goal in GOALS]
    checks = unseen()
    tallied = tally(checks)
    return [
        *lines,
        *(_reached_elsewhere(*line) for line in ACCELERATED),
        Reached(
            case="figures kept back, new networks on known devices",
            precision="any",
            rows=tallied.rows,
            median=tallied.median,
            p90=tallied.p90,
            coverage=tallied.coverage,
            interval=median(check.high_s / check.estimate_s for check in checks),
            goal_median=0.08,
            goal_p90=None,
        ),
    ]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One runtime, precision and thread count of a device, and how far a new network's estimate is off."""

    device: str
    runtime: str
    precision: str
    threads: int
    rows: int
    networks: int
    median: float
    p90: float
    coverage: float
    interval: float
    note: str


def table(device: DeviceProfile) -> list[Line]:
    """Returns a line for each runtime, precision and published thread count of `device`, and for one thread."""
    lines = []
    for runtime, precision in known.cells(device):
        counts = {table.threads for table in known.tables_of(device, runtime, precision)} | {1}
        for threads in sorted(count for count in counts if count <= device.cpu.cores):
            found = calibrations.calibration(device, runtime, precision, threads)
            if found is not None:
                lines.append(line(device.name, found))
    return lines


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
        note=calibration.note or calibration.basis,
        **msgspec.structs.asdict(calibration.error),
    )


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A published latency that no fit has used, beside its estimate and the ends of its interval, in seconds.

    `error` is estimate / published - 1; `inside` is whether the interval holds the published figure.
    """

    device: str
    runtime: str
    precision: Precision
    threads: int
    network: str
    published_s: float
    estimate_s: float
    low_s: float
    high_s: float
    confidence: float = errors.CONFIDENCE
    error: float
    inside: bool
    source: str


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Several checks at once: |estimate / published - 1|, and the share of the figures inside their intervals."""

    rows: int
    median: float
    p90: float
    worst: float
    coverage: float


def unseen(device: str | None = None) -> list[Check]:
    """Returns a check for each row kept from the fits, of `device` or of all, that there is an estimate for."""
    checks = []
    for row in published.unseen():
        profile = load(row.device)
        calibration = calibrations.calibration(profile, row.runtime, row.precision, row.threads)
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
                error=interval.value / row.latency_s - 1,
                inside=interval.low <= row.latency_s <= interval.high,
                source=row.source,
            )
        )
    return checks


def tally(checks: Sequence[Check]) -> Tally:
    """Sums up at least one check; raises UsageError for none."""
    if not checks:
        raise UsageError("no published latency is kept from the fits for this device, so there is nothing to sum up")
    off = sorted(abs(check.error) for check in checks)
    covered = sum(check.inside for check in checks) / len(checks)
    p90 = off[math.ceil(errors.CONFIDENCE * len(off)) - 1]
    return Tally(rows=len(checks), median=median(off), p90=p90, worst=off[-1], coverage=covered)


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
        calibrations=tuple(table(load(device))),
        counted=tuple(each for each in of_counts().values() if each.device == device),
        unseen=tuple(checks),
        tally=tally(checks) if checks else None,
    )


def _reached_elsewhere(words: str, unit: str, precision: str, name: str, goal: float | None) -> Reached:
    return _compared(words, precision, accelerated.shipped()[unit, precision, name], goal, None)


def _reached(
    words: str,
    name: errors.Name,
    is_known: bool,
    precision: str,
    threads: str,
    goal_median: float | None,
    goal_p90: float | None,
) -> Reached:
    found = errors.shipped_cases()[name, is_known, errors.ANY, precision, threads]
    return _compared(words, precision, found, goal_median, goal_p90)


def _compared(
    words: str, precision: str, found: errors.Case | accelerated.Case, goal_median: float | None, goal_p90: float | None
) -> Reached:
    return Reached(
        case=words,
        precision=precision,
        rows=found.rows,
        median=found.median,
        p90=found.p90,
        coverage=found.coverage,
        interval=math.exp(found.spread),
        goal_median=goal_median,
        goal_p90=goal_p90,
    )
