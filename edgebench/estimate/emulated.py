"""The time of an emulated inference: from its counted instructions, or from its graph where that errs less.

Which errs less is what leaving networks out of each fit tells; nothing else decides. An emulator's clock is never read.

For a runtime that no latency was published for, such as onnxruntime on a Raspberry Pi, the constants of another runtime
on the same core are taken, and said to be. How well that goes can be seen with LiteRT on the Raspberry Pi 4, where both
are there: ncnn's constants on LiteRT's counts of the calibration grid (19 networks) differ from the estimate of
LiteRT's own published rows by 7% (median), 4% of that to one side. On the Cortex-A53 of the Raspberry Pi 3 B+ they
differ by 21%, nearly all of it to one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.estimate import calibrations, known
from edgebench.estimate import counts as counted
from edgebench.estimate.counts import BORROWED
from edgebench.estimate.estimator import CONFIDENCE, latency_interval, origin
from edgebench.estimate.work import Work, works
from edgebench.graph.operators import Graph
from edgebench.ground.records import Interval, Precision
from edgebench.machines.profiles import DeviceProfile
from edgebench.runtimes import computed_precision

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
    times = [each for each in (by_counts, by_graph) if each is not None]
    return min(times, key=lambda each: each.error, default=None)


def _by_counts(
    counts: counted.Counts, device: DeviceProfile, runtime: str, precision: Precision
) -> EmulatedTime | None:
    calibration, clock_hz = counted.nearest(device, runtime, precision), device.cpu.clock_hz
    if calibration is None or clock_hz is None:
        return None
    own = (calibration.device, calibration.runtime) == (device.name, runtime)
    if not own and known.tables_of(device, runtime, computed_precision(runtime, precision, device.cpu.isa)):
        return None  # its own published latencies are nearer than another runtime's constants
    scale = 1.0 if own else BORROWED
    interval = counted.interval(counts, calibration, clock_hz, scale)
    terms = f"{len(calibration.cycles)} constant{'s' * (len(calibration.cycles) > 1)}"
    sentence = (
        f"counted instructions and {terms} fitted on published latencies of {calibration.networks} networks with "
        f"{calibration.runtime} {calibration.precision}; {_error(calibration.median, calibration.worst)}"
    )
    if not own:
        sentence += f" on {calibration.device}; nothing is published for {runtime} on {device.name}, so the interval is"
        sentence += " wider"
    return EmulatedTime(interval, scale * calibration.median, sentence)


def _by_graph(
    kernels: Sequence[Work], device: DeviceProfile, runtime: str, precision: Precision
) -> EmulatedTime | None:
    calibration = calibrations.calibration(device, runtime, precision, 1)
    if calibration is None:
        return None
    interval, warnings = latency_interval(kernels, device, calibration)
    sentence = f"the network's graph, not its counts: {origin(calibration)}"
    return EmulatedTime(interval, calibration.error.median, sentence, warnings)


def _error(median: float, worst: float) -> str:
    return f"on a network left out it is off by {median:.0%} (median), {worst:.0%} (worst)"
