"""Draws and tabulates what train_experiments.py has stored: results/training/*.ndjson to *.png and a table.

python tests/benchmarks/train_figures.py [EXPERIMENT...]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from edgebench.report.trained import write_curves
from edgebench.training.records import Epoch

RESULTS = Path(__file__).parents[2] / "results" / "training"
GOAL = 0.95
FILES = "int8_files"  # what train_int8.py has measured: no runs
COLUMNS = "| run | seed | images | epochs | best val top-1 | last train error | first-layer gradient | to 95% | wall |"


def main() -> None:
    for experiment in sys.argv[1:] or sorted(path.stem for path in RESULTS.glob("*.ndjson") if path.stem != FILES):
        lines = [msgspec.json.decode(line) for line in (RESULTS / f"{experiment}.ndjson").read_bytes().splitlines()]
        runs = {f"{line['run']} {line['seed']}": _epochs(line) for line in lines}
        write_curves(RESULTS / f"{experiment}.png", runs)
        print(f"\n{experiment}\n\n{COLUMNS}\n|{'---|' * 9}")
        for line in lines:
            print(_row(line, _epochs(line)))


def _epochs(line: dict[str, Any]) -> list[Epoch]:
    return msgspec.convert(line["outcome"]["epochs"], list[Epoch])


def _row(line: dict[str, Any], epochs: list[Epoch]) -> str:
    reached = next((row.epoch for row in epochs if row.val_accuracy >= GOAL), None)
    seconds = sum(row.seconds for row in epochs[:reached])
    first = [next(iter(row.layer_gradients.values())) for row in epochs]
    cells = (
        line["run"],
        line["seed"],
        line["outcome"]["train_images"],
        len(epochs),
        f"{line['outcome']['val_accuracy']:.2%}",
        f"{1 - epochs[-1].train_accuracy:.2%}",
        f"{first[0]:.3g} to {first[-1]:.3g}",
        f"epoch {reached}, {seconds:.0f} s" if reached else "not reached",
        f"{sum(row.seconds for row in epochs):.0f} s",
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
