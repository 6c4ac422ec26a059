"""The shipped calibrations are what the shipped rows give."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from edgebench.estimate import fit, grid, regression
from edgebench.estimate.crossvalidation import leave_out
from edgebench.estimate.form import TERMS
from edgebench.estimate.reference import cells, pools
from edgebench.machines.profiles import Calibration, LeaveOneOut, load, parse

POOLS = [[cell for cell in pool if len(cell.observations) >= fit.FEWEST] for pool in pools(cells())]


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: "-".join(map(str, pool[0].pool)))
def test_shipped_constants_are_the_fit(pool: list) -> None:
    for cell, constants in zip(pool, regression.fit(pool), strict=True):
        device, *key = cell.key
        shipped = load(device).calibration(*key)
        assert shipped is not None, cell.key
        wanted = dict(zip(TERMS, constants, strict=True))
        assert shipped.constants == pytest.approx({term: wanted[term] for term in shipped.constants}, rel=0.02)
        assert shipped.networks == len(cell.observations)


def test_every_shipped_calibration_has_rows() -> None:
    fitted = {cell.key for pool in POOLS for cell in pool}
    fitted |= {(device, *each.cell) for device, made in grid.calibrations().items() for each in made}
    shipped = {
        (device, each.runtime, each.precision, each.threads)
        for device in {key[0] for key in fitted}
        for each in load(device).calibrations
    }
    assert shipped == fitted


def test_shipped_errors_are_those_of_left_out_networks() -> None:
    pool = next(pool for pool in POOLS if pool[0].pool == ("litert", "fp32", "arm", False))
    errors = leave_out(pool, "network")[("rpi4", "litert", "fp32", 1)]
    shipped = load("rpi4").calibration("litert", "fp32", 1)
    assert shipped is not None
    off = np.abs(np.expm1(list(errors.values())))
    assert shipped.error.median == pytest.approx(np.median(off), abs=0.003)
    assert shipped.error.worst == pytest.approx(off.max(), abs=0.01)


CALIBRATION = Calibration(
    runtime="litert",
    precision="fp32",
    threads=2,
    constants={"gemm": 0.3123456, "operator": 12000.0},
    spread=0.2,
    macs=(1e6, 2e9),
    rows=7,
    networks=6,
    seen={"gemm": 0.9},
    error=LeaveOneOut(median=0.05, worst=0.2, coverage=0.9, kendall_tau=1.0, new_design=0.1),
    sources=("a page",),
    note="a note",
)


def test_a_calibration_survives_the_file(tmp_path: Path) -> None:
    board = load("rpizero2w")
    facts = 'name = "board"\ntitle = "B"\n\n[cpu]\nsoc = "S"\ncore = "C"\ncores = 2\nisa = "armv8-a"\n'
    (tmp_path / "board.toml").write_text(facts)
    for _ in range(2):  # writing again replaces
        fit.write(tmp_path, {"board": [CALIBRATION]})
    text = (tmp_path / "board.toml").read_text()
    assert text.startswith(facts.rstrip())
    (found,) = parse(text, "board", "board.toml").calibrations
    assert found.constants == {"gemm": 0.3123, "operator": 12000.0}
    assert (found.macs, found.error, found.note) == (CALIBRATION.macs, CALIBRATION.error, "a note")
    assert len(tomllib.loads(text)["calibrations"]) == 1
    assert board.calibrations
