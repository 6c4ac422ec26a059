"""How much processor time commands take beside a bare `python -c pass`, in the same run, and what they may take.

usage: python tests/benchmarks/startup.py [RUNS]
"""

import os
import resource
import subprocess
import sys
import tempfile
from statistics import median

MAIN = ["-c", "from edgebench.cli import main; main()"]
COMMANDS = {
    "python -c pass": (["-c", "pass"], 1),
    "edgebench --help": ([*MAIN, "--help"], 10),
    "edgebench devices": ([*MAIN, "devices"], 12),
    "edgebench models": ([*MAIN, "models"], 12),
    "edgebench devices --json": ([*MAIN, "devices", "--json"], 12),
}


def seconds(arguments: list[str], compiled: str) -> float:
    """Processor time of one run, its own and the kernel's: what else the machine does counts little."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as compiled:
        # Interleaved, so that a busy moment of the machine falls on all of them alike; the first round compiles.
        taken = [{name: seconds(each, compiled) for name, (each, _) in COMMANDS.items()} for _ in range(runs + 1)][1:]
    bare = median(run["python -c pass"] for run in taken)
    for name, (_, limit) in COMMANDS.items():
        value = median(run[name] for run in taken)
        verdict = "" if value <= limit * bare else "  TOO SLOW"
        print(f"{name:26} {value * 1e3:7.1f} ms  {value / bare:5.1f}x  (limit: {limit}x){verdict}")


main()
