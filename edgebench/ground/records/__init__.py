"""The records that flow through edgebench: immutable, versioned, and the only thing that is ever stored.

Base units throughout, with the unit in the name (`latency_s`, `size_bytes`). Raw samples are kept in time order;
summaries are computed by whoever reads a record and never stored in place of the samples.

Schema history
    1   2026-11: first version
"""

from __future__ import annotations

from edgebench.ground.records.artifact import (
    Artifact,
    LayerError,
    Parity,
    Preprocessing,
    QuantizationReport,
    TensorSpec,
)
from edgebench.ground.records.base import (
    SCHEMA,
    Calibrator,
    Count,
    Format,
    Interval,
    Layout,
    Positive,
    Precision,
    Provenance,
    QuantizationScheme,
    Record,
    Status,
    identity,
)
from edgebench.ground.records.results import (
    Accuracy,
    Estimate,
    Measurement,
    OperatorProfile,
    OperatorTime,
    Result,
    headline,
)
from edgebench.ground.records.specs import QUICK, ExportSpec, ModelSpec, Quantization, Scenario

__all__ = [
    "QUICK",
    "SCHEMA",
    "Accuracy",
    "Artifact",
    "Calibrator",
    "Count",
    "Estimate",
    "ExportSpec",
    "Format",
    "Interval",
    "LayerError",
    "Layout",
    "Measurement",
    "ModelSpec",
    "OperatorProfile",
    "OperatorTime",
    "Parity",
    "Positive",
    "Precision",
    "Preprocessing",
    "Provenance",
    "Quantization",
    "QuantizationReport",
    "QuantizationScheme",
    "Record",
    "Result",
    "Scenario",
    "Status",
    "TensorSpec",
    "headline",
    "identity",
]
