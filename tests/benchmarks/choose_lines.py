"""The paper's question with the prior's answer: how to scale at equal MACs, and at equal latency on a device.

usage: python tests/benchmarks/choose_lines.py [DEVICE]

Beside each line's expected top-1 stands the gain that the EfficientNet paper measured by training (arXiv 1905.11946v1,
tables 3 and 7), where it did.
"""

import sys

from edgebench.choose.lines import Scaled, compare, latency_on, macs
from edgebench.choose.pool import Variant
from edgebench.choose.scalable import BASES
from edgebench.ground.records import ExportSpec
from edgebench.machines.profiles import load

# top-1 at about four times the MACs of the base: base, depth, width, resolution, compound
PAPER = {
    "mobilenetv1": {"base": 70.6, "width": 74.2, "resolution": 72.7, "compound": 75.6},
    "mobilenetv2": {"base": 72.0, "depth": 76.8, "width": 76.4, "resolution": 74.8, "compound": 77.4},
    "efficientnet": {"base": 76.3, "depth": 79.0, "width": 78.9, "resolution": 79.1, "compound": 81.1},
}


def show(name: str, factor: float, what: str, found: dict[str, Scaled]) -> None:
    print(f"\n{name}, {factor:g} times the {what} of the base")
    for way, each in found.items():
        line = each.line
        published = PAPER[name].get(way) if (factor, what) == (4.0, "MACs") else None
        beside = f"  paper: {published}" if published else ""
        print(
            f"  {way:10s} alpha {line.alpha:.2f} beta {line.beta:.2f} gamma {line.gamma:.2f}  phi {each.phi:+.2f}  "
            f"w {each.width:.2f} d {each.depth:.2f} r {each.resolution}  cost x{each.cost:.2f}  "
            f"top-1 {each.accuracy:.1f}{beside}"
        )


def main() -> None:
    device = load(sys.argv[1] if len(sys.argv) > 1 else "rpi4")
    latency = latency_on(device, Variant(ExportSpec(), 1))
    for name in PAPER:
        for factor in (4.0, 0.5):
            show(name, factor, "MACs", compare(BASES[name], factor, macs))
            show(name, factor, f"latency on {device.name}", compare(BASES[name], factor, latency))


if __name__ == "__main__":
    main()
