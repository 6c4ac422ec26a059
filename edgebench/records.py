"""The records that flow through edgebench: immutable, versioned, and the only thing that is ever stored.

Base units throughout, with the unit in the name (`latency_s`, `size_bytes`). Raw samples are kept in time order;
summaries are computed by whoever reads a record and never stored in place of the samples.

Schema history
    1   2026-11: first version
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

SCHEMA = 1

Format = Literal["tflite", "onnx", "coreml", "torch", "ncnn"]
Precision = Literal["fp32", "fp16", "int8"]
Provenance = Literal["measured", "emulated", "estimated"]
Status = Literal["ok", "failed", "invalid", "skipped"]
Layout = Literal["NHWC", "NCHW", "NC"]

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all records: frozen, keyword-only, JSON by msgspec."""

    def _repr_html_(self) -> str:
        """A two-column table for notebooks."""
        from edgebench.notebook import record_html

        return record_html(self)


class ModelSpec(Record, frozen=True, kw_only=True):
    """Which network: a registered family member, or a user's factory, at one scaling point.

    `width` multiplies channels, `depth` multiplies block repeats, `resolution` is the input's height and width in
    pixels. `height` differs from `resolution` only for a user's non-square network. `options` holds a family's own
    switches, such as groups=2 for alexnet.
    """

    name: str
    family: str
    width: Positive = 1.0
    depth: Positive = 1.0
    resolution: Count = 224
    height: Count | None = None
    classes: Count = 1000
    channels: Count = 3
    options: dict[str, int | float | bool | str] = {}

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(1, channels, height, width)."""
        return (1, self.channels, self.height or self.resolution, self.resolution)

    @property
    def key(self) -> str:
        """A readable, file-safe name that is unique to the spec: mobilenetv2-w1-d1-r224, plus what is not default."""
        options = [f"{name}{value}" for name, value in sorted(self.options.items())]
        parts = [_file_safe(self.name), f"w{self.width:g}", f"d{self.depth:g}", f"r{self.resolution}"]
        if self.height not in (None, self.resolution):
            parts.append(f"h{self.height}")
        if self.classes != 1000:
            parts.append(f"k{self.classes}")
        if self.channels != 3:
            parts.append(f"c{self.channels}")
        parts += map(_file_safe, options)
        named = "-".join([self.name, *options])
        if _file_safe(named) != named:
            parts.append(hashlib.sha256(named.encode()).hexdigest()[:8])
        return "-".join(parts)


class ExportSpec(Record, frozen=True, kw_only=True):
    """Which file: format, weight precision, and how it is converted."""

    format: Format = "tflite"
    precision: Precision = "fp32"
    converter: str = "default"
    image_input: bool = False

    @property
    def key(self) -> str:
        """File-safe and unique to the spec: tflite-fp32."""
        parts: list[str] = [self.format, self.precision]
        if self.converter != "default":
            parts.append(self.converter)
        if self.image_input:
            parts.append("image")
        return "-".join(parts)


class TensorSpec(Record, frozen=True, kw_only=True):
    """One input or output of a file. A dimension of None is dynamic."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    layout: Layout | None = None


class Preprocessing(Record, frozen=True, kw_only=True):
    """How an image becomes the network's input: shorter side to `resize`, centre `crop`, /255, (x - mean) / std."""

    resize: int
    crop: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Parity(Record, frozen=True, kw_only=True):
    """Errors of a written file against torch in float32, the worst over all inputs tried."""

    inputs: int
    max_abs_error: float
    output_range: float
    relative_l2_error: float
    gate: str
    passed: bool
    evaluated_by: str

    @property
    def range_error(self) -> float:
        """Largest absolute error as a share of the output's range."""
        return self.max_abs_error / self.output_range if self.output_range else float("inf")


