"""What every record is: frozen, versioned, JSON by msgspec."""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

SCHEMA = 1

Format = str  # one of registry.FORMATS, which ExportSpec checks
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
