"""Fits every calibration to the published rows and writes it into devices/*.toml: python -m edgebench.estimate.fit

What only has counts (counted_grid.py) follows them. The same rows give the same constants; tests/estimate/test_fit.py
holds the shipped ones to that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from edgebench.estimate import crossvalidation, regression
from edgebench.estimate.cells import Cell, Key, cells, pools
from edgebench.estimate.crossvalidation import DESIGNS, Errors, by_family, by_network, families, leave_out
from edgebench.estimate.form import CALIBRATION_ONLY, TERMS, Floats, shares
from edgebench.machines.profiles import Calibration, load
from edgebench.runtimes import runtime as entry

MARK: Final = (
    "# Calibrations, written by: python -m edgebench.estimate.fit (change the published rows, not these lines)"
)
FEWEST: Final = 4  # networks; fewer rows are no calibration
_BORROWED: Final = 1.5  # how much further off to expect to be than in cells of another precision or instruction set
_VISIBLE: Final = 0.01  # smaller shares are left out of the file


def calibrations() -> dict[str, list[Calibration]]:
    """Fits all pools, with every network and every family left out in turn; by device. Takes about a minute."""
    fitted: dict[str, list[Calibration]] = {}
    groups = [[cell for cell in pool if len(cell.observations) >= FEWEST] for pool in pools(cells())]
    unseen: dict[Key, Mapping[str, float]] = {}
    for pool in groups:
        unseen.update(leave_out(pool, by_family))
    for pool in groups:
        own = leave_out(pool, by_network)
        for cell, constants in zip(pool, regression.fit(pool), strict=True):
            shared = _shared(cell, [each for other in groups for each in other], unseen)
            made = calibration(cell, constants, own[cell.key], unseen, shared, _note(cell))
            fitted.setdefault(cell.key[0], []).append(made)
    return {device: sorted(found, key=_order) for device, found in sorted(fitted.items())}


def write(folder: Path, fitted: Mapping[str, Sequence[Calibration]]) -> None:
    """Replaces the calibrations at the end of each device file in `folder`."""
    for device, found in fitted.items():
        path = folder / f"{device}.toml"
        facts = path.read_text("utf-8").partition(MARK)[0].rstrip()
        text = "\n\n".join([facts, MARK, *(toml(each) for each in found)])
        partial = path.with_suffix(".partial")
        partial.write_text(text + "\n", "utf-8")
        partial.replace(path)


def toml(calibration: Calibration) -> str:
    """One calibration as TOML, its numbers with four significant digits."""
    error = calibration.error
    lines = [
        "[[calibrations]]",
        f'runtime = "{calibration.runtime}"',
        f'precision = "{calibration.precision}"',
        f"threads = {calibration.threads}",
        f"constants = {{ {_pairs(calibration.constants)} }}",
        f"spread = {_number(calibration.spread)}",
        f"macs = [{_number(calibration.macs[0])}, {_number(calibration.macs[1])}]",
        f"rows = {calibration.rows}",
        f"networks = {calibration.networks}",
        f"seen = {{ {_pairs(calibration.seen)} }}",
        f"error = {{ median = {_number(error.median)}, worst = {_number(error.worst)}, "
        f"coverage = {_number(error.coverage)}, kendall_tau = {_number(error.kendall_tau)}, "
        f"new_design = {_number(error.new_design)} }}",
        f"sources = [{_strings(calibration.sources)}]",
    ]
    return "\n".join(lines + ([f'note = "{calibration.note}"'] if calibration.note else []))


def _shared(cell: Cell, everywhere: Sequence[Cell], unseen: Errors) -> list[float]:
    """Errors on left-out families in telling cells of this runtime: of this pool, else of any, and then enlarged."""
    telling = [each for each in everywhere if each.key[1] == cell.key[1] and families(each) >= DESIGNS]
    alike = [each for each in telling if each.pool[:3] == cell.pool[:3]]
    scale = 1.0 if alike else _BORROWED
    return [scale * error for each in alike or telling for error in unseen[each.key].values()]


def calibration(
    cell: Cell, constants: Floats, own: Mapping[str, float], unseen: Errors, shared: Sequence[float], note: str = ""
) -> Calibration:
    """One cell's constants with its rows and errors: `own` with networks left out, `unseen` with whole families.

    `shared` are such errors from elsewhere, for a cell with too few families.
    """
    _, runtime, precision, threads = cell.key
    macs = [each.macs for each in cell.observations]
    return Calibration(
        runtime=runtime,
        precision=precision,  # type: ignore[arg-type]  # the rows' precisions are checked when the TOML is read
        threads=threads,
        constants={term: float(value) for term, value in zip(TERMS, constants, strict=True) if _kept(term, runtime)},
        spread=crossvalidation.spread(cell, own, unseen[cell.key], shared),
        macs=(float(min(macs)), float(max(macs))),
        rows=sum(len(each.rows) for each in cell.observations),
        networks=len(cell.observations),
        seen=_seen(cell, constants),
        error=crossvalidation.summary(cell, own, unseen[cell.key], shared),
        sources=tuple(sorted({row.source for each in cell.observations for row in each.rows})),
        note=note,
    )


def _kept(term: str, runtime: str) -> bool:
    """Whether a network of ours can need `term`: some kernels are of a few runtimes only."""
    kernel = term.removesuffix("_io")
    return term not in CALIBRATION_ONLY and (
        kernel not in ("winograd", "normalize") or kernel in entry(runtime).kernels
    )


def _seen(cell: Cell, constants: Floats) -> dict[str, float]:
    """The largest share of the time that each term takes in one of the cell's networks."""
    largest: dict[str, float] = dict.fromkeys(TERMS, 0.0)
    named = dict(zip(TERMS, constants.tolist(), strict=True))
    for each in cell.observations:
        for term, share in shares(each.per_unit, each.machine, named).items():
            largest[term] = max(largest[term], share)
    return {term: share for term, share in largest.items() if share >= _VISIBLE and term not in CALIBRATION_ONLY}


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


def _order(calibration: Calibration) -> tuple[str, str, int]:
    return (calibration.runtime, calibration.precision, calibration.threads)


def _number(value: float) -> str:
    return f"{float(f'{value:.4g}')!r}"


def _pairs(values: Mapping[str, float]) -> str:
    return ", ".join(f"{key} = {_number(value)}" for key, value in values.items())


def _strings(values: Sequence[str]) -> str:
    return ", ".join(f'"{value}"' for value in values)


def main() -> None:
    """Writes all devices' files."""
    from edgebench.estimate import counted_grid  # which fits by this module

    fitted = calibrations()
    for device, more in counted_grid.calibrations().items():
        fitted[device] = [*fitted.get(device, []), *more]
    write(Path(__file__).resolve().parents[2] / "devices", fitted)


if __name__ == "__main__":
    main()