class Artifact(Record, frozen=True, kw_only=True):
    """A checked file and all that is known of it; written beside the file as its JSON manifest.

    `cache_key` addresses everything that the file was made from; it is empty where an export is never reused.
    """

    schema: int = SCHEMA
    model: ModelSpec
    export: ExportSpec
    path: str
    sha256: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocessing: Preprocessing | None = None
    parity: Parity | None = None
    operators: dict[str, int] = {}
    delegated_share: float | None = None
    delegates: int | None = None
    parameters: int | None = None
    macs: int | None = None
    weights_sha256: str | None = None
    convert_s: float | None = None
    cached: bool = False
    cache_key: str = ""
    tool_versions: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    created: str = ""


class Scenario(Record, frozen=True, kw_only=True):
    """How latency is measured: a fresh process per repeat, warm-up, then at least `min_runs` AND `min_s`."""

    processes: Count = 5
    warmup_runs: int = 10
    warmup_s: float = 0.5
    min_runs: Count = 100
    min_s: float = 10.0
    max_s: float = 150.0
    threads: Count = 1
    batch: Count = 1
    seed: int = 0
    quick: bool = False


QUICK = Scenario(processes=3, min_runs=30, min_s=1.0, max_s=30.0, quick=True)


class Interval(Record, frozen=True, kw_only=True):
    """A value with its interval at the stated confidence."""

    value: float
    low: float
    high: float
    confidence: float = 0.95


class OperatorTime(Record, frozen=True, kw_only=True):
    """One operator's times by its engine's own profiler, one a run; `start_s` from the inference's start, where told.

    `unit` is what ran it. `traffic_bytes` is what it reads and writes when nothing stays in a cache.
    """

    name: str
    kind: str
    unit: str = ""
    time_s: tuple[float, ...]
    start_s: tuple[float, ...] = ()
    macs: int | None = None
    traffic_bytes: int | None = None


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


class Measurement(Record, frozen=True, kw_only=True, tag="measurement", tag_field="kind"):
    """Raw timings of one cell (model x file x device x runtime x threads). Nothing in it is a summary.

    `latency_s[process][i]` is in time order. `memory_bytes` maps phases (baseline, load, first, steady) to peak
    resident bytes from the memory pass. `operators` comes from a pass of its own, when it was asked for.
    """

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
    latency_s: tuple[tuple[float, ...], ...] = ()
    load_s: tuple[float, ...] = ()
    first_s: tuple[float, ...] = ()
    memory_bytes: dict[str, int] = {}
    artifact_sha256: str | None = None
    size_bytes: int | None = None
    parameters: int | None = None
    macs: int | None = None
    parity: Parity | None = None
    counts: dict[str, int] = {}
    operators: OperatorProfile | None = None
    environment: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    status: Status = "ok"
    error: str | None = None

    @property
    def peak_memory_bytes(self) -> int | None:
        """Peak resident bytes of load and inference above the process's baseline before the model was loaded."""
        peaks = [value for phase, value in self.memory_bytes.items() if phase != "baseline"]
        return max(peaks) - self.memory_bytes.get("baseline", 0) if peaks else None


class Estimate(Record, frozen=True, kw_only=True, tag="estimate", tag_field="kind"):
    """What a network should take on a device nobody measured here: latency with an interval, memory as planned."""

    schema: int = SCHEMA
    id: str
    time: str
    model: ModelSpec
    export: ExportSpec
    device: str
    runtime: str
    threads: Count = 1
    provenance: Provenance = "estimated"
    latency_s: Interval | None = None
    peak_memory_bytes: int | None = None
    artifact_sha256: str | None = None
    size_bytes: int | None = None
    parameters: int | None = None
    macs: int | None = None
    parity: Parity | None = None
    calibrated_on: str = ""
    warnings: tuple[str, ...] = ()
    status: Status = "ok"
    error: str | None = None


Result = Measurement | Estimate


def _file_safe(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in text)


def identity(*parts: object) -> str:
    """Returns a 16-digit content address of JSON-able parts; the same parts give the same address."""
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]
