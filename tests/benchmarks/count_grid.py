"""Counts the calibration grid: python tests/benchmarks/count_grid.py DEVICE FORMAT [PRECISION]

Appends to edgebench/estimate/data/grid.csv what is not there yet for the device's core; needs the device's bundle
(`edgebench device setup`). A format takes some five minutes; a run that was cut goes on.
"""

import sys
from pathlib import Path

from edgebench.estimate import grid
from edgebench.estimate.counts import CountedRow
from edgebench.ground.paths import cache_folder
from edgebench.ground.records import Measurement
from edgebench.ground.tables import read_csv
from edgebench.machines import profiles
from edgebench.places.emulator.counting import CLASSES, TOTAL
from edgebench.places.emulator.fakecpu import core_of
from edgebench.run import engine, mode, plan
from edgebench.run.plan import Cell

TARGET = Path(__file__).resolve().parents[2] / "edgebench" / "estimate" / "data" / "grid.csv"


def main(name: str, form: str, precision: str = "fp32") -> None:
    """Counts what is missing, network by network."""
    device = profiles.load(name)
    core = core_of(device).qemu
    rows = read_csv(TARGET.read_text(), CountedRow)
    known = {(row.core, row.runtime, row.precision, row.network) for row in rows}
    cells = [Cell(export=each, model=s) for s in grid.specs() for each in plan.export_specs([form], [precision])]
    folder = cache_folder() / "calibrate" / "emulate" / f"{form}-{precision}-x1"
    method = mode.method(device, "emulator")
    for found in engine.run(cells, device, engine.scenario(quick=True), folder, method=method, resume=True):
        key = (core, found.runtime, precision, found.model.key)
        if key in known or not isinstance(found, Measurement) or not found.counts:
            continue
        with TARGET.open("a") as file:
            file.write(",".join(map(str, (*key, *(found.counts[each] for each in (TOTAL, *CLASSES))))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
