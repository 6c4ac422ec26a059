"""Time from counted instructions: what each class of instruction takes, on networks with a published latency.

    latency = (sum over groups of cycles[group] * instructions) / clock

data/counts.csv holds one inference's instructions of ncnn's benchmark networks, counted under emulation
(tests/benchmarks/count_instructions.py). A core runs kernels of its own, so the counts are a core's, not a device's.
data/counts.toml holds the constants that `python -m edgebench.estimate.counts` fits on data/published.csv.

Leave-one-network-out on the Raspberry Pi 4 (14 networks, fp32, 1 thread) prefers the four groups below (median error
5%, worst 18%) to one constant for all instructions (8%, 19%). On the Cortex-A53 of two other boards the same form errs
by 8% and 10%, worst 35% and 49%, since memory holds up AlexNet and VGG-16 there: the estimate from the graph is nearer
(6% and 4%), so these have no constants here.
"""

from __future__ import annotations

import csv
import math
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
import numpy as np

from edgebench.estimate import reference
from edgebench.estimate.form import Floats
from edgebench.profiles import DeviceProfile, load
from edgebench.records import Interval, Precision

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "multiply_add": ("float_fma",),
    "load": ("load", "vector_load"),
    "store": ("store", "vector_store"),
}
OTHER: Final = "other"
CONFIDENCE: Final = 0.9
CORES: Final = {"rpi4": "cortex-a72"}

_DATA: Final = "edgebench.estimate"

Counts = Mapping[str, int]


class CountedCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """Cycles an instruction of each group takes, one thread, and the errors on networks left out of the fit.

    `spread` is the half-width of the 90% interval of ln(published / estimate).
    """

    device: str
    runtime: str
    precision: Precision
    cycles: dict[str, float]
    spread: float
    networks: int
    median: float
    worst: float


def time_from_counts(
    counts: Counts, device: DeviceProfile, runtime: str, precision: Precision
) -> tuple[Interval, CountedCalibration] | None:
    """The latency of an inference that executes `counts` on one thread of `device`, with its 90% interval.

    `counts` are by class, as an emulated Measurement holds them. None where nothing is calibrated for the runtime and
    precision, or the device's clock is not known.
    """
    key = (device.name, runtime, device.computed_precision(runtime, precision))
    found = calibrations().get(key)
    if found is None or device.cpu.clock_hz is None:
        return None
    value = float(grouped(counts) @ _vector(found.cycles)) / device.cpu.clock_hz
    ends = value * math.exp(-found.spread), value * math.exp(found.spread)
    return Interval(value=value, low=ends[0], high=ends[1], confidence=CONFIDENCE), found


@cache
def calibrations() -> dict[tuple[str, str, str], CountedCalibration]:
    """The shipped constants by device, runtime and precision."""
    tables = tomllib.loads(_text("counts.toml"))["calibrations"]
    found = msgspec.convert(tables, list[CountedCalibration])
    return {(each.device, each.runtime, each.precision): each for each in found}


def grouped(counts: Counts) -> Floats:
    """Instructions of each group, what is in none last."""
    known = [sum(counts[name] for name in names) for names in GROUPS.values()]
    return np.array([*known, counts["instructions"] - sum(known)], dtype=float)


def fit(device: str, runtime: str = "ncnn", precision: Precision = "fp32") -> CountedCalibration:
    """Fits the groups' cycles to the device's published rows at one thread, each network left out in turn."""
    clock = load(device).cpu.clock_hz or 1.0
    key = (device, runtime, precision, 1)
    published = {row.network: row.latency_s for row in reference.published() if row.cell == key}
    counted = {name: grouped(counts) for name, counts in counted_networks(CORES[device]).items() if name in published}
    instructions = np.array(list(counted.values()))
    cycles = np.array([published[name] for name in counted]) * clock
    errors = [_left_out(instructions, cycles, index) for index in range(len(counted))]
    off = [abs(math.expm1(error)) for error in errors]
    return CountedCalibration(
        device=device,
        runtime=runtime,
        precision=precision,
        cycles=dict(zip((*GROUPS, OTHER), solve(instructions, cycles).tolist(), strict=True)),
        spread=_quantile(errors),
        networks=len(counted),
        median=median(off),
        worst=max(off),
    )


def solve(instructions: Floats, cycles: Floats) -> Floats:
    """The cycles of each group that are not negative and least off, relative to each network's `cycles`."""
    from scipy.optimize import nnls

    found: Floats = nnls(instructions / cycles[:, None], np.ones(len(cycles)))[0]
    return found


def counted_networks(core: str) -> dict[str, dict[str, int]]:
    """The counts of every network that was emulated on `core`, by the name that published.csv gives it."""
    rows = csv.DictReader(_text("counts.csv").splitlines())
    return {
        row["network"]: {name: int(value) for name, value in row.items() if name not in ("core", "network")}
        for row in rows
        if row["core"] == core
    }


def toml(found: Sequence[CountedCalibration]) -> str:
    """The calibrations as counts.toml holds them, with four significant digits."""
    parts = ["# Written by: python -m edgebench.estimate.counts (change counts.csv or published.csv, not these lines)"]
    for each in found:
        cycles = ", ".join(f"{name} = {value:.4g}" for name, value in each.cycles.items())
        lines = ["[[calibrations]]"]
        lines += [f'{name} = "{getattr(each, name)}"' for name in ("device", "runtime", "precision")]
        lines += [f"cycles = {{ {cycles} }}", f"networks = {each.networks}"]
        lines += [f"{name} = {getattr(each, name):.4g}" for name in ("spread", "median", "worst")]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _left_out(instructions: Floats, cycles: Floats, index: int) -> float:
    """ln(estimate / published) of one network, fitted on the others."""
    others = np.arange(len(cycles)) != index
    constants = solve(instructions[others], cycles[others])
    return math.log(float(instructions[index] @ constants) / cycles[index])


def _quantile(errors: Sequence[float]) -> float:
    from edgebench.estimate.crossvalidation import quantile

    return quantile(errors)


def _vector(cycles: Mapping[str, float]) -> Floats:
    return np.array([cycles[name] for name in (*GROUPS, OTHER)])


def _text(name: str) -> str:
    return (resources.files(_DATA) / "data" / name).read_text("utf-8")


if __name__ == "__main__":
    text = toml([fit(device) for device in CORES])
    target = Path(__file__).parent / "data" / "counts.toml"
    partial = target.with_suffix(".partial")
    partial.write_text(text, "utf-8")
    partial.replace(target)
