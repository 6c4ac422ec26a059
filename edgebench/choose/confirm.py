"""Finalists become files: exported, checked against torch, and measured or emulated, whatever the device's profile can.

Everything costly is found again by its content: exports by the pipeline's cache, measurements and emulations by the
file's hash in the results. So an interrupted confirmation, run again, does what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from edgebench.choose.records import Point, There
from edgebench.ground import store
from edgebench.ground.errors import JobError, UsageError
from edgebench.ground.progress import OnProgress, Step, Tell, silent
from edgebench.ground.records import Artifact, Interval, Measurement, ModelSpec, Result, Scenario
from edgebench.machines.profiles import DeviceProfile, Reach
from edgebench.models.given import NOTHING, Given
from edgebench.places.emulator.readiness import readiness
from edgebench.run import resume
from edgebench.run.devices import timed
from edgebench.run.engine import Engine, kept
from edgebench.run.exporting import prepare
from edgebench.run.mode import Method, Mode
from edgebench.run.plan import Cell, suited
from edgebench.run.resume import Stored
from edgebench.run.sweep import SweepCell, write
from edgebench.runtimes import unavailable

_EMULATED_THREADS: Final = 1


@dataclass(frozen=True)
class Confirmation:
    """One finalist: with the values of its file, or `error` says why there is no file."""

    point: Point
    error: str | None = None


def confirm(
    points: Sequence[Point],
    device: DeviceProfile,
    folder: Path,
    results: Path,
    *,
    scenario: Scenario,
    emulation: bool = True,
    given: Callable[[Sequence[ModelSpec]], Given] = lambda _: NOTHING,
    on_progress: OnProgress = silent,
) -> Iterator[Confirmation]:
    """Yields each finalist as it is confirmed. Exports go to `folder`, records to `results`/<device>/.

    `given` is what the user gave of networks. Raises UsageError when `results` cannot be written to, DeviceError when a
    device with an address does not answer.
    """
    folder_of_device = results / device.name
    store.check_writable(folder_of_device)
    method = _method(device, emulation)
    cells = suited((Cell(model=point.model, export=point.export) for point in points), device)
    own = given([point.model for point in points])
    with Engine(device, method or Method(Mode.ESTIMATE), scenario, own) as engine:
        artifacts, stored = prepare(cells, folder, given=own), resume.every([folder_of_device])
        for number, (point, cell) in enumerate(zip(points, cells, strict=True)):

            def tell(detail: str, number: int = number, title: str = cell.title) -> None:
                on_progress(Step(number, len(cells), title, detail))

            tell("exporting and checking")
            artifact = next(artifacts)
            if isinstance(artifact, JobError):
                yield Confirmation(point, str(artifact))
                continue
            point = _with_file(point, artifact)
            if method is not None and point.processor == "cpu" and _runs(engine, cell, point):
                engine.scenario = replace(scenario, threads=point.threads)
                point = _with_measurement(point, _once(engine, cell, artifact, stored, folder_of_device, tell))
            yield Confirmation(point)


def confirm_on_all(
    points: Sequence[Point],
    devices: Sequence[DeviceProfile],
    confirming: Callable[[Sequence[Point], DeviceProfile], Iterable[Confirmation]],
) -> Iterator[Confirmation]:
    """Yields each finalist with what it takes on the slowest device, once it is confirmed on every one."""
    by_device = [confirming([point.on(each.name) for point in points], each) for each in devices]
    for found in zip(*by_device, strict=True):
        yield found[0] if len(devices) == 1 else _slowest({d.name: c for d, c in zip(devices, found, strict=True)})


def _slowest(found: dict[str, Confirmation]) -> Confirmation:
    points = {name: each.point for name, each in found.items()}
    order = sorted(points, key=lambda name: points[name].latency_s.value, reverse=True)
    most = max(points.values(), key=lambda point: point.peak_memory_bytes or 0)
    merged = replace(
        points[order[0]],
        there=tuple(
            There(
                device=name,
                latency_s=points[name].latency_s,
                processor=points[name].processor,
                provenance=points[name].provenance,
            )
            for name in order
        ),
        peak_memory_bytes=most.peak_memory_bytes,
        memory_provenance=most.memory_provenance,
        warnings=tuple(dict.fromkeys(warning for point in points.values() for warning in point.warnings)),
    )
    errors = [f"{name}: {each.error}" for name, each in found.items() if each.error]
    return Confirmation(merged, "; ".join(errors) or None)


def _method(device: DeviceProfile, emulation: bool) -> Method | None:
    """How this device runs files: itself, here or at its address, under an emulator, or not at all."""
    if isinstance(device.reach, Reach):
        return Method(Mode.REACH)
    if device.reach == "local":
        return Method(Mode.MEASURE)
    return Method(Mode.EMULATE) if emulation and readiness(device).ready else None


def _runs(engine: Engine, cell: Cell, point: Point) -> bool:
    """Whether the device runs this finalist's file; the emulator runs one thread, and this machine what it has."""
    if engine.method.mode is Mode.EMULATE:
        return point.threads == _EMULATED_THREADS
    return engine.method.mode is Mode.REACH or unavailable(engine.runtime(cell)) is None


