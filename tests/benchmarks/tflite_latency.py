"""Latency of our TFLite files, fp32 and fp16, and of litert-torch's where that is installed.

usage: python tests/benchmarks/tflite_latency.py [MODEL ...]      default: the focus set
       python tests/benchmarks/tflite_latency.py OURS THEIRS      two folders of .tflite files of the same names

One thread. The files take turns, a few runs each, so that whatever disturbs the machine disturbs all of them; ratios
are those of the medians. Loading takes its turns too, since a runtime unpacks fp16 weights then. Of two folders each
ratio is the median of ours to theirs, run by run: their geometric mean and the worst stand at the end.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from statistics import geometric_mean, median

import numpy as np

from edgebench import models
from edgebench.formats.network import Network
from edgebench.formats.tflite import convert as tflite
from edgebench.ground.records import ExportSpec
from edgebench.models.build import build
from edgebench.runtimes.litert import engine as litert

TURNS, RUNS = 40, 5


def main() -> None:
    folders = [Path(name) for name in sys.argv[1:]]
    if len(folders) == 2 and all(folder.is_dir() for folder in folders):
        against(*folders)
        return
    print(f"{'model':<20} {'file':<14} {'MB':>6} {'operators':>9} {'load ms':>8} {'run ms':>7} {'ratio':>6}")
    for name in sys.argv[1:] or models.FOCUS:
        with tempfile.TemporaryDirectory() as folder:
            show(name, files(name, Path(folder)))


def against(ours: Path, theirs: Path) -> None:
    """Times the files that both folders have, pair by pair."""
    ratios: dict[str, float] = {}
    for path in sorted(ours.glob("*.tflite")):
        if not (theirs / path.name).exists():
            continue
        mine, others = interleaved([path, theirs / path.name], runs=1)
        ratios[path.stem] = median(one / other for one, other in zip(mine, others, strict=True))
        print(
            f"{path.stem:<40} {median(mine) * 1e3:8.2f} ms {median(others) * 1e3:8.2f} ms {ratios[path.stem]:6.3f}",
            flush=True,
        )
    worst, mean = max(ratios, key=lambda name: ratios[name]), geometric_mean(ratios.values())
    print(f"{len(ratios)} networks: geometric mean {mean:.3f}, worst {ratios[worst]:.3f} ({worst})")


def files(name: str, folder: Path) -> dict[str, tuple[Path, int]]:
    """Writes every kind of file; gives its path and number of operators."""
    spec = models.resolve(name)
    network = Network(spec, build(spec))
    kinds = {"fp32": ExportSpec(), "fp16": ExportSpec(precision="fp16")}
    if importlib.util.find_spec("litert_torch"):
        kinds["litert-torch"] = ExportSpec(converter="litert-torch")
    made = {}
    for kind, export in kinds.items():
        path = folder / f"{kind}.tflite"
        made[kind] = (path, sum(tflite.convert(network, export, path).operators.values()))
    return made


def show(name: str, made: dict[str, tuple[Path, int]]) -> None:
    times = interleaved([path for path, _ in made.values()])
    base = median(times[0])
    for (kind, (path, operators)), runs in zip(made.items(), times, strict=True):
        load_s = median(load(path)[1] for _ in range(5))
        print(
            f"{name:<20} {kind:<14} {path.stat().st_size / 1e6:6.2f} {operators:9d} {load_s * 1e3:8.1f} "
            f"{median(runs) * 1e3:7.2f} {median(runs) / base:6.3f}"
        )


def load(path: Path) -> tuple[litert.LiteRTSession, float]:
    start = time.perf_counter()
    session = litert.load(str(path))
    return session, time.perf_counter() - start


def interleaved(paths: list[Path], turns: int = TURNS, runs: int = RUNS) -> list[list[float]]:
    """Seconds of every run, file by file."""
    sessions = [load(path)[0] for path in paths]
    x = np.random.default_rng(0).standard_normal(sessions[0].inputs[0]["shape"], dtype=np.float32)
    times: list[list[float]] = [[] for _ in sessions]
    for turn in range(turns + 2):
        for place in range(len(sessions)):
            file = (place + turn) % len(sessions)  # nobody is always the first
            for _ in range(runs):
                start = time.perf_counter()
                sessions[file].run(x)
                times[file].append(time.perf_counter() - start)
            if turn < 2:
                times[file].clear()  # warm-up
    return times


if __name__ == "__main__":
    main()
