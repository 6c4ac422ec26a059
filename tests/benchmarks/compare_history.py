"""100,000 stored records: how long `edgebench history` and a query take, and how much memory.

    python tests/benchmarks/compare_history.py [--records 100000] [--samples 30] [--folder DIR]

Writes the records into a temporary folder (or DIR, which is kept and reused), half a year of five processes each, the
last 40% of them 10% slower; then runs each command in a fresh process.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from edgebench.ground.records import ExportSpec, Measurement, ModelSpec, Parity, Scenario

MODELS = ("mobilenetv1", "mobilenetv2", "efficientnet_lite0", "efficientnet_b0")
PER_FILE = 100
START = datetime(2026, 1, 1, tzinfo=UTC)
COMMANDS = {
    "history of one of four models": "history.history(Path(sys.argv[1]), 'mobilenetv2', device='host')",
    "history of all models": "history.history(Path(sys.argv[1]), None)",
    "query: the fastest of each model": "database.query(Path(sys.argv[1]), "
    "'SELECT model, min(latency_s) FROM results GROUP BY model')",
}


def main() -> None:
    """Parses the command line, writes the records, and prints a line a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=30)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not any(folder.rglob("*.jsonl")):
            write(folder / "host", options.records, options.samples)
        size = sum(path.stat().st_size for path in folder.rglob("*.jsonl"))
        print(f"{options.records:,} records of 5 x {options.samples} samples, {size / 1e6:.0f} MB")
        for title, code in COMMANDS.items():
            measure(title, code, folder)


def measure(title: str, code: str, folder: Path) -> None:
    """Runs one call in a fresh process, and prints its seconds, CPU seconds and peak memory with all imports."""
    script = f"import sys; from pathlib import Path; from edgebench.compare import database, history; {code}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True)
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{title:34} {wall:6.2f} s   {cpu:6.2f} s of CPU   at most {after.ru_maxrss / 1e3:.0f} MB so far")


def write(folder: Path, records: int, samples: int) -> None:
    """The records, a hundred a file."""
    folder.mkdir(parents=True)
    chance = random.Random(0)
    for first in range(0, records, PER_FILE):
        lines = [record(number, records, samples, chance) for number in range(first, min(records, first + PER_FILE))]
        content = b"".join(msgspec.json.encode(each) + b"\n" for each in lines)
        (folder / f"{lines[0].time[:10]}-{lines[0].id}.jsonl").write_bytes(content)


def record(number: int, records: int, samples: int, chance: random.Random) -> Measurement:
    """One result, in the likeness of a measured one."""
    middle = 0.007 * (1.1 if number >= 0.6 * records else 1.0)
    latency = tuple(
        tuple(round(middle * chance.gauss(1, 0.02), 9) for _ in range(samples)) for _ in range(Scenario().processes)
    )
    environment = {
        "machine": "1a2b3c4d", "cpu": "a processor", "memory_bytes": 16_000_000_000, "cores": 2, "governor": None,
        "load_1m": 0.3, "kernel": "Linux 6.1", "python": "3.11.2", "versions": {"numpy": "2.4.6"},
        "commit": f"{number // 400:040x}", "readings": [{"frequency_hz": None, "temperature_c": None}] * 10,
    }  # fmt: skip
    return Measurement(
        id=f"{number:016x}",
        time=(START + timedelta(minutes=number * 2.6)).isoformat(),
        model=ModelSpec(name=MODELS[number % 4], family=MODELS[number % 4]),
        export=ExportSpec(),
        device="host",
        runtime="litert",
        runtime_version="2.3.0",
        scenario=Scenario(),
        latency_s=latency,
        load_s=(0.03,) * 5,
        first_s=(0.01,) * 5,
        memory_bytes={"baseline": 40_000_000, "load": 60_000_000, "first": 70_000_000, "steady": 70_000_000},
        artifact_sha256="a" * 64,
        size_bytes=14_000_000,
        parameters=3_504_872,
        macs=300_774_000,
        parity=Parity(
            inputs=3,
            max_abs_error=1e-6,
            output_range=1,
            relative_l2_error=1e-6,
            gate="fp32",
            passed=True,
            evaluated_by="litert",
        ),
        environment=environment,
    )


if __name__ == "__main__":
    main()