def write_sweep(
    path: Path, points: Sequence[Point], devices: Sequence[DeviceProfile], *, quick: bool, emulation: bool = True
) -> None:
    """Writes the points as a sweep file, to be measured or emulated by `edgebench sweep`; see `confirm`.

    Raises UsageError for a device that a sweep cannot run on, and when the file cannot be written.
    """
    for point, device in product(points, devices):
        if (on := point.on(device.name).processor) != "cpu":
            raise UsageError(f"a sweep runs on the CPU, and these networks are chosen for the {on} of {device.name}")
    modes = {device.name: _mode_of_sweep(device, emulation) for device in devices}
    write(
        path,
        [
            SweepCell(
                model=point.model, export=point.export, device=name, threads=point.threads, mode=mode, quick=quick
            )
            for point in points
            for name, mode in modes.items()
        ],
    )


def _mode_of_sweep(device: DeviceProfile, emulation: bool) -> Mode:
    method = _method(device, emulation)
    if method is None or method.mode is Mode.REACH:
        raise UsageError(
            f"a sweep for {device.name} would only repeat the estimates: set its emulator up with edgebench device "
            f"setup {device.name}"
        )
    return method.mode


def _with_file(point: Point, artifact: Artifact) -> Point:
    return replace(
        point,
        path=artifact.path,
        sha256=artifact.sha256,
        parity=artifact.parity,
        size_bytes=artifact.size_bytes,
        warnings=(*point.warnings, *artifact.warnings),
    )


def _once(engine: Engine, cell: Cell, artifact: Artifact, known: Stored, folder: Path, tell: Tell) -> Result:
    """The stored record of this very file, or a new one, appended before it is returned."""
    stored = engine.stored(known, cell, artifact)
    if isinstance(stored, Measurement) and engine.method.mode is Mode.EMULATE:
        return timed(stored, engine.device)  # the time that its counts stand for today
    if stored is not None:
        return stored
    return kept(folder, engine.record(cell, artifact, tell))


def _with_measurement(point: Point, record: Result) -> Point:
    if not isinstance(record, Measurement) or record.status != "ok":
        return replace(point, warnings=(*point.warnings, f"not confirmed: {record.error}"))
    changed = replace(point, warnings=(*point.warnings, *record.warnings))
    if record.peak_memory_bytes:
        changed = replace(changed, peak_memory_bytes=record.peak_memory_bytes, memory_provenance=record.provenance)
    if record.latency_s:
        return replace(changed, latency_s=_interval(record), provenance=record.provenance)
    told = record.estimated_latency_s
    if told is not None and told != point.latency_s:  # else it comes from the graph, as the estimate does
        changed = replace(changed, latency_s=told, provenance=record.provenance)
    return changed


def _interval(record: Measurement) -> Interval:
    from edgebench.measure.latency import summarize

    found = summarize(record.latency_s)
    low, high = (found.low, found.high) if found.low and found.high else (found.least, found.most)
    return Interval(value=found.median, low=low, high=high)
