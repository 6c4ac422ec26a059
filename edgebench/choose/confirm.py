"""Finalists become files: exported, checked against torch, and emulated or measured where the device allows.

Everything costly is found again by its content: exports by the pipeline's cache, measurements and emulations by the
file's hash in the results. So an interrupted confirmation, run again, does what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from edgebench import plan, store
from edgebench.choose.records import Point
from edgebench.errors import JobError
from edgebench.exporting import prepare
from edgebench.plan import OnProgress, Step
from edgebench.profiles import DeviceProfile
from edgebench.records import Artifact, Interval, Measurement, Scenario
from edgebench.runtimes import FORMATS

Run = Callable[[Artifact, Callable[[str], None]], Measurement]

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
    on_progress: OnProgress = plan.silent,
) -> Iterator[Confirmation]:
    """Yields each finalist as it is confirmed. Exports go to `folder`, records to `results`/<device>/.

    Raises UsageError when `results` cannot be written to.
    """
    store.check_writable(results / device.name)
    cells = [plan.Cell(model=point.model, export=point.export) for point in points]
    artifacts = prepare(cells, folder)
    for number, (point, cell) in enumerate(zip(points, cells, strict=True)):

        def tell(detail: str, number: int = number, title: str = cell.title) -> None:
            on_progress(Step(number, len(cells), title, detail))

        tell("exporting and checking")
        artifact = next(artifacts)
        if isinstance(artifact, JobError):
            yield Confirmation(point, str(artifact))
            continue
        point = _with_file(point, artifact)
        way = _way(device, artifact, replace(scenario, threads=point.threads), emulation)
        if way is not None:
            point = _with_measurement(point, _once(way, artifact, results / device.name, tell))
        yield Confirmation(point)


def _with_file(point: Point, artifact: Artifact) -> Point:
    return replace(
        point,
        path=artifact.path,
        sha256=artifact.sha256,
        parity=artifact.parity,
        size_bytes=artifact.size_bytes,
        warnings=(*point.warnings, *artifact.warnings),
    )


@dataclass(frozen=True)
class _Way:
    """How a device runs a file; `scenario` is None where the emulator has its own."""

    run: Run
    scenario: Scenario | None

    def made(self, found: Measurement, artifact: Artifact) -> bool:
        """Whether a stored record is what this way gives for the file."""
        same_file = found.artifact_sha256 == artifact.sha256 and found.status == "ok"
        if self.scenario is None:
            return same_file and found.provenance == "emulated"
        return same_file and found.provenance == "measured" and found.scenario == self.scenario


def _way(device: DeviceProfile, artifact: Artifact, scenario: Scenario, emulation: bool) -> _Way | None:
    """How this device runs the file: itself, under an emulator, or not at all."""
    if device.reach == "local":
        from edgebench.measure import measure, unavailable

        runtime = FORMATS[artifact.export.format]
        if unavailable(runtime) is not None:
            return None
        return _Way(lambda file, tell: measure(file, runtime, scenario, device=device.name, on_progress=tell), scenario)
    if emulation and scenario.threads == _EMULATED_THREADS:
        from edgebench.targets.readiness import readiness

        if readiness(device).ready:
            from edgebench.targets.emulator import emulate

            return _Way(lambda file, tell: emulate(file, device, on_progress=tell), None)
    return None


def _once(way: _Way, artifact: Artifact, folder: Path, tell: Callable[[str], None]) -> Measurement:
    """The stored record of this very file, or a new one, appended before it is returned."""
    for found in store.read(folder):
        if isinstance(found, Measurement) and way.made(found, artifact):
            return found
    record = way.run(artifact, tell)
    store.append(folder, record)
    return record


def _with_measurement(point: Point, record: Measurement) -> Point:
    if record.status != "ok":
        return replace(point, warnings=(*point.warnings, f"not confirmed: {record.error}"))
    changed = replace(point, warnings=(*point.warnings, *record.warnings))
    if record.peak_memory_bytes:
        changed = replace(changed, peak_memory_bytes=record.peak_memory_bytes, memory_provenance=record.provenance)
    if record.latency_s:
        changed = replace(changed, latency_s=_interval(record), provenance=record.provenance)
    return changed


def _interval(record: Measurement) -> Interval:
    from edgebench.measure.latency import summarize

    found = summarize(record.latency_s)
    low, high = (found.low, found.high) if found.low and found.high else (found.least, found.most)
    return Interval(value=found.median, low=low, high=high)
