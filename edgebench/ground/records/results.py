"""What was found: raw samples where something ran, intervals where it was estimated.

Whoever reads a Result asks its properties, which both kinds of record have, and need not know which kind it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from edgebench.ground.records.specs import (
    SCHEMA,
    Count,
    ExportSpec,
    Interval,
    ModelSpec,
    Parity,
    Provenance,
    Record,
    Scenario,
    Seconds,
    Status,
)
from edgebench.ground.statistics import CONFIDENCE, interval


class OperatorTime(Record, frozen=True, kw_only=True):
    """One operator's times by its engine's own profiler, one a run; `start_s` from the inference's start, where told.

    An emulated one has the instructions that it executes in `counts`, by class, and no times.
    `unit` is what ran it. `traffic_bytes` is what it reads and writes when nothing stays in a cache.
    """

    name: str
    kind: str
    unit: str = ""
    time_s: tuple[float, ...]
    start_s: tuple[float, ...] = ()
    macs: int | None = None
    traffic_bytes: int | None = None
    counts: dict[str, int] = {}


class OperatorProfile(Record, frozen=True, kw_only=True):
    """Operators in the order in which they run, from one fresh process.

    `profiled_s` are the same runs' whole inferences; `plain_s` are runs without the profiler. The roof is the most
    that this machine gave at the same number of threads: float32 matrix products, and reading memory.
    """

    method: str
    threads: Count = 1
    operators: tuple[OperatorTime, ...] = ()
    profiled_s: tuple[float, ...] = ()
    plain_s: tuple[float, ...] = ()
    roof_flop_per_s: float | None = None
    roof_bytes_per_s: float | None = None

    @property
    def is_timed(self) -> bool:
        """Whether a clock has seen its operators; those of an emulated device are counted."""
        return any(operator.time_s for operator in self.operators)


class Accuracy(Record, frozen=True, kw_only=True):
    """Predictions of one file over one data set, as counts, so that any interval can be computed from them.

    `agreed` counts images where the file's first class is that of torch in float32; `reference_correct` is torch's own
    `correct`. `unreadable` images are not among `images`. `evaluated_by` names what ran the file.
    """

    dataset: str
    dataset_identity: str
    images: int
    correct: int
    correct5: int | None = None
    agreed: int | None = None
    reference_correct: int | None = None
    unreadable: int = 0
    seconds: float = 0.0
    evaluated_by: str = ""


def headline(samples_s: Sequence[Sequence[float]]) -> Interval | None:
    """The median of the process medians with its 95% interval, which a lone process leaves unbounded; None of none."""
    from statistics import median  # it imports a lot, and a listing needs no median

    medians = [median(samples) for samples in samples_s if samples]
    if not medians:
        return None
    low, high = interval(medians) or (0.0, math.inf)
    return Interval(value=median(medians), low=low, high=high, confidence=CONFIDENCE)


class Confusion(Record, frozen=True, kw_only=True):
    """How often images of one class were taken for another: `count` of `images`."""

    actual: str
    predicted: str
    count: int
    images: int


class Measurement(Record, frozen=True, kw_only=True, tag="measurement", tag_field="kind"):
    """Raw timings of one cell (model x file x device x runtime x threads). Nothing in it is a summary.

    `latency_s[process][i]` is in time order. `memory_bytes` maps phases (baseline, load, first, steady) to peak
    resident bytes from the memory pass. `operators` comes from a pass of its own, when it was asked for.
    `estimated_latency_s` is for emulated rows: the time that a calibrated constant makes of their counts, and
    `calibrated_on` says what that constant rests on and how far it is off.
    """

    processor: ClassVar[str] = "cpu"
    peak_memory: ClassVar[None] = None  # an estimate has an interval of it

    schema: int = SCHEMA
    id: str
    time: str
    model: ModelSpec
    export: ExportSpec
    device: str
    runtime: str
    runtime_version: str
    provenance: Provenance = "measured"
    scenario: Scenario
    latency_s: tuple[Annotated[tuple[Seconds, ...], Meta(min_length=1)], ...] = ()
    load_s: tuple[Seconds, ...] = ()
    first_s: tuple[Seconds, ...] = ()
    memory_bytes: dict[str, int] = {}
    artifact_sha256: str | None = None
    size_bytes: int | None = None
    parameters: int | None = None
    macs: int | None = None
    parity: Parity | None = None
    accuracy: Accuracy | None = None
    counts: dict[str, int] = {}
    estimated_latency_s: Interval | None = None
    calibrated_on: str = ""
    operators: OperatorProfile | None = None
    environment: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    status: Status = "ok"
    error: str | None = None

    @property
    def samples_s(self) -> tuple[tuple[float, ...], ...]:
        """The raw latencies by process, in time order."""
        return self.latency_s

    @property
    def latency(self) -> Interval | None:
        """The median of the process medians with its 95% interval; where nothing was timed, the calibrated estimate."""
        return headline(self.latency_s) or self.estimated_latency_s

    @property
    def threads(self) -> int:
        """Threads of the runtime."""
        return self.scenario.threads

    @property
    def instructions(self) -> int | None:
        """Instructions that one inference executes, where they were counted."""
        return self.counts.get("instructions")

    @property
    def peak_memory_bytes(self) -> int | None:
        """Peak resident bytes of load and inference above the process's baseline before the model was loaded."""
        peaks = [value for phase, value in self.memory_bytes.items() if phase != "baseline"]
        return max(peaks) - self.memory_bytes.get("baseline", 0) if peaks else None


class Estimate(Record, frozen=True, kw_only=True, tag="estimate", tag_field="kind"):
    """What a network should take on a device nobody measured here: latency with an interval, memory as planned.

    Nothing ran, so what only a run has is empty, and not stored.
    """

    scenario: ClassVar[Scenario | None] = None
    runtime_version: ClassVar[str | None] = None
    samples_s: ClassVar[tuple[tuple[float, ...], ...]] = ()
    load_s: ClassVar[tuple[float, ...]] = ()
    first_s: ClassVar[tuple[float, ...]] = ()
    counts: ClassVar[Mapping[str, int]] = {}
    instructions: ClassVar[int | None] = None
    operators: ClassVar[OperatorProfile | None] = None
    environment: ClassVar[Mapping[str, Any]] = {}

    schema: int = SCHEMA
    id: str
    time: str
    model: ModelSpec
    export: ExportSpec
    device: str
    runtime: str
    processor: str = "cpu"
    threads: Count = 1
    provenance: Provenance = "estimated"
    latency_s: Interval | None = None
    peak_memory_bytes: int | None = None
    peak_memory: Interval | None = None
    artifact_sha256: str | None = None
    size_bytes: int | None = None
    parameters: int | None = None
    macs: int | None = None
    parity: Parity | None = None
    accuracy: Accuracy | None = None
    calibrated_on: str = ""
    warnings: tuple[str, ...] = ()
    status: Status = "ok"
    error: str | None = None

    @property
    def latency(self) -> Interval | None:
        """The estimate with its interval."""
        return self.latency_s


Result = Measurement | Estimate
