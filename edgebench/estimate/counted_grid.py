"""Calibrations from counts alone, for a core's runtimes that no latency was published for.

data/grid.csv holds the instructions of the calibration grid's networks, counted under emulation on each core
(tests/benchmarks/count_grid.py). They become times by the constants of another runtime on the same core, and the form
of a latency is fitted to these: what `edgebench device calibrate NAME` does, shipped. How far such a time is off cannot
be seen where nothing is published; where something is, `check` tells. On the Cortex-A72 that is 7%; on the Cortex-A53
it is 21%, too much to ship.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from importlib import resources
from typing import Final

from edgebench.estimate import counts, grid, user_calibration
from edgebench.estimate.estimator import calibration_for, latency_interval
from edgebench.estimate.work import works
from edgebench.ground.records import ModelSpec, Precision
from edgebench.machines.profiles import Calibration, DeviceProfile, load
from edgebench.models.sketch import sketch

Counted = list[tuple[ModelSpec, dict[str, int]]]

DEVICES: Final = ("rpi4",)
KEYS: Final = ("core", "runtime", "precision", "network")


def calibrations() -> dict[str, list[Calibration]]:
    """Fits every runtime and precision of a device that has counts and no published row; by device."""
    found: dict[str, list[Calibration]] = {}
    for device, runtime, precision in sorted(_cells()):
        profile = load(device)
        if not _is_published(profile, runtime, precision):
            found.setdefault(device, []).append(_fit(profile, runtime, precision))
    return found


def check(device: str, runtime: str, precision: Precision = "fp32") -> list[float]:
    """ln(time by counts / estimate from published rows) of the grid's networks, for a cell that has both."""
    profile = load(device)
    calibration = calibration_for(profile, runtime, precision, 1)
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
    specs = {spec.key: spec for spec in grid.specs()}
    wanted = [core, runtime, precision]
    return [
        (specs[row["network"]], {name: int(value) for name, value in row.items() if name not in KEYS})
        for row in _rows()
        if [row[name] for name in KEYS[:3]] == wanted and row["network"] in specs
    ]


def _fit(profile: DeviceProfile, runtime: str, precision: Precision) -> Calibration:
    figures, basis = user_calibration.counted(
        profile, runtime, precision, counted(counts.CORES[profile.name], runtime, precision)
    )
    return user_calibration.calibrate(profile, runtime, precision, 1, figures, basis)


def _cells() -> Iterator[tuple[str, str, Precision]]:
    """Every device, runtime and precision with counts of its core, and constants that make them times."""
    known = {(row["core"], row["runtime"], row["precision"]) for row in _rows()}
    for device in DEVICES:
        for of, runtime, precision in known:
            if of == counts.CORES[device] and counts.nearest(load(device), runtime, precision):  # type: ignore[arg-type]
                yield device, runtime, precision  # type: ignore[misc]


def _is_published(profile: DeviceProfile, runtime: str, precision: Precision) -> bool:
    from edgebench.estimate import reference

    return any(row.cell == (profile.name, runtime, precision, 1) for row in reference.published())


def _rows() -> list[dict[str, str]]:
    text = (resources.files("edgebench.estimate") / "data" / "grid.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))
