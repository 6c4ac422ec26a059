"""LiteRT that burns a given share of each inference's time, for injecting slowdowns: EDGEBENCH_BURN=0.05 is 5%.

Loaded by the worker by its path, like every engine; see compare_pool.py.
"""

from __future__ import annotations

import os
import time

import numpy as np

from edgebench.runtimes.litert import engine as litert
from edgebench.runtimes.litert.engine import LiteRTSession

SHARE = float(os.environ["EDGEBENCH_BURN"])


class Burning:
    """A session whose every run takes longer by SHARE of what it took."""

    def __init__(self, session: LiteRTSession) -> None:
        self._session = session
        self.inputs, self.outputs, self.version = session.inputs, session.outputs, session.version
        self.delegates, self.delegated_share = session.delegates, session.delegated_share

    def run(self, x: np.ndarray) -> np.ndarray:
        begin = time.perf_counter_ns()
        y = self._session.run(x)
        end = time.perf_counter_ns()
        until = end + SHARE * (end - begin)
        while SHARE and time.perf_counter_ns() < until:
            pass
        return y


def load(path: str, threads: int = 1, batch: int = 1) -> Burning:
    """As LiteRT's own."""
    return Burning(litert.load(path, threads, batch))
