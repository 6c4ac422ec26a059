"""The networks that a calibration runs: small ones whose times are made of different things.

Together they span what the form of a latency has a constant for (see form.py): wide and narrow convolutions, 1x1, 3x3
and larger, depthwise ones, big dense layers, sigmoids, normalisation, many small operators. None takes longer than
60 ms on a Raspberry Pi 4, all together 0.4 s, which is a minute under an emulator.

data/grid.csv holds their instructions, counted under emulation on each core (tests/benchmarks/count_grid.py), for a
core's runtimes that no latency was published for. They become times by the constants of another runtime on the same
core, and the form is fitted to these: what `edgebench device calibrate NAME` does, shipped. How far such a time is off
cannot be seen where nothing is published; where something is, `check` tells. On the Cortex-A72 that is 7%; on the
Cortex-A53 it is 21%, too much to ship.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypedDict

from edgebench import models
from edgebench.estimate import calibrations as shipped
from edgebench.estimate import counts, user_calibration
from edgebench.estimate.counts import CountedRow
from edgebench.estimate.estimator import latency_interval
from edgebench.estimate.published import published, text
from edgebench.estimate.work import works
from edgebench.ground.errors import UsageError
from edgebench.ground.paths import write_atomically
from edgebench.ground.records import ModelSpec, Precision
from edgebench.ground.tables import read_csv
from edgebench.machines.profiles import Calibration, load
from edgebench.models.sketch import sketch

Counted = list[tuple[ModelSpec, dict[str, int]]]

DEVICES: Final = ("rpi4",)
MARK: Final = "# Calibrations, written by: python -m edgebench.estimate.grid (change the counts, not these lines)"


class Size(TypedDict, total=False):
    """What differs from a network's own scaling point."""

    width: float
    resolution: int


GRID: Final[tuple[tuple[str, Size], ...]] = (
    ("lenet5", {}),
    ("mobilenetv1", {"width": 0.25, "resolution": 128}),
    ("mobilenetv1", {"width": 0.5, "resolution": 192}),
    ("mobilenetv1", {"resolution": 96}),
    ("mobilenetv2", {"width": 0.35, "resolution": 96}),
    ("mobilenetv2", {"width": 0.5, "resolution": 224}),
    ("mobilenetv2", {"width": 1.4, "resolution": 96}),
    ("efficientnet_lite0", {"resolution": 96}),
    ("efficientnet_lite0", {"width": 0.5, "resolution": 160}),
    ("efficientnet_b0", {"resolution": 64}),
    ("efficientnet_b0", {"width": 0.5, "resolution": 128}),
    ("resnet18", {"resolution": 64}),
    ("resnet18", {"width": 0.25, "resolution": 160}),
    ("resnet50", {"width": 0.5, "resolution": 64}),
    ("vgg16", {"width": 0.25, "resolution": 96}),
    ("alexnet", {"width": 0.5}),
    ("googlenet", {"resolution": 64}),
    ("googlenet", {"width": 0.5, "resolution": 128}),
    ("nin", {"resolution": 96}),
)


# The order in which they tell most: one of middle size sets the scale, then those that are least like it.
FIRST: Final = (5, 11, 10, 15, 2, 17, 7, 14, 3, 0)


def specs(most: int | None = None) -> list[ModelSpec]:
    """The grid's networks, or the `most` that tell most. Raises UsageError for none."""
    if most is not None and most < 1:
        raise UsageError(f"{most} networks to calibrate on: give 1 or more, up to {len(GRID)}")
    first = [number for number in FIRST if number < len(GRID)]
    order = [*first, *(number for number in range(len(GRID)) if number not in first)]
    chosen = range(len(GRID)) if most is None else order[:most]
    return [models.resolve(GRID[number][0], **GRID[number][1]) for number in chosen]


def calibrations() -> dict[str, list[Calibration]]:
    """Fits every runtime and precision of a device that has counts and no published row; by device."""
    fitted: dict[str, list[Calibration]] = {}
    for device, runtime, precision in sorted(_cells()):
        profile = load(device)
        if not any(row.cell == (profile.name, runtime, precision, 1) for row in published()):
            figures, basis = user_calibration.counted(
                profile, runtime, precision, counted(counts.CORES[profile.name], runtime, precision)
            )
            fitted.setdefault(device, []).append(
                user_calibration.calibrate(profile, runtime, precision, 1, figures, basis)
            )
    return fitted


def check(device: str, runtime: str, precision: Precision = "fp32") -> list[float]:
    """ln(time by counts / estimate from published rows) of the grid's networks, for a cell that has both."""
    profile = load(device)
    calibration = shipped.calibration(profile, runtime, precision, 1)
    if calibration is None:
        return []
    figures, _ = user_calibration.counted(
        profile, runtime, precision, counted(counts.CORES[device], runtime, precision)
    )
    return [
        math.log(each.latency_s / latency_interval(works(sketch(each.model), runtime), profile, calibration)[0].value)
        for each in figures
    ]


def counted(core: str, runtime: str, precision: Precision) -> Counted:
    """The grid's networks with the instructions of one inference each, by class."""
    known = {spec.key: spec for spec in specs()}
    return [
        (known[row.network], row.counts())
        for row in _rows()
        if (row.core, row.runtime, row.precision) == (core, runtime, precision) and row.network in known
    ]


def _cells() -> Iterator[tuple[str, str, Precision]]:
    """Every device, runtime and precision with counts of its core, and constants that make them times."""
    known = {(row.core, row.runtime, row.precision) for row in _rows()}
    for device in DEVICES:
        for core, runtime, precision in known:
            if core == counts.CORES[device] and counts.nearest(load(device), runtime, precision):
                yield device, runtime, precision


def _rows() -> list[CountedRow]:
    return list(read_csv(text("grid.csv"), CountedRow))


def main() -> None:
    """Writes the calibrations that rest on counts to the end of their devices' files."""
    for device, made in calibrations().items():
        path = Path(__file__).resolve().parents[2] / "devices" / f"{device}.toml"
        facts = path.read_text("utf-8").partition(MARK)[0].rstrip()
        write_atomically(path, f"{facts}\n\n{MARK}\n\n{user_calibration.toml(made)}")


if __name__ == "__main__":
    main()
