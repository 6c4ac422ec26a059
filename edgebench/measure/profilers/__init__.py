"""Times of a file's operators, by each engine's own profiler: one module an engine, `profile(path, threads, runs)`.

They run in a fresh process of their own, apart from the latency's, since a profiler slows what it looks at.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from edgebench.ground.registry import Registry
from edgebench.runtimes import EXTRAS

__all__ = ["PROFILERS", "WARM_UP_RUNS", "timed"]

PROFILERS = Registry(
    "runtime with an operator profiler",
    {
        "litert": "edgebench.measure.profilers.litert:profile",
        "onnxruntime": "edgebench.measure.profilers.onnxruntime:profile",
        "torch": "edgebench.measure.profilers.torch_eager:profile",
    },
    extras=EXTRAS,
)

WARM_UP_RUNS = 10


def timed(run: Callable[[], object], runs: int) -> list[float]:
    """Seconds of each of `runs` calls, in time order."""
    found = []
    for _ in range(runs):
        before = time.perf_counter()
        run()
        found.append(round(time.perf_counter() - before, 9))
    return found
