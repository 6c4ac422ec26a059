"""The fresh process that profiles operators: `python -m edgebench.measure.operators_worker`.

A job on standard input, {"runtime", "artifact", "threads", "runs"}; one line of JSON on standard output, the
OperatorProfile or {"error": sentence}. What an engine prints goes to standard error.

Beside the operators' times stands the roof of this machine: how fast it multiplies matrices and reads memory, at a
number of threads. Each is the best of many short tries, so that other work on the machine does not lower it, and a
lower bound of what the hardware can do.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np

from edgebench.ground.records import OperatorProfile, Record
from edgebench.measure.worker import make_input
from edgebench.runtimes import runtime

# Small enough to stay in a second-level cache: with 1024 a shared machine gave 39 GFLOP/s, with 256 to 512 105.
MATRIX = 384
LEAST_BYTES, MOST_BYTES = 2**20, 2**27
LEAST_S = 0.4


def flop_per_s() -> float:
    """Float32 operations a second in products of MATRIX x MATRIX matrices, 2 n^3 operations each.

    numpy's BLAS takes its number of threads from the environment when the process starts.
    """
    random = np.random.default_rng(0)
    left, right = (random.standard_normal((MATRIX, MATRIX), dtype=np.float32) for _ in range(2))
    out = np.empty_like(left)
    return 2 * MATRIX**3 / fastest(lambda: np.matmul(left, right, out=out))


def bytes_per_s(threads: int, file_bytes: int) -> float:
    """Bytes read a second while `threads` threads read as much memory as the file holds, again and again.

    Weights are most of what an inference reads; where they fit into a cache, so does this.
    """
    size = min(max(file_bytes, LEAST_BYTES), MOST_BYTES) // 4
    parts = np.array_split(np.ones(size, np.float32), threads)
    if threads == 1:
        return 4 * size / fastest(lambda: np.dot(parts[0], parts[0]))
    with ThreadPoolExecutor(threads) as pool:
        return 4 * size / fastest(lambda: list(pool.map(lambda part: np.dot(part, part), parts)))


def fastest(work: Callable[[], object]) -> float:
    """Seconds of the fastest of the tries that fit into LEAST_S, the first left out."""
    work()
    best, end = float("inf"), time.perf_counter() + LEAST_S
    while best == float("inf") or time.perf_counter() < end:
        before = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - before)
    return best


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
        found, roof_flop_per_s=flop_per_s(), roof_bytes_per_s=bytes_per_s(job.threads, os.path.getsize(job.artifact))
    )


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # an engine's own farewell must not crash a finished profile
