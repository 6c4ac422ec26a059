"""The time of an emulated inference: from its counted instructions, or from its graph where that errs less.

Which errs less is what leaving networks out of each fit tells; nothing else decides. An emulator's clock is never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.estimate import counts as counted
from edgebench.estimate.estimator import CONFIDENCE, calibration_for, latency_interval
from edgebench.estimate.work import Work, works
from edgebench.graph.operators import Graph
from edgebench.profiles import DeviceProfile
from edgebench.records import Interval, Precision

__all__ = ["CONFIDENCE", "EmulatedTime", "emulated_time"]


@dataclass(frozen=True)
class EmulatedTime:
    """A latency at one thread with its 90% interval, and a sentence on what it rests on.

    `error` is the median error on networks left out of the fit.
    """

    latency_s: Interval
    error: float
    rests_on: str
    warnings: tuple[str, ...] = ()


def emulated_time(
    counts: counted.Counts, device: DeviceProfile, runtime: str, precision: Precision, graph: Graph | None = None
) -> EmulatedTime | None:
    """The nearer of the times from counts and from the graph; None where neither is calibrated for the device.

    Without a `graph`, as for a file that edgebench did not write, only the counts can tell.
    """
    by_counts = _by_counts(counts, device, runtime, precision) if counts else None
    by_graph = _by_graph(works(graph, runtime), device, runtime, precision) if graph else None
    found = [each for each in (by_counts, by_graph) if each is not None]
    return min(found, key=lambda each: each.error, default=None)


def _by_counts(
    counts: counted.Counts, device: DeviceProfile, runtime: str, precision: Precision
) -> EmulatedTime | None:
    found = counted.time_from_counts(counts, device, runtime, precision)
    if found is None:
        return None
    interval, calibration = found
    terms = f"{len(calibration.cycles)} constant{'s' * (len(calibration.cycles) > 1)}"
    sentence = (
        f"counted instructions and {terms} fitted on published latencies of {calibration.networks} networks with "
        f"{runtime} {calibration.precision}; {_error(calibration.median, calibration.worst)}"
    )
    return EmulatedTime(interval, calibration.median, sentence)


def _by_graph(
    kernels: Sequence[Work], device: DeviceProfile, runtime: str, precision: Precision
) -> EmulatedTime | None:
    calibration = calibration_for(device, runtime, precision, 1)
    if calibration is None:
        return None
    interval, warnings = latency_interval(kernels, device, calibration)
    error = calibration.error
    sentence = (
        f"the network's graph, not its counts, fitted on published latencies of {calibration.networks} networks with "
        f"{runtime} {calibration.precision}; {_error(error.median, error.worst)}"
    )
    return EmulatedTime(interval, error.median, sentence, warnings)


def _error(median: float, worst: float) -> str:
    return f"on a network left out it is off by {median:.0%} (median), {worst:.0%} (worst)"
