"""Time from counted instructions: what each class of instruction takes, on networks with a published latency.

    latency = (sum over terms of cycles[term] * instructions) / clock

The terms are one for all instructions, or four groups of them, whichever errs less on networks left out of the fit;
with few networks, one. data/counts.csv holds one inference's instructions of ncnn's benchmark networks, counted under
emulation (tests/benchmarks/count_instructions.py). A core runs kernels of its own, so the counts are a core's, not a
device's. data/counts.toml holds the constants that `python -m edgebench.estimate.counts` fits on data/published.csv.

Leave-one-network-out on the Raspberry Pi 4 (14 networks, fp32, 1 thread) prefers the four groups (median error 5%,
worst 18%) to one constant (8%, 19%) and to the estimate from the graph (8%). On the Cortex-A53 of two other boards
memory holds up AlexNet and VGG-16, which no count shows, and the estimate from the graph is nearer: see emulated.py.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
import numpy as np

from edgebench.estimate import reference
from edgebench.estimate.form import Floats
from edgebench.ground.paths import write_atomically
from edgebench.ground.records import Interval, Precision
from edgebench.ground.tables import read_csv
from edgebench.ground.toml import show
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
    tables = tomllib.loads(reference.text("counts.toml"))["calibrations"]
    shipped = msgspec.convert(tables, list[CountedCalibration])
    return {(each.device, each.runtime, each.precision): each for each in shipped}


def quantities(counts: Counts, terms: Iterable[str]) -> Floats:
    """Instructions of each term of a form."""
    known = {term: sum(counts[name] for name in names) for term, names in GROUPS.items()}
    total = counts["instructions"]
    amounts = known | {OTHER: total - sum(known.values()), EVERY: total}
    return np.array([amounts[term] for term in terms], dtype=float)


def fitted() -> list[CountedCalibration]:
    """Fits every device and precision that has enough networks, published and counted."""
    fits = [fit(device, precision=precision) for device in CORES for precision in PRECISIONS]
    return [each for each in fits if each is not None]


def fit(device: str, runtime: str = COUNTED, precision: Precision = "fp32") -> CountedCalibration | None:
    """Fits a device's cycles to its published rows at one thread, each network left out in turn.

    The form is the one with the least median error on those left out; None for fewer networks than one term needs.
    """
    clock = load(device).cpu.clock_hz or 1.0
    key = (device, runtime, precision, 1)
    published = {row.network: row.latency_s for row in reference.published() if row.cell == key}
    counted = {name: each for name, each in counted_networks(CORES[device], precision).items() if name in published}
    cycles = np.array([published[name] for name in counted]) * clock
    fits = []
    for form in FORMS:
        # A term that one network decides errs by what that network is.
        if len(counted) >= (FEWEST if len(form) == 1 else 3 * len(form)):
            instructions = np.array([quantities(each, form) for each in counted.values()])
            errors = []  # ln(estimate / published) of each network, fitted on the others
            for index, others in enumerate(~np.eye(len(cycles), dtype=bool)):
                estimated = float(instructions[index] @ solve(instructions[others], cycles[others]))
                errors.append(math.log(estimated / cycles[index]))
            constants = dict(zip(form, solve(instructions, cycles).tolist(), strict=True))
            from edgebench.estimate.crossvalidation import quantile  # which needs scipy, and estimating does not

            off = [abs(math.expm1(error)) for error in errors]
            fits.append(
                CountedCalibration(
                    device=device,
                    runtime=runtime,
                    precision=precision,
                    cycles=constants,
                    spread=quantile(errors),
                    networks=len(errors),
                    median=median(off),
                    worst=max(off),
                )
            )
    return min(fits, key=lambda each: each.median, default=None)


def solve(instructions: Floats, cycles: Floats) -> Floats:
    """The cycles of each term that are not negative and least off, relative to each network's `cycles`."""
    from scipy.optimize import nnls

    constants: Floats = nnls(instructions / cycles[:, None], np.ones(len(cycles)))[0]
    return constants


def counted_networks(core: str, precision: Precision = "fp32") -> dict[str, dict[str, int]]:
    """The counts of every network that was emulated on `core`, by the name that published.csv gives it."""
    rows = read_csv(reference.text("counts.csv"), CountedRow)
    return {row.network: row.counts() for row in rows if (row.core, row.precision) == (core, precision)}


def toml(fits: Iterable[CountedCalibration]) -> str:
    """The calibrations as counts.toml holds them, with four significant digits."""
    head = "# Written by: python -m edgebench.estimate.counts (change counts.csv or published.csv, not these lines)"
    tables = []
    for each in fits:
        rounded = {name: float(f"{getattr(each, name):.4g}") for name in ("spread", "median", "worst")}
        cycles = {name: float(f"{value:.4g}") for name, value in each.cycles.items()}
        tables.append(msgspec.structs.asdict(each) | rounded | {"cycles": cycles})
    return f"{head}\n\n{show({'calibrations': tables})}"


if __name__ == "__main__":
    write_atomically(Path(__file__).parent / "data" / "counts.toml", toml(fitted()))
