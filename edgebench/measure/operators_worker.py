"""The fresh process that profiles operators: `python -m edgebench.measure.operators_worker`.

A job on standard input, {"runtime", "artifact", "threads", "runs"}; one line of JSON on standard output, the
OperatorProfile or {"error": sentence}. What an engine prints goes to standard error.
"""

from __future__ import annotations

import os
import sys

import msgspec

from edgebench.ground.records import OperatorProfile, Record
from edgebench.measure import roof
from edgebench.measure.worker import make_input
from edgebench.runtimes import runtime


class Job(Record, frozen=True, kw_only=True):
    """What one process does."""

    runtime: str
    artifact: str
    threads: int
    runs: int


class Failure(Record, frozen=True, kw_only=True):
    """What went wrong, in one sentence."""

    error: str


def main() -> int:
    """Runs the job on standard input and returns the exit code: 0, or 1 after a Failure."""
    out = os.dup(1)
    os.dup2(2, 1)
    answer: OperatorProfile | Failure
    try:
        answer = run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
    except Exception as error:  # the boundary: whatever an engine raises is reported to the parent
        lines = str(error).strip().splitlines() or ["no message"]
        answer = Failure(error=f"{type(error).__name__}: {lines[0][:300]}")
    with os.fdopen(out, "wb") as pipe:
        pipe.write(msgspec.json.encode(answer))
    return int(isinstance(answer, Failure))


def run(job: Job) -> OperatorProfile:
    """Profiles the file, then takes the roof, so that the matrices' heat does not reach the operators."""
    found = runtime(job.runtime).profile(job.artifact, make_input, job.threads, job.runs)
    return msgspec.structs.replace(
        found,
        roof_flop_per_s=roof.flop_per_s(),
        roof_bytes_per_s=roof.bytes_per_s(job.threads, os.path.getsize(job.artifact)),
    )


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # an engine's own farewell must not crash a finished profile
