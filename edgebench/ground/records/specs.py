"""What is asked for (which network, which file, how it is measured), and a written file with all that is known of it.

Every record is frozen, versioned, and JSON by msgspec.
"""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgebench.ground.registry import DEFAULT_FORMAT, FORMATS

SCHEMA = 1
CLASSES = 1000  # ImageNet's: of a network whose number of classes was not said

Format = str  # one of registry.FORMATS, which ExportSpec checks
Precision = Literal["fp32", "fp16", "int8"]
Provenance = Literal["measured", "emulated", "estimated"]
Status = Literal["ok", "failed", "invalid", "skipped"]
Layout = Literal["NHWC", "NCHW", "NC"]
QuantizationScheme = Literal["static", "dynamic", "weights"]
Calibrator = Literal["auto", "minmax", "moving", "percentile", "entropy", "mse"]

Positive = Annotated[float, Meta(gt=0, le=1e9)]
LONGEST_S = 1e9  # 30 years: no time of an inference
Seconds = Annotated[float, Meta(gt=0, lt=LONGEST_S)]
Count = Annotated[int, Meta(ge=1)]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all records: frozen, keyword-only, JSON by msgspec."""

    def _repr_html_(self) -> str:
        """A two-column table for notebooks; of a long tuple, such as raw latencies, only its beginning."""
        from html import escape
        from reprlib import Repr

        short = Repr()
        short.maxtuple, short.maxdict, short.maxstring, short.maxother = 6, 40, 400, 400
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(text)}</td></tr>"
            for name, text in ((name, short.repr(getattr(self, name))) for name in self.__struct_fields__)
        )
        return f"<table><caption>{type(self).__name__}</caption>{rows}</table>"


class Interval(Record, frozen=True, kw_only=True):
    """A value with its interval at the stated confidence, from 0 to infinity where nothing bounds it."""

    value: float
    low: float
    high: float
    confidence: float = 0.95

    @property
    def is_bounded(self) -> bool:
        """Whether anything is known of how far off the value is."""
        return math.isfinite(self.high)


def identity(*parts: object) -> str:
    """Returns a 16-digit content address of JSON-able parts; the same parts give the same address."""
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


class Beside(Record, frozen=True, kw_only=True):
    """An input of a network beside its image: its shape behind the batch, and its dtype in torch."""

    shape: tuple[Count, ...]
    dtype: Literal["float32", "int64", "int32", "bool"] = "float32"

    def __str__(self) -> str:
        """As a user writes it: 10, or 77:int64."""
        return "x".join(map(str, self.shape)) + (f":{self.dtype}" if self.dtype != "float32" else "")


class ModelSpec(Record, frozen=True, kw_only=True):
    """Which network: a registered family member, a user's own or a ready file, at one scaling point.

    `width` multiplies channels, `depth` multiplies block repeats, `resolution` is the input's height and width in
    pixels. `height` differs from `resolution` only for a user's non-square network. `options` holds a family's own
    switches, such as groups=2 for alexnet. A user's own network ("user") and a file ("file") have no scaling point
    besides their input. `beside` are a user's network's inputs behind its image, each with a batch in front. `digest`
    is of a module that was in hand: what it is made of, without its values.
    """

    name: str
    family: str
    width: Positive = 1.0
    depth: Positive = 1.0
    resolution: Count = 224
    height: Count | None = None
    classes: Count = CLASSES
    channels: Count = 3
    options: dict[str, int | float | bool | str] = {}
    beside: tuple[Beside, ...] = ()
    digest: str = ""

    @property
    def is_scaled(self) -> bool:
        """Whether width, depth and classes were chosen for it: those of a user's own network are its own."""
        return self.family not in ("user", "file")

    @property
    def short_name(self) -> str:
        """The name without where it is from: make of nets.py:make."""
        return self.name.rpartition(":")[2]

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(1, channels, height, width)."""
        return (1, self.channels, self.height or self.resolution, self.resolution)

    @property
    def title(self) -> str:
        """A readable, file-safe name: mobilenetv2-w1-d1-r224, plus what is not default; make-r64 of nets.py:make."""
        parts = [_file_safe(self.short_name)]
        parts += [f"w{self.width:g}", f"d{self.depth:g}"] if self.is_scaled else []
        parts.append(f"r{self.resolution}")
        if self.height not in (None, self.resolution):
            parts.append(f"h{self.height}")
        if self.classes != CLASSES and self.is_scaled:
            parts.append(f"k{self.classes}")
        if self.channels != 3:
            parts.append(f"c{self.channels}")
        parts += [f"i{one}".replace(":", "") for one in self.beside]
        return "-".join([*parts, *map(_file_safe, self._switches)])

    @property
    def key(self) -> str:
        """The title, with a digest of what it leaves out where it is not unique to the spec."""
        named = "-".join([self.name, *self._switches, *filter(None, [self.digest])])
        exact = _file_safe(named) == named and not self.digest
        return self.title if exact else f"{self.title}-{hashlib.sha256(named.encode()).hexdigest()[:8]}"

    @property
    def _switches(self) -> list[str]:
        return [f"{name}{value}" for name, value in sorted(self.options.items())]


class Quantization(Record, frozen=True, kw_only=True):
    """How a network becomes int8.

    `scheme`: static (weights and activations, with calibrated ranges), dynamic (activations at run time) or weights
    (activations stay float). `calibration` is a data set's reference; empty means generated images, which is right for
    timing only. `calibrator` auto tries all and keeps the one with the least output error on held-out images.
    `activations` is ONNX's signedness, empty for what is fast on the target. `error_budget` is the relative L2 error of
    the outputs above which the worst layers stay float, `max_drop` the points of top-1 that the file may lose on
    `judged_limit` images of the labelled data set `judged`.
    """

    scheme: QuantizationScheme = "static"
    calibration: str = ""
    samples: Count = 64
    calibrator: Calibrator = "auto"
    float_io: bool = True
    activations: Literal["", "uint8", "int8"] = ""
    equalize: bool = True
    correct_bias: bool = True
    error_budget: Positive | None = None
    max_drop: Positive | None = None
    judged: str = ""
    judged_limit: Count | None = None


class ExportSpec(Record, frozen=True, kw_only=True):
    """Which file: format, weight precision, and how it is converted. `quantization` is for int8 only."""

    format: Format = DEFAULT_FORMAT
    precision: Precision = "fp32"
    converter: str = "default"
    image_input: bool = False
    quantization: Quantization | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for an unknown format, which a reader of JSON hears of as a ValidationError."""
        if self.format not in FORMATS:
            raise ValueError(f"Invalid format '{self.format}': it is none of {', '.join(FORMATS)}")

    @property
    def key(self) -> str:
        """File-safe and unique to the spec: tflite-fp32."""
        parts: list[str] = [self.format, self.precision]
        if self.converter != "default":
            parts.append(self.converter)
        if self.image_input:
            parts.append("image")
        if self.quantization not in (None, Quantization()):
            parts.append(identity(self.quantization)[:8])
        return "-".join(parts)


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


