"""The gate on instruction counts: false alarms among all pairs of runs of one file, and whether 0.5% is always found.

    python tests/benchmarks/compare_counts.py [--device rpi4] [--runs 25] [--resolution 96]

Each run is a fresh emulated process of MobileNetV2 as TFLite; 25 runs make 300 pairs. The slower file is the same
network with 0.5% more multiply-adds in its last layer. Both go through `edgebench compare --metric instructions`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from itertools import combinations, product
from pathlib import Path

from msgspec.structs import replace

import edgebench
from edgebench.compare import Settings, compare
from edgebench.ground.records import Artifact, Measurement, ModelSpec
from edgebench.machines import profiles
from edgebench.places.emulator.counting import TOTAL
from edgebench.run.devices import emulate

MORE = 0.005
LAST = 1280  # channels that the last layer reads


def main() -> None:
    """Parses the command line, counts, compares, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="rpi4")
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--resolution", type=int, default=96)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = exported(Path(folder), options.resolution, 1000)
        more = round(MORE * (base.macs or 0) / LAST)
        slower = exported(Path(folder), options.resolution, 1000 + more)
        same = [counted(base, options.device) for _ in range(options.runs)]
        found = [counted(slower, options.device) for _ in range(3)]
    counts = [result.counts[TOTAL] for result in same]
    spread = (max(counts) - min(counts)) / min(counts)
    print(f"{len(counts)} runs of one file: {min(counts):,} to {max(counts):,} instructions, {spread:.5%} apart")
    print(f"the slower file: {found[0].counts[TOTAL] / counts[0] - 1:+.3%} instructions, {more} more classes")
    for name, pairs in (("A/A", combinations(same, 2)), ("slower", product(same, found))):
        said = Counter(verdict(*pair) for pair in pairs)
        print(f"{name}, {said.total()} comparisons: {dict(said)}")


def exported(folder: Path, resolution: int, classes: int) -> Artifact:
    """The network as a checked TFLite file."""
    return edgebench.export("mobilenetv2", resolution=resolution, classes=classes, output=folder / str(classes))


def counted(artifact: Artifact, device: str) -> Measurement:
    """One emulated run, recorded under one network's name."""
    found = emulate(artifact, profiles.load(device))
    return replace(found, model=ModelSpec(name="mobilenetv2", family="mobilenetv2"))


def verdict(base: Measurement, new: Measurement) -> str:
    """What `edgebench compare --metric instructions --allow artifact` says."""
    settings = Settings(metrics=("instructions",), allowed=("artifact",))
    (row,) = (row for row in compare([base], [new], settings).comparisons if row.metric == "instructions")
    return row.verdict


if __name__ == "__main__":
    main()
