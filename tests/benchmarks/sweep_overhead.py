"""What the driver costs for each cell: 10,000 pretended cells on local processes, then the same again, all done.

usage: python tests/benchmarks/sweep_overhead.py [CELLS]
"""

import sys
import tempfile
import time
from pathlib import Path

from edgebench.ground.records import ExportSpec
from edgebench.models import resolve
from edgebench.run.sweep import SweepCell, run
from edgebench.run.sweep.local import LocalWorkers


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    cells = [
        SweepCell(
            model=resolve("mobilenetv2", width=0.25 + 0.0001 * index),
            export=ExportSpec(),
            device="rpi4",
            way="pretended",
        )
        for index in range(number)
    ]
    with tempfile.TemporaryDirectory() as name:
        for what in ("all cells", "no cell left"):
            began, used = time.perf_counter(), time.process_time()
            done = run(cells, LocalWorkers(2, Path(name) / "files"), Path(name) / "results")
            wall, busy = time.perf_counter() - began, time.process_time() - used
            print(
                f"{what}: {done} cells in {wall:.1f} s, {wall / number * 1e3:.2f} ms a cell; "
                f"the driver's processor time {busy / number * 1e3:.2f} ms a cell"
            )


if __name__ == "__main__":
    main()
