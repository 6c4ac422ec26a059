"""The roof of this machine: how fast it multiplies matrices and reads memory, at a number of threads.

Each is the best of many short tries, so that other work on the machine does not lower it, and a lower bound of what
the hardware can do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

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
