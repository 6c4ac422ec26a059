"""Records as flat rows for `--json`: base units, fixed keys, null where a number is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgebench.ground.records import Accuracy, Estimate, Measurement, ModelSpec, Parity, QuantizationReport, Result

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile
    from edgebench.run.exporting import Outcome

_LATENCY = ("median", "low", "high", "p90", "p95", "p99")


def profile(result: Result) -> dict[str, Any]:
    """One profile row; keys as the README documents them."""
    return {
        **point(result.model),
        "format": result.export.format,
        "precision": result.export.precision,
        "device": result.device,
        "runtime": result.runtime,
        "threads": result.scenario.threads if isinstance(result, Measurement) else result.threads,
        "provenance": result.provenance,
        "latency_s": latency(result),
        "calibrated_on": result.calibrated_on or None,
        "first_s": _middle(result.first_s) if isinstance(result, Measurement) else None,
        "load_s": _middle(result.load_s) if isinstance(result, Measurement) else None,
        "peak_memory_bytes": result.peak_memory_bytes,
        "instructions": result.counts.get("instructions") if isinstance(result, Measurement) else None,
        "size_bytes": result.size_bytes,
        "parameters": result.parameters,
        "macs": result.macs,
        "parity": _parity(result.parity),
        "accuracy": accuracy(result.accuracy),
        "warnings": list(result.warnings),
        "status": result.status,
        "error": result.error,
    }


def latency(result: Result) -> dict[str, float | None]:
    """median, low, high, p90, p95, p99 in seconds; None for what the samples cannot carry.

    An estimate and an emulated row have the calibrated value and the ends of its interval.
    """
    if isinstance(result, Estimate) or not result.latency_s:
        found = result.latency_s if isinstance(result, Estimate) else result.estimated_latency_s
        values = (found.value, found.low, found.high) if found else (None, None, None)
        return dict(zip(_LATENCY, (*values, None, None, None), strict=True))
    from edgebench.measure.latency import summarize

    summary = summarize(result.latency_s, quick=result.scenario.quick)
    return {name: getattr(summary, name) for name in _LATENCY}


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
        "bias_corrected": report.bias_corrected,
        "activations": report.activations,
        "float_layers": [layer.name for layer in report.layers if layer.stored == "float"],
    }


def accuracy(found: Accuracy | None) -> dict[str, Any] | None:
    """Shares of images with their intervals (95%, Wilson); None where torch's network is not known."""
    if found is None:
        return None
    reference = found.reference_correct
    return {
        "top1": _share(found.correct, found.images),
        "top5": _share(found.correct5, found.images),
        "agreement": _share(found.agreed, found.images),
        "torch_top1": _share(reference, found.images),
        "difference": (found.correct - reference) / found.images if reference is not None and found.images else None,
        "images": found.images,
        "unreadable": found.unreadable,
        "images_per_s": (found.images + found.unreadable) / found.seconds if found.seconds else None,
        "dataset": found.dataset,
        "dataset_identity": found.dataset_identity,
        "evaluated_by": found.evaluated_by,
    }


def _share(count: int | None, images: int) -> dict[str, float] | None:
    from edgebench.measure.accuracy import wilson

    found = None if count is None else wilson(count, images)
    return {"value": found.value, "low": found.low, "high": found.high} if found else None


def device(profile: DeviceProfile) -> dict[str, Any]:
    """One device: its facts, and for each runtime and precision whether it can be measured or estimated."""
    from edgebench.run.capabilities import capabilities

    return {
        "name": profile.name,
        "title": profile.title,
        "cpu": {
            "core": profile.cpu.core,
            "cores": profile.cpu.cores,
            "clock_hz": profile.cpu.clock_hz,
            "isa": profile.cpu.isa,
        },
        "memory_bytes": profile.memory_bytes,
        "runtimes": capabilities(profile),
        "sources": profile.sources,
    }


def point(spec: ModelSpec) -> dict[str, Any]:
    """The network and its scaling point."""
    return {"model": spec.name, "width": spec.width, "depth": spec.depth, "resolution": spec.resolution}


def _parity(parity: Parity | None) -> dict[str, Any] | None:
    if parity is None:
        return None
    return {
        "max_abs_error": parity.max_abs_error,
        "range_error": parity.range_error,
        "relative_l2_error": parity.relative_l2_error,
        "passed": parity.passed,
        "evaluated_by": parity.evaluated_by,
    }


def _middle(values: tuple[float, ...]) -> float | None:
    from statistics import median

    return median(values) if values else None
