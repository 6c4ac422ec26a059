"""How long `edgebench --help` takes beside a bare `python -c pass`, in the same run: the ratio is to stay below 10.

usage: python tests/benchmarks/startup.py [RUNS]
"""

import subprocess
import sys
import time
from statistics import median

LIMIT = 10
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "edgebench --help": ["-m", "edgebench.cli", "--help"],
    "edgebench devices": ["-m", "edgebench.cli", "devices"],
    "edgebench models": ["-m", "edgebench.cli", "models"],
}


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    # Interleaved, so that a busy moment of the machine falls on all of them alike.
    taken = [{name: seconds(arguments) for name, arguments in COMMANDS.items()} for _ in range(runs)]
    bare = median(run["python -c pass"] for run in taken)
    for name in COMMANDS:
        value = median(run[name] for run in taken)
        print(f"{name:20} {value * 1e3:7.1f} ms  {value / bare:5.1f}x  (limit for --help: {LIMIT}x)")


main()
