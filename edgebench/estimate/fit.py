"""Fits every calibration to the published rows and writes it into devices/*.toml: python -m edgebench.estimate.fit

What only has counts (grid.py) follows them. The same rows give the same constants; tests/estimate/test_fit.py
holds the shipped ones to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from edgebench.estimate import grid, regression
from edgebench.estimate.crossvalidation import DESIGNS, Errors, calibration, families, leave_out
from edgebench.estimate.reference import Cell, Key, cells, pools
from edgebench.ground.paths import write_atomically
from edgebench.ground.toml import show
from edgebench.machines.profiles import Calibration, load

MARK: Final = (
    "# Calibrations, written by: python -m edgebench.estimate.fit (change the published rows, not these lines)"
)
FEWEST: Final = 4  # networks; fewer rows are no calibration
_BORROWED: Final = 1.5  # how much further off to expect to be than in cells of another precision or instruction set


def calibrations() -> dict[str, list[Calibration]]:
    """Fits all pools, with every network and every family left out in turn; by device. Takes about a minute."""
    fitted: dict[str, list[Calibration]] = {}
    groups = [[cell for cell in pool if len(cell.observations) >= FEWEST] for pool in pools(cells())]
    unseen: dict[Key, Mapping[str, float]] = {}
    for pool in groups:
        unseen.update(leave_out(pool, "family"))
    for pool in groups:
        own = leave_out(pool, "network")
        for cell, constants in zip(pool, regression.fit(pool), strict=True):
            shared = _shared(cell, [each for other in groups for each in other], unseen)
            made = calibration(cell, constants, own[cell.key], unseen, shared, _note(cell))
            fitted.setdefault(cell.key[0], []).append(made)
    in_order = attrgetter("runtime", "precision", "threads")
    return {device: sorted(made, key=in_order) for device, made in sorted(fitted.items())}


def write(folder: Path, fitted: Mapping[str, Sequence[Calibration]]) -> None:
    """Replaces the calibrations at the end of each device file in `folder`."""
    for device, made in fitted.items():
        path = folder / f"{device}.toml"
        facts = path.read_text("utf-8").partition(MARK)[0].rstrip()
        write_atomically(path, f"{facts}\n\n{MARK}\n\n{toml(made)}")


def toml(calibrations: Iterable[Calibration]) -> str:
    """Calibrations as TOML, their numbers with four significant digits."""
    tables = [dict(_rounded(msgspec.to_builtins(each))) for each in calibrations]
    return show({"calibrations": [{key: value for key, value in table.items() if value != ""} for table in tables]})


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(held) for held in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _shared(cell: Cell, everywhere: Sequence[Cell], unseen: Errors) -> list[float]:
    """Errors on left-out families in telling cells of this runtime: of this pool, else of any, and then enlarged."""
    telling = [each for each in everywhere if each.key[1] == cell.key[1] and families(each) >= DESIGNS]
    alike = [each for each in telling if each.pool[:3] == cell.pool[:3]]
    scale = 1.0 if alike else _BORROWED
    return [scale * error for each in alike or telling for error in unseen[each.key].values()]


def _note(cell: Cell) -> str:
    notes = []
    clocks = {each.machine.clock_hz for each in cell.observations}
    stated = load(cell.key[0]).cpu.clock_hz
    if clocks != {stated} and stated:
        shown = " and ".join(f"{clock / 1e9:g}" for clock in sorted(clocks))
        notes.append(f"the rows ran at {shown} GHz; computing is scaled to {stated / 1e9:g} GHz")
    if families(cell) < DESIGNS:
        designs = " and ".join(sorted({each.family for each in cell.observations}))
        notes.append(f"rows of {designs} only: the interval is that of left-out designs elsewhere on this runtime")
    return "; ".join(notes)


def main() -> None:
    """Writes all devices' files."""
    fitted = calibrations()
    for device, more in grid.calibrations().items():
        fitted[device] = [*fitted.get(device, []), *more]
    write(Path(__file__).resolve().parents[2] / "devices", fitted)


if __name__ == "__main__":
    main()