def _file_safe(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in text)


class TensorSpec(Record, frozen=True, kw_only=True):
    """One input or output of a file. A dimension of None is dynamic.

    Where the dtype is an integer, it stands for (value - zero_point) * scale.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    layout: Layout | None = None
    scale: float | None = None
    zero_point: int | None = None

    @property
    def values(self) -> int:
        """How many values it has for one image, where its sizes are known; of an output, the classes."""
        return math.prod(size or 1 for size in self.shape[1:] or self.shape)


class Preprocessing(Record, frozen=True, kw_only=True):
    """How an image becomes the network's input: shorter side to `resize`, centre `crop`, /255, (x - mean) / std.

    With `squash` both sides become `resize`, whatever the image's shape. `mean` and `std` are in the order of
    `channels`. `exif` is whether an image is first turned as its EXIF orientation says.
    """

    resize: int
    crop: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: Literal["rgb", "bgr"] = "rgb"
    squash: bool = False
    exif: bool = False


class Parity(Record, frozen=True, kw_only=True):
    """Errors of a written file against torch in float32, the worst over all inputs tried.

    `torch_error` is torch's own rounding, the largest difference of its float32 outputs from its float64 ones, where
    the gate was widened for it; the errors are then those against float64. `doubt` says what the outputs cannot tell.
    Of several outputs the errors are the worst one's, and `outputs` has the largest of each as a share of its range.
    """

    inputs: int
    max_abs_error: float
    output_range: float
    relative_l2_error: float
    gate: str
    passed: bool
    evaluated_by: str
    torch_error: float | None = None
    doubt: str = ""
    outputs: dict[str, float] = {}

    @property
    def range_error(self) -> float:
        """Largest absolute error as a share of the output's range."""
        return self.max_abs_error / self.output_range if self.output_range else float("inf")


class LayerError(Record, frozen=True, kw_only=True):
    """What int8 costs at one layer: the relative L2 error of its output against float, by the same input images.

    `stored` is what the layer is computed in, int8 or float; `why` says why it stayed float.
    """

    name: str
    kind: str
    relative_l2_error: float
    stored: str = "int8"
    why: str = ""


class QuantizationReport(Record, frozen=True, kw_only=True):
    """What was decided while a file became int8, and what it costs.

    `errors` maps every calibrator tried to the relative L2 error of the outputs on `held_out` images. `drop` is what
    top-1 loses against fp32 on `judged` labelled images, in points, and `drop_throughout` what it would lose without
    the layers that stay float for it; `latency_ratio` is how much longer these make it, as estimated.
    """

    calibrator: Calibrator
    calibration_images: int
    held_out: int
    errors: dict[str, float] = {}
    layers: tuple[LayerError, ...] = ()
    equalized: bool = False
    rounded: bool = False
    bias_corrected: bool = False
    activations: str = ""
    judged: int = 0
    drop: Interval | None = None
    drop_throughout: float | None = None
    latency_ratio: float | None = None


class Artifact(Record, frozen=True, kw_only=True):
    """A checked file and all that is known of it; written beside the file as its JSON manifest.

    `labels` are the names of the outputs, in order, where they are known. `rewrites` counts what was merged, folded and
    moved while the network became a graph, by rule; `transposes` those that are left in the file, `moved_bytes` what
    they move at batch 1 in float32. `cache_key` addresses everything that the file was made from; it is empty where an
    export is never reused.
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
    labels: tuple[str, ...] = ()
    parity: Parity | None = None
    quantization: QuantizationReport | None = None
    operators: dict[str, int] = {}
    rewrites: dict[str, int] = {}
    transposes: int | None = None
    moved_bytes: int | None = None
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

    @property
    def takes_pixels(self) -> bool:
        """Whether its input is an image's bytes, which it normalises itself, if at all."""
        first = self.inputs[0] if self.inputs else None
        return self.export.image_input or (first is not None and first.dtype == "uint8" and first.scale is None)

    def scenario(self, asked: Scenario) -> Scenario:
        """How this file is measured: a batch that it has fixed stays as it is, and a time is that of so many images."""
        fixed = self.inputs[0].shape[0] if self.inputs and self.inputs[0].shape else None
        return msgspec.structs.replace(asked, batch=fixed or asked.batch)
