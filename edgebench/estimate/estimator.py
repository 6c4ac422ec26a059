"""`estimate`: one network on one device, from its graph and the device's calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from msgspec.structs import replace

from edgebench.estimate import calibrations, errors, footprint, known
from edgebench.estimate.accelerated import estimator as accelerated
from edgebench.estimate.accelerated import known as processors
from edgebench.estimate.calibrations import machine_of
from edgebench.estimate.form import features, latency_s, shares
from edgebench.estimate.work import FITTED, Work, fitted_works, works
from edgebench.graph.cost import count
from edgebench.graph.operators import Graph
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Estimate, ExportSpec, Interval, ModelSpec, identity
from edgebench.ground.records.specs import LONGEST_S
from edgebench.machines.profiles import Calibration, DeviceProfile
from edgebench.runtimes import bundled, runtime_of
from edgebench.runtimes import runtime as entry

CONFIDENCE: Final = errors.CONFIDENCE

_BEYOND: Final = 2.0  # this many times outside the fitted MACs is still no reason to warn
_UNSEEN: Final = 0.15  # share of the time beyond what any fitted network spends on the same terms

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
    "unpacked": "transposes and reductions",
    "dense_traffic": "large dense layers",
    "traffic": "moving data",
    "operator": "calls of small operators",
}


def estimate(
    graph: Graph,
    device: DeviceProfile,
    *,
    spec: ModelSpec,
    export: ExportSpec,
    threads: int = 1,
    processor: str = "cpu",
) -> Estimate:
    """Estimates latency (90% interval), peak memory and file size of `graph` on a processor of `device`.

    Without a calibration for the format's runtime, precision and thread count the latency is None and a warning says
    what is missing and how to get a number. Raises UsageError for fewer than one thread, or more than the device has.
    """
    if not 1 <= threads <= device.cpu.cores:
        raise UsageError(f"{threads} threads on {device.name}: give 1 to {device.cpu.cores}, its number of cores")
    runtime = runtime_of(export.format)
    of = _on_cpu if processor == "cpu" else partial(_elsewhere, processor)
    latency, warnings, calibrated_on = of(graph, device, spec, export, threads)
    memory = footprint.peak_memory(graph, runtime, export.precision) if processor == "cpu" else None
    if memory is None and processor == "cpu":
        warnings = (*warnings, f"how much memory {runtime} takes in {export.precision} was never measured")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Estimate(
        id=identity(spec, export, device.name, runtime, processor, threads, now),
        time=now,
        model=spec,
        export=export,
        device=device.name,
        runtime=runtime,
        processor=processor,
        threads=threads,
        latency_s=latency,
        peak_memory_bytes=None if memory is None else round(memory.value),
        peak_memory=memory,
        size_bytes=footprint.file_bytes(graph, export.precision),
        macs=count(graph).macs,
        calibrated_on=calibrated_on,
        warnings=warnings,
    )


_Found = tuple[Interval | None, tuple[str, ...], str]  # the latency, warnings, and what it is calibrated on


def _on_cpu(graph: Graph, device: DeviceProfile, spec: ModelSpec, export: ExportSpec, threads: int) -> _Found:
    runtime = runtime_of(export.format)
    calibration = calibrations.calibration(device, runtime, export.precision, threads, spec)
    if calibration is None:
        return None, (missing(device, runtime, export, threads),), ""
    latency, warnings = latency_interval(works(graph, runtime), device, calibration)
    latency, new = _beyond_kinds(latency, graph, runtime, device, calibration)
    told = _telling(calibration, calibrations.with_one_figure(device, runtime, export.precision, threads, spec), device)
    return latency, warnings + new, f"{origin(calibration)}; {told}"


def _elsewhere(
    processor: str, graph: Graph, device: DeviceProfile, spec: ModelSpec, export: ExportSpec, threads: int
) -> _Found:
    runtime = runtime_of(export.format)
    found = accelerated.interval(graph, device, processor, runtime, export.precision, spec)
    return found or (None, (processors.missing(device, processor, runtime, export.precision),), "")


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
    per_unit = features(kernels, calibration.precision, machine).seconds(machine)
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
    fitted = fitted_works(graph, runtime)
    if len(fitted) == len(works(graph, runtime)):
        return latency, ()
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
    """The sentence that says what is not known, what is, and how to get a number."""
    sentence = f"nothing near is known of {runtime} {export.precision} on {device.name} ({device.cpu.core})"
    have = ", ".join(f"{name} {precision}" for name, precision in known.estimable(device))
    if have:
        sentence += f"; there are estimates for {have}"
    if others := sorted({f"{kind} with {name} {of}" for name, of, kind in processors.cells(device)}):
        return f"{sentence}; `edgebench profile` has estimates for the {', the '.join(others)}"
    if entry(runtime).system:
        others = sorted(form for each in bundled() for form in each.formats)
        return f"{sentence}. {entry(runtime).elsewhere.partition(';')[0]}: choose {', '.join(others)} here"
    if device.cpu.clock_hz is None:
        sentence += ". Its file lacks cpu.clock: add it with its source"
    options = f"--fmt {export.format} --precision {export.precision} --threads {threads}"
    make = f"One measurement is enough for a number: edgebench device calibrate {device.name} {options} --networks 1"
    other = "" if device.reach == "local" else ", or measure on the device itself with `device='host'`"
    return f"{sentence}. {make}{other}"


def _telling(calibration: Calibration, with_one: errors.Case, device: DeviceProfile) -> str:
    """Which one measurement would narrow the interval most: one of any network, where that tells of the device."""
    if with_one.spread >= calibration.spread:
        return "only measuring this network there would narrow the interval much"
    was, then = (math.exp(spread) for spread in (calibration.spread, with_one.spread))
    return (
        f"one measurement there would narrow the interval from {was:.2f}x to about {then:.2f}x: "
        f"edgebench device calibrate {device.name} --networks 1"
    )


def origin(calibration: Calibration) -> str:
    """What an estimate rests on, and how far such estimates are off."""
    error = calibration.error
    figures = f"{calibration.rows} " if calibration.rows and calibration.basis[0].isalpha() else ""
    return (
        f"{figures}{calibration.basis}; such estimates are off by {error.median:.0%} (median), {error.p90:.0%} (90th"
        " percentile)"
    )
