"""How many candidates a second are costed and given an accuracy, on one core.

usage: OMP_NUM_THREADS=1 python tests/benchmarks/choose_speed.py [DEVICE]
"""

import sys
import time

from edgebench.choose.pool import Variant, pool
from edgebench.choose.scalable import BASES
from edgebench.choose.space import WITHIN_PRIOR
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import load

RUNS = 3


def main() -> None:
    device = load(sys.argv[1] if len(sys.argv) > 1 else "rpi4")
    total = spent = 0.0
    for base in BASES.values():
        best = float("inf")
        for _ in range(RUNS):
            began = time.process_time()
            found = pool([base], [Variant(ExportSpec(), 1)], [device], extent=WITHIN_PRIOR, extrapolate=True)
            best = min(best, time.process_time() - began)
        total, spent = total + len(found.columns), spent + best
        print(f"{base.name:18s} {len(found.columns):6d} networks in {best:5.2f} s: {len(found.columns) / best:8.0f} /s")
    print(f"{'all':18s} {total:6.0f} networks in {spent:5.2f} s: {total / spent:8.0f} /s")


if __name__ == "__main__":
    main()
