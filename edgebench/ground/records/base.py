"""What every record is: frozen, versioned, JSON by msgspec."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

SCHEMA = 1

Format = Literal["tflite", "onnx", "coreml", "torch", "ncnn"]
Precision = Literal["fp32", "fp16", "int8"]
Provenance = Literal["measured", "emulated", "estimated"]
Status = Literal["ok", "failed", "invalid", "skipped"]
Layout = Literal["NHWC", "NCHW", "NC"]
QuantizationScheme = Literal["static", "dynamic", "weights"]
Calibrator = Literal["auto", "minmax", "moving", "percentile", "entropy", "mse"]

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all records: frozen, keyword-only, JSON by msgspec."""

    def _repr_html_(self) -> str:
        """A two-column table for notebooks."""
        from edgebench.report.notebook import record_html

        return record_html(self)


class Interval(Record, frozen=True, kw_only=True):
    """A value with its interval at the stated confidence."""

    value: float
    low: float
    high: float
    confidence: float = 0.95


def identity(*parts: object) -> str:
    """Returns a 16-digit content address of JSON-able parts; the same parts give the same address."""
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]
