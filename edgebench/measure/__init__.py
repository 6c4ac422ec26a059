"""Measuring: the worker on the device, the runner that starts it, and the statistics of what it says."""

from edgebench.measure.latency import LatencySummary, summarize
from edgebench.measure.runner import measure
from edgebench.runtimes import unavailable

__all__ = ["LatencySummary", "measure", "summarize", "unavailable"]
