"""Peak memory of networks in an emulated Raspberry Pi 4's runtimes: python tests/benchmarks/estimate_memory.py FOLDER

Writes edgebench/estimate/data/peaks.csv; `python -m edgebench.estimate.fit` makes constants of it. What FOLDER has
files of is not exported again. Some of ncnn's fp32 peaks are those of results/grid. Needs `edgebench device setup
rpi4`; about half an hour.
"""

import sys
from itertools import product
from pathlib import Path

from edgebench import models, store
from edgebench.estimate import peaks
from edgebench.estimate.peaks import Peak
from edgebench.formats.pipeline import export_model
from edgebench.ground.records import Measurement
from edgebench.machines.profiles import load
from edgebench.places.emulator import emulator
from edgebench.run import plan

DEVICE = load("rpi4")
FORMATS, PRECISIONS, EVERY = ("tflite", "onnx", "ncnn"), ("fp32", "int8"), 3
GRID = Path(__file__).parents[2] / "results" / "grid" / "rpi4"


def measured(network: str, width: float, resolution: int, form: str, precision: str, folder: Path) -> Measurement:
    """The network as a file in the guest."""
    int8 = plan.quantization(samples=4) if precision == "int8" else None
    cells = [
        plan.Cell(export=export, model=models.resolve(network, width=width, resolution=resolution))
        for export in plan.export_specs([form], [precision], quantization=int8)
    ]
    [cell] = plan.suited(cells, DEVICE)
    return emulator.emulate(export_model(cell.spec, cell.export, folder), DEVICE, runs=1, counts=False)


def main(folder: Path) -> None:
    """Measures the networks that the file has, each in every format and precision, and those of the grid."""
    networks = dict.fromkeys(
        (each.network, each.width, each.resolution) for each in peaks.peaks() if each.runtime == "litert"
    )
    found = [
        measured(*network, form, precision, folder)
        for network, form, precision in product(networks, FORMATS, PRECISIONS)
    ]
    grid = [each for each in store.read(GRID) if isinstance(each, Measurement) and each.model.depth == 1.0]
    lines = [",".join(Peak.__struct_fields__)]
    for each in [*found, *grid[::EVERY]]:
        model, peak = each.model, each.peak_memory_bytes
        fields = (model.name, model.width, model.resolution, each.runtime, each.export.precision, peak)
        lines.append(",".join(f"{field:g}" if isinstance(field, float) else str(field) for field in fields))
    Path(peaks.__file__).with_name("data").joinpath("peaks.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
