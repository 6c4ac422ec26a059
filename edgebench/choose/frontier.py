"""Which points no other beats: accuracy upwards, latency and memory downwards."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from edgebench.choose.prior import Floats
from edgebench.graph.memory import Indices


def frontier(accuracy: Floats, latency_s: Floats, memory_bytes: Floats) -> Indices:
    """Positions of the points that no other equals or beats in all three, the fastest first.

    Of several points that are equal in all three the first stays.
    """
    order = np.lexsort((np.arange(len(accuracy)), memory_bytes, latency_s, -accuracy))
    # Points seen so far are at least as accurate; the staircase holds the fastest for each amount of memory.
    latencies: list[float] = []
    memories: list[float] = []
    kept = []
    for index in order.tolist():
        latency, memory = float(latency_s[index]), float(memory_bytes[index])
        faster = bisect_right(latencies, latency)
        if faster and memories[faster - 1] <= memory:
            continue
        kept.append(index)
        at = bisect_left(latencies, latency)
        end = at
        while end < len(memories) and memories[end] >= memory:
            end += 1
        latencies[at:end] = [latency]
        memories[at:end] = [memory]
    found = np.array(kept, dtype=np.intp)
    return found[np.argsort(latency_s[found], kind="stable")]
