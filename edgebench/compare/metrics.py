"""What is compared: how each metric is read from a result, judged, and worded. Lower is better for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from edgebench.compare.statistics import Array, disturbance, process_values
from edgebench.compare.verdicts import Judgement, judge_exact, judge_gate, judge_processes
from edgebench.ground.records import Result

# What must be equal on both sides before a metric may be judged. A file's size and its outputs do not depend on where
# it ran; its instruction count depends on the device's CPU only, and changes of runtime or file are what it explains.
CONDITIONS: Final = (
    *("provenance", "device", "machine", "runtime", "runtime version"),
    *("threads", "artifact", "calibration", "dataset"),
)
EVERYTHING: Final = frozenset(CONDITIONS) - {"dataset"}
NOTHING: Final[frozenset[str]] = frozenset()

# Resident memory comes in pages and allocator arenas of up to this size.
MEMORY_FLOOR_BYTES: Final = 2**20

# Points of top-1 that a change of kernels or of rounding may cost on the same images.
ERROR_FLOOR: Final = 0.005

# The runtime's own instructions repeat to 0.01%; the interpreter that calls it varies by up to this many.
INSTRUCTIONS_THRESHOLD: Final = 0.001
INSTRUCTIONS_FLOOR: Final = 5000


@dataclass(frozen=True)
class Reading:
    """A metric of one result: `values`, one a process where it is noisy; `exact` when it carries no noise.

    `disturbance` is what a busy machine may have added to it, in ln. `passed` is False for an error above its gate.
    """

    values: Array
    exact: bool
    disturbance: float = 0.0
    passed: bool = True

    @property
    def value(self) -> float:
        """The number that stands for it in a table."""
        return float(np.median(self.values))


@dataclass(frozen=True)
class Metric:
    """One row of METRICS. `threshold` replaces the user's where it is set; changes within `floor` never count.

    `source` is what to do so that a result has it.
    """

    name: str
    title: str
    unit: str
    worse: str
    better: str
    read: Callable[[Result], Reading | None]
    needs: frozenset[str] = EVERYTHING
    threshold: float | None = None
    floor: float = 0.0
    decides: bool = True
    source: str = "profile both sides so that they have it, or name another metric"

    def judge(self, base: Reading, new: Reading, threshold: float) -> Judgement:
        """The verdict on two readings at `threshold`, or at the metric's own."""
        limit = self.threshold or threshold
        if self.name == "parity":
            return judge_gate(base.value, new.value, base.passed, new.passed)
        if base.exact or new.exact:
            return judge_exact(base.value, new.value, limit, self.floor)
        return judge_processes(base.values, new.values, limit, max(base.disturbance, new.disturbance))


def _exact(value: float | None) -> Reading | None:
    return None if value is None else Reading(np.array([value], dtype=np.float64), exact=True)


def _each(values: tuple[float, ...], result: Result) -> Reading | None:
    """One value a process. Emulated times are counts times a constant, so they carry no noise."""
    if not values:
        return None
    return Reading(np.array(values, dtype=np.float64), exact=result.provenance != "measured")


def _latency(result: Result) -> Reading | None:
    if result.scenario is None:
        return _exact(result.latency.value if result.latency else None)
    reading = _each(tuple(process_values(result.samples_s).tolist()), result)
    return reading and replace(reading, disturbance=disturbance(result.samples_s))


def _parity(result: Result) -> Reading | None:
    if result.parity is None:
        return None
    return Reading(np.array([result.parity.relative_l2_error]), exact=True, passed=result.parity.passed)


def _error(result: Result) -> Reading | None:
    judged = result.accuracy
    return _exact((judged.images - judged.correct) / judged.images) if judged and judged.images else None


# load and first vary by tens of percent between processes of one file, so they are shown but do not decide unless
# `--metric` names them.
METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("latency", "latency", "s", "slower", "faster", _latency),
        Metric("first", "first inference", "s", "slower", "faster", lambda of: _each(of.first_s, of), decides=False),
        Metric("load", "load", "s", "slower", "faster", lambda of: _each(of.load_s, of), decides=False),
        Metric("memory", "peak memory", "B", "larger", "smaller", lambda of: _exact(of.peak_memory_bytes),
               floor=MEMORY_FLOOR_BYTES),
        Metric("size", "size", "B", "larger", "smaller", lambda of: _exact(of.size_bytes), needs=NOTHING),
        Metric("parity", "parity error", "1", "worse", "better", _parity, needs=NOTHING),
        Metric("error", "top-1 error", "1", "worse", "better", _error, needs=frozenset({"dataset"}),
               floor=ERROR_FLOOR),
        Metric("instructions", "instructions", "1", "more", "fewer", lambda of: _exact(of.instructions),
               needs=frozenset({"provenance", "device", "runtime", "threads"}), threshold=INSTRUCTIONS_THRESHOLD,
               floor=INSTRUCTIONS_FLOOR, source="profile both sides with --via emulator or --counts"),
    )
}  # fmt: skip
