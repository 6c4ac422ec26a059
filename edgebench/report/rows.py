"""Records as flat rows for `--json`: base units, fixed keys, null where a number is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgebench.ground.records import Accuracy, ModelSpec, QuantizationReport, Result

if TYPE_CHECKING:
    from edgebench.run.exporting import Outcome

_PERCENTILES = ("p90", "p95", "p99")
_PARITY = ("max_abs_error", "range_error", "relative_l2_error", "passed", "evaluated_by")


def profile(result: Result) -> dict[str, Any]:
    """One profile row; keys as the README documents them."""
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
        "instructions": result.instructions,
        "size_bytes": result.size_bytes,
        "parameters": result.parameters,
        "macs": result.macs,
        "parity": {name: getattr(result.parity, name) for name in _PARITY} if result.parity else None,
        "accuracy": accuracy(result.accuracy),
        "warnings": list(result.warnings),
        "status": result.status,
        "error": result.error,
    }


def latency(result: Result) -> dict[str, float | None]:
    """median, its interval (low, high, confidence), p90, p95, p99 in seconds; None for what the samples cannot carry.

    An estimate and an emulated row have the calibrated value and the ends of its interval.
    """
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
        **{name: getattr(summary, name, None) for name in _PERCENTILES},
    }


def export(outcome: Outcome) -> dict[str, Any]:
    """One export row; keys as the README documents them."""
    artifact, cell = outcome.artifact, outcome.cell
    model = artifact.model if artifact else cell.model
    parity = artifact.parity if artifact else None
    return {
        **(point(model) if model else {}),
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


def _quantization(report: QuantizationReport | None) -> dict[str, Any] | None:
    """How a file became int8; the errors of its layers are in the manifest."""
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


def accuracy(judged: Accuracy | None) -> dict[str, Any] | None:
    """Shares of images with their intervals (95%, Wilson); None where torch's network is not known."""
    if judged is None:
        return None
    reference = judged.reference_correct
    return {
        "top1": _share(judged.correct, judged.images),
        "top5": _share(judged.correct5, judged.images),
        "agreement": _share(judged.agreed, judged.images),
        "torch_top1": _share(reference, judged.images),
        "difference": (judged.correct - reference) / judged.images if reference is not None and judged.images else None,
        "images": judged.images,
        "unreadable": judged.unreadable,
        "images_per_s": (judged.images + judged.unreadable) / judged.seconds if judged.seconds else None,
        "dataset": judged.dataset,
        "dataset_identity": judged.dataset_identity,
        "evaluated_by": judged.evaluated_by,
    }


def _share(count: int | None, images: int) -> dict[str, float] | None:
    from edgebench.measure.accuracy import wilson

    share = None if count is None else wilson(count, images)
    return {name: getattr(share, name) for name in share.__struct_fields__} if share else None


def point(spec: ModelSpec) -> dict[str, Any]:
    """The network and its scaling point."""
    return {"model": spec.name, "width": spec.width, "depth": spec.depth, "resolution": spec.resolution}


def _middle(values: tuple[float, ...]) -> float | None:
    from statistics import median

    return median(values) if values else None
