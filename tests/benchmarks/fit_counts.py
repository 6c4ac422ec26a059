"""Fits the constants of counted instructions: `python tests/benchmarks/fit_counts.py` writes counts.toml anew.

For maintainers, after counts.csv or published.csv in edgebench/estimate/data have changed. A test fits them again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
from scipy.optimize import nnls

from edgebench.estimate import published
from edgebench.estimate.counts import (
    CORES,
    COUNTED,
    FEWEST,
    FORMS,
    PRECISIONS,
    CountedCalibration,
    counted_networks,
    quantities,
)
from edgebench.estimate.errors import quantile
from edgebench.estimate.form import Floats
from edgebench.ground.paths import write_atomically
from edgebench.ground.records import Precision
from edgebench.ground.toml import show
from edgebench.machines.profiles import load


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
    stated = {row.network: row.latency_s for row in published.published() if row.cell == key}
    counted = {name: each for name, each in counted_networks(CORES[device], precision).items() if name in stated}
    cycles = np.array([stated[name] for name in counted]) * clock
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
    constants: Floats = nnls(instructions / cycles[:, None], np.ones(len(cycles)))[0]
    return constants


def toml(fits: Iterable[CountedCalibration]) -> str:
    """The calibrations as counts.toml holds them, with four significant digits."""
    head = "# Written by: python tests/benchmarks/fit_counts.py (change counts.csv or published.csv, not these lines)"
    tables = []
    for each in fits:
        rounded = {name: float(f"{getattr(each, name):.4g}") for name in ("spread", "median", "worst")}
        cycles = {name: float(f"{value:.4g}") for name, value in each.cycles.items()}
        tables.append(msgspec.structs.asdict(each) | rounded | {"cycles": cycles})
    return f"{head}\n\n{show({'calibrations': tables})}"


if __name__ == "__main__":
    target = Path(__file__).parents[2] / "edgebench" / "estimate" / "data" / "counts.toml"
    write_atomically(target, toml(fitted()))
