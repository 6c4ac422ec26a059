"""Latency and memory of a network on a device that nobody measured: from its graph, with an interval.

`estimate` needs numpy only and takes milliseconds. The constants behind it are fitted by `edgebench.estimate.fit`.
"""

from edgebench.estimate.estimator import estimate

__all__ = ["estimate"]
