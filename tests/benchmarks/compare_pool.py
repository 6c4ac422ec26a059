"""Measures a pool of fresh processes of one file, with slowdowns injected, for the other compare_* benchmarks.

    python tests/benchmarks/compare_pool.py MODEL.tflite -o pool.jsonl [--rounds 300] [--burn 0,0.05,0.1]

A round runs one process of each burn, in random order, so all of them meet the same weather. A line a process: its
burn, its samples in seconds, and the seconds that the whole process took.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from edgebench.compare.ab import SCENARIO
from edgebench.places.local import WORKER
from edgebench.places.target import Samples, decode

ENGINE = Path(__file__).with_name("compare_burning_engine.py")


def main() -> None:
    """Parses the command line and appends to the pool, round by round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--burn", default="0,0.05,0.1")
    options = parser.parse_args()
    order = random.Random(0)
    with options.output.open("a", encoding="utf-8") as file:
        for _ in range(options.rounds):
            for burn in order.sample(options.burn.split(","), options.burn.count(",") + 1):
                file.write(json.dumps(process(options.file, float(burn))) + "\n")
                file.flush()


def process(file: Path, burn: float) -> dict[str, object]:
    """Runs one fresh process by edgebench's own worker."""
    job = {
        "engine": str(ENGINE), "artifact": str(file), "mode": "latency", "process": 0, "clock": "monotonic",
        "scenario": msgspec.to_builtins(SCENARIO),
    }  # fmt: skip
    begin, at = time.monotonic(), time.time()
    environment = {**os.environ, "EDGEBENCH_BURN": str(burn), "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, str(WORKER)], input=json.dumps(job).encode(), env=environment, capture_output=True, check=True
    )
    elapsed = time.monotonic() - begin
    events = map(decode, done.stdout.splitlines())
    samples = next(event.ns for event in events if isinstance(event, Samples))
    return {"burn": burn, "samples": [ns / 1e9 for ns in samples], "elapsed_s": elapsed, "time": at}


if __name__ == "__main__":
    main()
