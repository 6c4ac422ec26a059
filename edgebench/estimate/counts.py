"""Time from counted instructions: what each class of instruction takes, on networks with a published latency.

    latency = (sum over terms of cycles[term] * instructions) / clock

The terms are one for all instructions, or four groups of them, whichever errs less on networks left out of the fit;
with few networks, one. data/counts.csv holds one inference's instructions of ncnn's benchmark networks, counted under
emulation (tests/benchmarks/count_instructions.py). A core runs kernels of its own, so the counts are a core's, not a
device's. data/counts.toml holds the constants that tests/benchmarks/fit_counts.py fits on data/published.csv.

Leave-one-network-out on the Raspberry Pi 4 (14 networks, fp32, 1 thread) prefers the four groups (median error 5%,
worst 18%) to one constant (8%, 19%); the estimate from the graph comes as near (5%). On the Cortex-A53 of two other
boards memory holds up AlexNet and VGG-16, which no count shows, and that from the graph is nearer: see emulated.py.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

import msgspec
import numpy as np

from edgebench.estimate.form import Floats
from edgebench.estimate.published import text
from edgebench.ground.records import Interval, Precision
from edgebench.ground.tables import read_csv
from edgebench.machines.profiles import DeviceProfile, load
from edgebench.runtimes import computed_precision, every

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "multiply_add": ("float_fma",),
    "load": ("load", "vector_load"),
    "store": ("store", "vector_store"),
}
OTHER: Final = "other"  # what is in none of the groups
EVERY: Final = "instruction"
COUNTED: Final = next(each.name for each in every() if each.counted)  # the runtime of data/counts.csv
FORMS: Final = ((EVERY,), (*GROUPS, OTHER))
FEWEST: Final = 4  # networks for each term of a form
CONFIDENCE: Final = 0.9
BORROWED: Final = 2.0  # how much further off constants are taken to be in another runtime or device than in their own
CORES: Final = {"rpi3bplus": "cortex-a53", "rpi4": "cortex-a72", "rpi5": "cortex-a76", "rpizero2w": "cortex-a53"}
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "fp16", "int8")

Counts = Mapping[str, int]


class CountedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A network's instructions in one inference under emulation, by class (places.emulator.counting.CLASSES)."""

    core: str
    runtime: str = COUNTED
    precision: Precision
    network: str
    instructions: int
    scalar: int
    branch: int
    load: int
    store: int
    vector_load: int
    vector_store: int
    float_fma: int
    float_other: int
    vector_integer: int
    vector_multiply: int
    dot_product: int
    system: int

    def counts(self) -> dict[str, int]:
        """The instructions in all and of each class, as an emulated Measurement holds them."""
        named = msgspec.structs.asdict(self)
        return {name: value for name, value in named.items() if isinstance(value, int)}


class CountedCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """Cycles an instruction of each term takes, one thread, and the errors on networks left out of the fit.

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


def interval(counts: Counts, calibration: CountedCalibration, clock_hz: float, wider: float = 1.0) -> Interval:
    """The latency with its 90% interval, `wider` times as wide (in ln) as the calibration's own."""
    value, spread = seconds(counts, calibration, clock_hz), wider * calibration.spread
    return Interval(value=value, low=value * math.exp(-spread), high=value * math.exp(spread), confidence=CONFIDENCE)


def seconds(counts: Counts, calibration: CountedCalibration, clock_hz: float) -> float:
    """The latency of an inference that executes `counts`, by these constants at this clock."""
    return float(quantities(counts, calibration.cycles) @ np.array([*calibration.cycles.values()])) / clock_hz


def nearest(device: DeviceProfile, runtime: str, precision: Precision) -> CountedCalibration | None:
    """The constants of this device and runtime, else of another runtime on it, else of another device of this core.

    Instructions are a core's own, so those of another runtime are a guide and no more; None where there is nothing.
    """
    wanted = computed_precision(runtime, precision, device.cpu.isa)
    alike = [
        (each.device != device.name, each.runtime != runtime, each)
        for each in calibrations().values()
        if each.precision == wanted and load(each.device).cpu.core == device.cpu.core
    ]
    return min(alike, key=lambda each: each[:2])[2] if alike else None


@cache
def calibrations() -> dict[tuple[str, str, str], CountedCalibration]:
    """The shipped constants by device, runtime and precision."""
    tables = tomllib.loads(text("counts.toml"))["calibrations"]
    shipped = msgspec.convert(tables, list[CountedCalibration])
    return {(each.device, each.runtime, each.precision): each for each in shipped}


def quantities(counts: Counts, terms: Iterable[str]) -> Floats:
    """Instructions of each term of a form."""
    known = {term: sum(counts[name] for name in names) for term, names in GROUPS.items()}
    total = counts["instructions"]
    amounts = known | {OTHER: total - sum(known.values()), EVERY: total}
    return np.array([amounts[term] for term in terms], dtype=float)


def counted_networks(core: str, precision: Precision = "fp32") -> dict[str, dict[str, int]]:
    """The counts of every network that was emulated on `core`, by the name that published.csv gives it."""
    rows = read_csv(text("counts.csv"), CountedRow)
    return {row.network: row.counts() for row in rows if (row.core, row.precision) == (core, precision)}
