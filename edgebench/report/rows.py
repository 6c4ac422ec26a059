"""Records as flat rows for `--json`: base units, fixed keys, null where a number is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from edgebench.ground.records import Accuracy, Interval, ModelSpec, Parity, QuantizationReport, Result
from edgebench.report import operators

if TYPE_CHECKING:
    from edgebench.run.exporting import Outcome


class Point(TypedDict):
    """A network and its scaling point; null where the network could not be read."""

    model: str | None
    width: float | None
    depth: float | None
    resolution: int | None


class Latency(TypedDict):
    """Seconds; an estimate and an emulated row have the calibrated value and the ends of its interval."""

    median: float | None
    low: float | None
    high: float | None
    confidence: float | None
    p90: float | None
    p95: float | None
    p99: float | None


class ParityRow(TypedDict):
    """Errors of the file against PyTorch in fp32."""

    max_abs_error: float
    range_error: float
    relative_l2_error: float
    passed: bool
    evaluated_by: str


class AccuracyRow(TypedDict):
    """Shares of images with their intervals (95%, Wilson); null where torch's network is not known."""

    top1: Interval | None
    top5: Interval | None
    agreement: Interval | None
    torch_top1: Interval | None
    difference: float | None
    images: int
    unreadable: int
    images_per_s: float | None
    dataset: str
    dataset_identity: str
    evaluated_by: str


class Profile(Point):
    """A network in a file on a device, measured, emulated or estimated."""

    format: str
    precision: str
    device: str
    runtime: str
    processor: str
    threads: int
    provenance: str
    latency_s: Latency
    calibrated_on: str | None
    first_s: float | None
    load_s: float | None
    peak_memory_bytes: int | None
    peak_memory: Interval | None
    instructions: int | None
    size_bytes: int | None
    parameters: int | None
    macs: int | None
    parity: ParityRow | None
    accuracy: AccuracyRow | None
    warnings: list[str]
    status: str
    error: str | None
    operators: operators.OperatorRows | None


class Quantized(TypedDict):
    """How a file became int8; the errors of its layers are in the manifest."""

    calibrator: str
    calibration_images: int
    held_out: int
    errors: dict[str, float]
    equalized: bool
    rounded: bool
    bias_corrected: bool
    drop: Interval | None
    drop_throughout: float | None
    judged: int
    latency_ratio: float | None
    activations: str
    float_layers: list[str]


class Exported(Point):
    """A file, or why there is none."""

    format: str
    precision: str
    path: str | None
    size_bytes: int | None
    sha256: str | None
    max_abs_error: float | None
    relative_l2_error: float | None
    quantization: Quantized | None
    warnings: list[str]
    convert_s: float | None
    cached: bool
    status: str
    error: str | None


def profile(result: Result) -> Profile:
    """One profile row."""
    return {
        **point(result.model),
        "format": result.export.format,
        "precision": result.export.precision,
        "device": result.device,
        "runtime": result.runtime,
        "processor": result.processor,
        "threads": result.threads,
        "provenance": result.provenance,
        "latency_s": latency(result),
        "calibrated_on": result.calibrated_on or None,
        "first_s": _middle(result.first_s),
        "load_s": _middle(result.load_s),
        "peak_memory_bytes": result.peak_memory_bytes,
        "peak_memory": result.peak_memory,
        "instructions": result.instructions,
        "size_bytes": result.size_bytes,
        "parameters": result.parameters,
        "macs": result.macs,
        "parity": _parity(result.parity) if result.parity else None,
        "accuracy": accuracy(result.accuracy),
        "warnings": list(result.warnings),
        "status": result.status,
        "error": result.error,
        "operators": operators.rows(result.operators) if result.operators else None,
    }


def latency(result: Result) -> Latency:
    """The headline, and the percentiles that the samples carry."""
    headline, summary = result.latency, None
    if result.scenario and result.samples_s:
        from edgebench.measure.latency import summarize

        summary = summarize(result.samples_s, quick=result.scenario.quick)
    bounded = headline if headline and headline.is_bounded else None
    return {
        "median": headline.value if headline else None,
        "low": bounded.low if bounded else None,
        "high": bounded.high if bounded else None,
        "confidence": bounded.confidence if bounded else None,
        "p90": summary.p90 if summary else None,
        "p95": summary.p95 if summary else None,
        "p99": summary.p99 if summary else None,
    }


def _parity(parity: Parity) -> ParityRow:
    return {
        "max_abs_error": parity.max_abs_error,
        "range_error": parity.range_error,
        "relative_l2_error": parity.relative_l2_error,
        "passed": parity.passed,
        "evaluated_by": parity.evaluated_by,
    }


def export(outcome: Outcome) -> Exported:
    """One export row."""
    artifact, cell = outcome.artifact, outcome.cell
    parity = artifact.parity if artifact else None
    return {
        **point(artifact.model if artifact else cell.model),
        "format": cell.export.format,
        "precision": cell.export.precision,
        "path": artifact.path if artifact else None,
        "size_bytes": artifact.size_bytes if artifact else None,
        "sha256": artifact.sha256 if artifact else None,
        "max_abs_error": parity.max_abs_error if parity else None,
        "relative_l2_error": parity.relative_l2_error if parity else None,
        "quantization": _quantization(artifact.quantization) if artifact else None,
        "warnings": list(artifact.warnings) if artifact else [],
        "convert_s": artifact.convert_s if artifact else None,
        "cached": artifact.cached if artifact else False,
        "status": "ok" if artifact else "failed",
        "error": outcome.error,
    }


def _quantization(report: QuantizationReport | None) -> Quantized | None:
    if report is None:
        return None
    return {
        "calibrator": report.calibrator,
        "calibration_images": report.calibration_images,
        "held_out": report.held_out,
        "errors": report.errors,
        "equalized": report.equalized,
        "rounded": report.rounded,
        "bias_corrected": report.bias_corrected,
        "drop": report.drop,
        "drop_throughout": report.drop_throughout,
        "judged": report.judged,
        "latency_ratio": report.latency_ratio,
        "activations": report.activations,
        "float_layers": [layer.name for layer in report.layers if layer.stored == "float"],
    }


def accuracy(judged: Accuracy | None) -> AccuracyRow | None:
    """The row of what was counted; None of nothing."""
    if judged is None:
        return None
    from edgebench.measure.accuracy import wilson

    def share(count: int | None) -> Interval | None:
        return None if count is None else wilson(count, judged.images)

    reference = judged.reference_correct
    return {
        "top1": share(judged.correct),
        "top5": share(judged.correct5),
        "agreement": share(judged.agreed),
        "torch_top1": share(reference),
        "difference": (judged.correct - reference) / judged.images if reference is not None and judged.images else None,
        "images": judged.images,
        "unreadable": judged.unreadable,
        "images_per_s": (judged.images + judged.unreadable) / judged.seconds if judged.seconds else None,
        "dataset": judged.dataset,
        "dataset_identity": judged.dataset_identity,
        "evaluated_by": judged.evaluated_by,
    }


def point(spec: ModelSpec | None) -> Point:
    """The network and its scaling point; None of a network that could not be read."""
    if spec is None:
        return {"model": None, "width": None, "depth": None, "resolution": None}
    return {"model": spec.name, "width": spec.width, "depth": spec.depth, "resolution": spec.resolution}


def _middle(values: tuple[float, ...]) -> float | None:
    from statistics import median

    return median(values) if values else None
