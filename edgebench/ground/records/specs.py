"""What is asked for: which network, which file, how it becomes int8, how it is measured."""

from __future__ import annotations

import hashlib
from typing import Literal

from edgebench.ground.records.base import (
    Calibrator,
    Count,
    Format,
    Positive,
    Precision,
    QuantizationScheme,
    Record,
    identity,
)
from edgebench.ground.registry import DEFAULT_FORMAT, FORMATS


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


class Quantization(Record, frozen=True, kw_only=True):
    """How a network becomes int8.

    `scheme`: static (weights and activations, with calibrated ranges), dynamic (activations at run time) or weights
    (activations stay float). `calibration` is a data set's reference; empty means generated images, which is right for
    timing only. `calibrator` auto tries all and keeps the one with the least output error on held-out images.
    `activations` is ONNX's signedness, empty for what is fast on the target. `error_budget` is the relative L2 error of
    the outputs above which the worst layers stay float.
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
