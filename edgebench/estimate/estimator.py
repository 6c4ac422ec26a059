"""`estimate`: one network on one device, from its graph and the device's calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from edgebench.estimate import footprint
from edgebench.estimate.form import features, latency_s, machine_of, shares
from edgebench.estimate.work import FITTED, Work, named_works, works
from edgebench.graph.cost import count
from edgebench.graph.operators import Graph
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Estimate, ExportSpec, Interval, ModelSpec, Precision, identity
from edgebench.ground.records.specs import LONGEST_S
from edgebench.machines.profiles import Calibration, DeviceProfile
from edgebench.runtimes import bundled, computed_precision, runtime_of
from edgebench.runtimes import runtime as entry

CONFIDENCE: Final = 0.9

_BEYOND: Final = 2.0  # this many times outside the fitted MACs is still no reason to warn
_UNSEEN: Final = 0.15  # share of the time beyond what any fitted network spends on the same terms

# What a calibration's source begins with where it is not a publication: see user_calibration.py.
_FIGURES: Final = {"measured on": "latencies measured on it", "instructions counted": "times of counted instructions"}

_WORDS: Final = {
    "gemm": "convolutions",
    "gemm_io": "convolutions with few channels",
    "columns": "convolutions with large kernels",
    "winograd": "3x3 convolutions",
    "winograd_io": "3x3 convolutions with few channels",
    "depthwise": "depthwise convolutions",
    "depthwise_io": "depthwise convolutions",
    "elementwise": "element-wise operators",
    "exponential": "sigmoid-like activations",
    "normalize": "local response normalisation",
    "dense_traffic": "large dense layers",
    "traffic": "moving data",
    "operator": "calls of small operators",
}


def estimate(graph: Graph, device: DeviceProfile, *, spec: ModelSpec, export: ExportSpec, threads: int = 1) -> Estimate:
    """Estimates latency (90% interval), peak memory and file size of `graph` on `device`.

    Without a calibration for the format's runtime, precision and thread count the latency is None and a warning says
    what is missing and how to get a number. Raises UsageError for fewer than one thread, or more than the device has.
    """
    if not 1 <= threads <= device.cpu.cores:
        raise UsageError(f"{threads} threads on {device.name}: give 1 to {device.cpu.cores}, its number of cores")
    runtime = runtime_of(export.format)
    calibration = calibration_for(device, runtime, export.precision, threads)
    latency: Interval | None = None
    warnings: tuple[str, ...] = (missing(device, runtime, export, threads),)
    if calibration is not None:
        latency, warnings = latency_interval(works(graph, runtime), device, calibration)
        latency, new = _beyond_kinds(latency, graph, runtime, device, calibration)
        warnings += new
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Estimate(
        id=identity(spec, export, device.name, runtime, threads, now),
        time=now,
        model=spec,
        export=export,
        device=device.name,
        runtime=runtime,
        threads=threads,
        latency_s=latency,
        peak_memory_bytes=footprint.peak_memory_bytes(graph, runtime, export.precision),
        size_bytes=footprint.file_bytes(graph, export.precision),
        macs=count(graph).macs,
        calibrated_on=_origin(calibration) if calibration else "",
        warnings=warnings,
    )


def calibration_for(device: DeviceProfile, runtime: str, precision: Precision, threads: int) -> Calibration | None:
    """The calibration that a file of `precision` is estimated with, or None."""
    return device.calibration(runtime, computed_precision(runtime, precision, device.cpu.isa), threads)


def latency_interval(
    kernels: Sequence[Work], device: DeviceProfile, calibration: Calibration
) -> tuple[Interval, tuple[str, ...]]:
    """The latency of `kernels` with its 90% interval, and the warnings that go with it."""
    machine = machine_of(device)
    value = latency_s(kernels, calibration.precision, machine, calibration.constants)
    if not 0 < value < LONGEST_S:
        raise UsageError(
            f"the calibration of {calibration.runtime} on {device.name} makes {value:g} s of a network, which is no"
            f" time: fit it anew with `edgebench device calibrate {device.name}`"
        )
    spread, warnings = calibration.spread, []
    macs, (low, high) = max(1, sum(work.macs for work in kernels)), calibration.macs
    beyond = max(math.log2(macs / high), math.log2(low / macs))  # doublings outside the fitted range
    if beyond > math.log2(_BEYOND):
        spread *= 1 + beyond / 2
        fitted = f"{low / 1e6:,.0f} M to {high / 1e6:,.0f} M"
        warnings.append(f"outside the {fitted} MACs of the networks it is calibrated on: the interval is wider")
    per_unit = features(kernels, calibration.precision, machine.cache_bytes).seconds(machine)
    share = shares(per_unit, machine, calibration.constants)
    excess = {term: part - calibration.seen.get(term, 0.0) for term, part in share.items()}
    if sum(part for part in excess.values() if part > 0) >= _UNSEEN:
        spread *= 1.5
        what = _WORDS[max(excess, key=lambda term: excess[term])]
        warnings.append(f"more of the time is in {what} than in any network it is calibrated on: the interval is wider")
    if calibration.note:
        warnings.append(calibration.note)
    low, high = value * math.exp(-spread), value * math.exp(spread)
    return Interval(value=value, low=low, high=high, confidence=CONFIDENCE), tuple(warnings)


def _beyond_kinds(
    latency: Interval, graph: Graph, runtime: str, device: DeviceProfile, calibration: Calibration
) -> tuple[Interval, tuple[str, ...]]:
    """The interval, wider where much of the time is in kinds of operators that no calibrated network has; a warning."""
    fitted = [work for name, work in named_works(graph, runtime) if isinstance(graph[name], FITTED)]
    known = latency_s(fitted, calibration.precision, machine_of(device), calibration.constants)
    if known > (1 - _UNSEEN) * latency.value:
        return latency, ()
    kinds = sorted({each.kind for each in graph.operators if not isinstance(each, FITTED)})
    spread = 1.5 * math.log(latency.high / latency.value)
    low, high = latency.value * math.exp(-spread), latency.value * math.exp(spread)
    warning = (
        f"{1 - known / latency.value:.0%} of the time is in operators that no network it is calibrated on has "
        f"({', '.join(kinds)}): the interval is wider"
    )
    return replace(latency, low=low, high=high), (warning,)


def missing(device: DeviceProfile, runtime: str, export: ExportSpec, threads: int) -> str:
    """The sentence that says which calibration is missing, which there are, and how to get a number."""
    sentence = f"no calibration for {runtime} {export.precision} with {_threads(threads)} on {device.name}"
    others = sorted(f"{c.runtime} {c.precision} with {_threads(c.threads)}" for c in device.calibrations)
    have = f"; there is one for {', '.join(others)}" if others else ""
    if entry(runtime).system:
        others = sorted(form for each in bundled() for form in each.formats)
        return f"{sentence}{have}. {entry(runtime).elsewhere.partition(';')[0]}: choose {', '.join(others)} here"
    options = f"--fmt {export.format} --precision {export.precision} --threads {threads}"
    make = f"Make one with edgebench device calibrate {device.name} {options}"
    other = "" if device.reach == "local" else ", or measure on the device itself with `device='host'`"
    return f"{sentence}{have}. {make}{other}"


def figures(calibration: Calibration) -> str:
    """What a calibration was fitted on, in words."""
    return next(
        (words for source in calibration.sources for start, words in _FIGURES.items() if source.startswith(start)),
        "published latencies",
    )


def _origin(calibration: Calibration) -> str:
    error = calibration.error
    return (
        f"{calibration.rows} {figures(calibration)} of {calibration.networks} networks with {calibration.runtime} "
        f"{calibration.precision} and {_threads(calibration.threads)}; on a network left out the estimate is off by "
        f"{error.median:.0%} (median), {error.worst:.0%} (worst); on a whole design left out by "
        f"{error.new_design:.0%} (median)"
    )


def _threads(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"
