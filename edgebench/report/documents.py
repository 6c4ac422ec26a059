"""The JSON documents of edgebench and their schemas, each derived from the type whose values are written."""

from __future__ import annotations

from typing import Any, Final

from edgebench.ground.registry import Registry

_COMPARE, _RECORDS = "edgebench.compare", "edgebench.ground.records"
_DEVICES, _ROWS = "edgebench.report.devices", "edgebench.report.device_rows"

DOCUMENTS: Final = Registry(
    "document",
    {
        "init": "edgebench.run.starting:Started",
        "models": "edgebench.models.summary:ModelSummary",
        "models-published": "edgebench.models.published:Published",
        "export": "edgebench.report.rows:Exported",
        "profile": "edgebench.report.rows:Profile",
        "runtimes": "edgebench.report.ranking:RankedRow",
        "evaluate": "edgebench.report.accuracy:Evaluated",
        "inspect": "edgebench.run.inspecting:Inspection",
        "deploy": "edgebench.deployment.app:Description",
        "devices": f"{_ROWS}:Device",
        "devices-validation": "edgebench.estimate.validation:Reached",
        "validation": "edgebench.estimate.validation:Validation",
        "doctor": "edgebench.run.diagnosis:Diagnosis",
        "train": "edgebench.training.records:TrainingResult",
        "scale": "edgebench.choose:Choice",
        "sweep": "edgebench.api:Swept",
        "compare": f"{_COMPARE}.records:ComparisonReport",
        "compare-benchmark-action": "edgebench.report.comparison.build:Benchmark",
        "gate": f"{_COMPARE}.gating:GateReport",
        "ab": f"{_COMPARE}.ab:AbReport",
        "history": f"{_COMPARE}.history:History",
        "device setup": "edgebench.places.emulator.readiness:Readiness",
        "device check": f"{_DEVICES}:Checked",
        "device calibrate": f"{_DEVICES}:CalibratedRow",
        "device list": "edgebench.places.emulator.readiness:Readiness",
        "device show": f"{_ROWS}:Shown",
        "measurement": f"{_RECORDS}:Measurement",
        "estimate": f"{_RECORDS}:Estimate",
        "manifest": f"{_RECORDS}:Artifact",
        "noise": f"{_COMPARE}.thresholds:Noise",
    },
)
"""What commands print with --json or --format json, and what stands in files, with the type of each or of its rows."""

LISTS: Final = (
    "models", "models-published", "export", "profile", "runtimes", "evaluate", "devices", "devices-validation",
    "device list", "compare-benchmark-action",
)  # fmt: skip
"""Those that are a list of objects of their type."""


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a document; raises UsageError for one that there is not."""
    import msgspec

    name = DOCUMENTS.resolve(name)
    kind = DOCUMENTS.load(name)
    made = msgspec.json.schema(list[kind] if name in LISTS else kind)  # type: ignore[valid-type]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"edgebench {name}", **made}
