"""A device's constants from a user's own figures: one latency a network of the grid, measured there or counted.

The form, the fit and the errors are those of the shipped calibrations; only the rows are others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from msgspec.structs import replace

from edgebench.estimate import counts, crossvalidation, regression
from edgebench.estimate.form import features, machine_of
from edgebench.estimate.reference import Cell, Observation, Row
from edgebench.estimate.work import works
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Measurement, ModelSpec, Precision
from edgebench.machines.profiles import Calibration, DeviceProfile
from edgebench.models.sketch import sketch

FEWEST: Final = 8  # networks; with fewer the errors on those left out say nothing


@dataclass(frozen=True)
class Figure:
    """A zoo network's latency on the device."""

    model: ModelSpec
    latency_s: float


@dataclass(frozen=True)
class Basis:
    """What the figures are: in words, and how far they themselves are off where they are not a clock's.

    `median` is that error, `spread` the half-width of its 90% interval in ln; both are zero for measured figures.
    """

    source: str
    note: str = ""
    median: float = 0.0
    spread: float = 0.0


def calibrate(
    device: DeviceProfile, runtime: str, precision: Precision, threads: int, figures: Sequence[Figure], basis: Basis
) -> Calibration:
    """Fits the form's constants to `figures`, with every network and every design left out in turn.

    Raises UsageError for fewer than FEWEST figures, and when the profile lacks a fact that the form needs.
    """
    if len(figures) < FEWEST:
        raise UsageError(f"{len(figures)} networks ran, and a calibration needs {FEWEST}: see what failed, and repeat")
    observations = [_observation(device, runtime, precision, threads, each, basis.source) for each in figures]
    cell = Cell((device.name, runtime, precision, threads), tuple(observations))
    own = crossvalidation.leave_out([cell], "network")[cell.key]
    unseen = crossvalidation.leave_out([cell], "family")
    shared = list(unseen[cell.key].values())
    [constants] = regression.fit([cell])
    fitted = crossvalidation.calibration(cell, constants, own, unseen, shared, basis.note)
    # The figures' own error and that of the fit are independent, so they add as squares.
    error = replace(
        fitted.error,
        median=math.hypot(fitted.error.median, basis.median),
        new_design=math.hypot(fitted.error.new_design, basis.median),
    )
    return replace(fitted, spread=math.hypot(fitted.spread, basis.spread), error=error)


def measured(results: Sequence[Measurement]) -> tuple[list[Figure], Basis]:
    """The medians over processes of what was timed on the device."""
    figures = [Figure(each.model, median(map(median, each.latency_s))) for each in results if each.latency_s]
    day = max((each.time[:10] for each in results), default="")
    return figures, Basis(f"measured on the device itself, {day}")


def counted(
    device: DeviceProfile, runtime: str, precision: Precision, results: Sequence[tuple[ModelSpec, counts.Counts]]
) -> tuple[list[Figure], Basis]:
    """Times of instructions that were counted under emulation, by the device's own constants or the nearest there are.

    Raises UsageError where no published latency says what an instruction takes on this core.
    """
    constants, clock_hz = counts.nearest(device, runtime, precision), device.cpu.clock_hz
    if constants is None or clock_hz is None:
        raise UsageError(
            f"nothing says how long {precision} instructions take on {device.name} ({device.cpu.core}): connect a board"
        )
    figures = [Figure(model, counts.seconds(each, constants, clock_hz)) for model, each in results if each]
    own = (constants.device, constants.runtime) == (device.name, runtime)
    scale = 1.0 if own else counts.BORROWED
    note = (
        f"not measured: counted instructions, with {constants.runtime} {constants.precision}'s constants of "
        f"{constants.device}, which are off by {constants.median:.0%} (median)"
    )
    if not own:
        note += "; how far they are off for this runtime or device is not known, and the interval allows for twice that"
    basis = Basis("instructions counted under emulation", note, scale * constants.median, scale * constants.spread)
    return figures, basis


def _observation(
    device: DeviceProfile, runtime: str, precision: Precision, threads: int, figure: Figure, source: str
) -> Observation:
    machine = machine_of(device)
    kernels = works(sketch(figure.model), runtime)
    name = figure.model.key
    return Observation(
        network=name,
        family=figure.model.family,
        latency_s=figure.latency_s,
        machine=machine,
        per_unit=features(kernels, precision, machine.cache_bytes).seconds(machine),
        macs=sum(work.macs for work in kernels),
        rows=(
            Row(
                device=device.name,
                runtime=runtime,
                precision=precision,
                threads=threads,
                network=name,
                latency_ms=1e3 * figure.latency_s,
                source=source,
            ),
        ),
    )
