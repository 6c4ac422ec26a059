"""Regret of `scale` against exhaustive search with the one-network estimate, under ten budgets for each family.

usage: python tests/benchmarks/choose_regret.py [DEVICE]

The grid of the exhaustive search is its own, coarser one, and each of its networks is estimated alone, not by the
vectorised table. "over" is how far the pick's one-network latency is beyond the budget; it should be zero.
"""

import itertools
import sys

import numpy as np

from edgebench.choose import scale
from edgebench.choose.bases import BASES
from edgebench.choose.prior import accuracy
from edgebench.estimate import estimate
from edgebench.graph.sketch import sketch
from edgebench.models import resolve
from edgebench.profiles import load
from edgebench.records import ExportSpec

FAMILIES = ("mobilenetv2", "efficientnet_lite")
WIDTHS, DEPTHS, PIXELS = (0.35, 0.5, 0.75, 1.0, 1.3), (1.0, 1.25, 1.5), (96, 128, 160, 192, 224, 256, 288)


def main() -> None:
    device = load(sys.argv[1] if len(sys.argv) > 1 else "rpi4")
    for family in FAMILIES:
        base, rows = BASES[family], []
        for width, depth, pixels in itertools.product(WIDTHS, DEPTHS, PIXELS):
            spec = resolve(family, width=width, depth=depth, resolution=pixels)
            alone = estimate(sketch(spec), device, spec=spec, export=ExportSpec())
            point = (base.real_width(width), base.real_depth(depth), pixels)
            top1 = accuracy(base.kin, *(np.array([float(value)]) for value in point)).top1[0]
            rows.append((alone.latency_s.value, top1))
        latency, top1 = np.array(rows).T
        print(f"{family}: {len(rows)} networks estimated one by one")
        for budget in np.quantile(latency, np.linspace(0.08, 0.92, 10)):
            best = top1[latency <= budget].max()
            picked = scale(device.name, family, max_latency=float(budget), confirmed=False).picked
            over = max(0.0, picked.latency_s.value / budget - 1)
            print(
                f"  {budget * 1e3:6.1f} ms: exhaustive {best:.2f}%, pick {picked.accuracy.value:.2f}% "
                f"(regret {best - picked.accuracy.value:+.2f}), over {over:.2%}"
            )


if __name__ == "__main__":
    main()
