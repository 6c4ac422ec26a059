"""Runs a scenario: fresh processes for latency, one more for memory, the environment before and after."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.records import Artifact, Measurement, Scenario, Status, identity
from edgebench.machines.environment import disturbances
from edgebench.measure import advice
from edgebench.measure.latency import summarize
from edgebench.places.local import LocalTarget
from edgebench.places.target import Event, First, Job, Loaded, Peaks, Raised, Samples, Target, Warm
from edgebench.runtimes import checked, unavailable
from edgebench.runtimes import runtime as entry

# Between processes a device may stay this much warmer than at the start, and is waited for this long at most.
COOL_ENOUGH_C, COOL_DOWN_S = 3.0, 60


def measure(
    artifact: Artifact,
    runtime: str,
    scenario: Scenario,
    *,
    device: str = "host",
    on_progress: Callable[[str], None] | None = None,
    target: Target | None = None,
    memory: bool = True,
) -> Measurement:
    """Measures one cell and returns its raw samples, with the environment and the warnings.

    `on_progress` is told what is about to run, between processes and never while one is timed. `target` is this machine
    unless told; without `memory` its peaks are not taken, which is a process less. An engine that fails, crashes or
    hangs gives a Measurement with status "failed", one sentence in `error`, and what was measured until then; a clock
    that fell gives "invalid". Raises UsageError for a file that is not there, and for a runtime that does not run it or
    is not available here.
    """
    try:
        msgspec.convert(msgspec.to_builtins(scenario), Scenario)  # it may be none, such as one of 0 threads
    except msgspec.ValidationError as error:
        raise UsageError(f"the scenario cannot be measured: {error}") from error
    scenario = artifact.scenario(scenario)
    runtime = checked(runtime, artifact.export.format)
    if not Path(artifact.path).exists():
        raise UsageError(f"{artifact.path} is not there: export it again")
    if target is None:
        if reason := unavailable(runtime):
            raise UsageError(reason)
        target = LocalTarget()
    before = target.environment(scenario.threads)
    found = _Found()
    job = Job(runtime=runtime, artifact=artifact.path, scenario=scenario)
    failure = _gather(found, target, job, before.get("temperature_c"), on_progress, memory=memory)
    after = target.environment(scenario.threads)
    return _record(artifact, runtime, scenario, device, found, before, after, failure)


@dataclass
class _Found:
    """What the processes have said so far."""

    latency_s: list[tuple[float, ...]] = field(default_factory=list)
    load_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    readings: list[dict[str, float | None]] = field(default_factory=list)
    memory_bytes: dict[str, int] = field(default_factory=dict)
    engine: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def _gather(
    found: _Found,
    target: Target,
    job: Job,
    start_c: float | None,
    on_progress: Callable[[str], None] | None,
    *,
    memory: bool,
) -> str | None:
    """Runs all processes of a scenario. Returns what went wrong, in one sentence, or None."""
    tell = on_progress or (lambda doing: None)
    count = job.scenario.processes
    try:
        for process in range(count):
            if process and not job.scenario.quick:
                _cool_down(found, target, job.scenario.threads, start_c, tell)
            tell(f"process {process + 1} of {count}")
            for event in _events(target, job, process=process):
                _take(event, found)
        if not memory:
            return None
        tell("memory")
        for event in _events(target, job, mode="memory", process=count):
            if isinstance(event, Peaks):  # the times of this pass do not count
                found.memory_bytes = event.peaks
                if event.why_not:
                    found.warnings.append(f"peak memory was not measured: {event.why_not}; measure it on Linux")
    except DeviceError as error:
        return str(error)
    return None


def _cool_down(found: _Found, target: Target, threads: int, start_c: float | None, tell: Callable[[str], None]) -> None:
    """Waits until the device is about as cool as it was at the start, so that every process meets the same device."""
    if start_c is None:
        return
    for _ in range(COOL_DOWN_S):
        now_c = target.environment(threads).get("temperature_c")
        if now_c is None or now_c <= start_c + COOL_ENOUGH_C:
            return
        tell(f"cooling down from {now_c:.0f} to {start_c + COOL_ENOUGH_C:.0f} °C")
        time.sleep(1)
    found.warnings.append(
        f"the device did not cool down to {start_c + COOL_ENOUGH_C:.0f} °C within {COOL_DOWN_S} s between processes:"
        " improve its cooling, or begin with a warm device"
    )


def _events(target: Target, job: Job, **changes: Any) -> Iterator[Event]:
    """The events of one process; whatever interrupts their reader ends the process. Raises DeviceError."""
    values = {name: getattr(job, name) for name in job.__struct_fields__}
    with closing(target.run(Job(**{**values, **changes}))) as events:
        for event in events:
            if isinstance(event, Raised):
                runtime, missing = job.runtime, event.missing
                if missing:
                    install = entry(runtime).install_hint(missing)
                    raise DeviceError(f"runtime {runtime} needs the package {missing}: {install}")
                raise DeviceError(f"{runtime} raised {event.type}: {event.first_line}")
            yield event


def _take(event: Event, found: _Found) -> None:
    """Keeps what one event of a latency process says."""
    match event:
        case Loaded():
            found.load_s.append(event.ns / 1e9)
            found.engine = {name: getattr(event, name) for name in ("version", "delegates", "delegated_share")}
        case First():
            found.first_s.append(event.ns / 1e9)
        case Warm():
            found.readings.append({"frequency_hz": event.frequency_hz, "temperature_c": event.temperature_c})
        case Samples():
            found.latency_s.append(tuple(ns / 1e9 for ns in event.ns))
            found.readings.append({"frequency_hz": event.frequency_hz, "temperature_c": event.temperature_c})
            if event.timed_every > 1:
                found.counts["timed_every"] = max(event.timed_every, found.counts.get("timed_every", 1))


def _record(
    artifact: Artifact,
    runtime: str,
    scenario: Scenario,
    device: str,
    found: _Found,
    before: dict[str, Any],
    after: dict[str, Any],
    error: str | None,
) -> Measurement:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    status: Status = "failed" if error else "ok"
    if error is None and (error := advice.invalid(before, after, found.readings)):
        status = "invalid"
    changed = {name: value for name, value in after.items() if value != before.get(name)}
    samples = advice.of_samples(summarize(found.latency_s, quick=scenario.quick)) if found.latency_s else []
    warnings = [*disturbances(scenario.threads, before), *advice.of_length(found.latency_s, scenario), *samples]
    return Measurement(
        id=identity(artifact.sha256, runtime, scenario, device, before.get("machine"), now),
        time=now,
        model=artifact.model,
        export=artifact.export,
        device=device,
        runtime=runtime,
        runtime_version=found.engine.get("version", ""),
        scenario=scenario,
        latency_s=tuple(found.latency_s),
        load_s=tuple(found.load_s),
        first_s=tuple(found.first_s),
        memory_bytes=found.memory_bytes,
        artifact_sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        parameters=artifact.parameters,
        macs=artifact.macs,
        parity=artifact.parity,
        counts=found.counts,
        environment={**before, "engine": found.engine, "after": changed, "readings": found.readings},
        warnings=(*warnings, *dict.fromkeys(found.warnings)),
        status=status,
        error=error,
    )
