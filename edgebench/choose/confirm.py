"""Finalists become files: exported, checked against torch, and measured or emulated, whatever the device's profile can.

Everything costly is found again by its content: exports by the pipeline's cache, measurements and emulations by the
file's hash in the results. So an interrupted confirmation, run again, does what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from edgebench.choose.records import Point
from edgebench.ground import store
from edgebench.ground.errors import JobError, UsageError
from edgebench.ground.progress import OnProgress, Step, silent
from edgebench.ground.records import Artifact, Interval, Measurement, Scenario
from edgebench.machines.profiles import DeviceProfile, Reach
from edgebench.run import plan
from edgebench.run.exporting import prepare
from edgebench.runtimes import runtime_of

if TYPE_CHECKING:
    from edgebench.places.target import Target
    from edgebench.run.sweep.cells import Way

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
    on_progress: OnProgress = silent,
) -> Iterator[Confirmation]:
    """Yields each finalist as it is confirmed. Exports go to `folder`, records to `results`/<device>/.

    Raises UsageError when `results` cannot be written to, DeviceError when a device with an address does not answer.
    """
    store.check_writable(results / device.name)
    cells = plan.suited((plan.Cell(model=point.model, export=point.export) for point in points), device)
    artifacts = prepare(cells, folder)
    with ExitStack() as stack:
        board = _Board(device, stack)
        for number, (point, cell) in enumerate(zip(points, cells, strict=True)):

            def tell(detail: str, number: int = number, title: str = cell.title) -> None:
                on_progress(Step(number, len(cells), title, detail))

            tell("exporting and checking")
            artifact = next(artifacts)
            if isinstance(artifact, JobError):
                yield Confirmation(point, str(artifact))
                continue
            point = _with_file(point, artifact)
            way = _way(board, artifact, replace(scenario, threads=point.threads), emulation)
            if way is not None:
                point = _with_measurement(point, _once(way, artifact, results / device.name, tell))
            yield Confirmation(point)


class _Board:
    """The device, connected to when it is first needed; the connection is `stack`'s to close."""

    def __init__(self, device: DeviceProfile, stack: ExitStack) -> None:
        self.device = device
        self._stack = stack
        self._target: Target | None = None

    def measure(self, artifact: Artifact, runtime: str, scenario: Scenario, tell: Callable[[str], None]) -> Measurement:
        """Measures a file at the other end. Raises DeviceError."""
        from edgebench.places.board.reach import reach
        from edgebench.run.there import measure_there

        if self._target is None:
            self._target = self._stack.enter_context(reach(self.device, tell=tell))
        return measure_there(artifact, runtime, scenario, target=self._target, device=self.device.name, tell=tell)


def write_sweep(
    path: Path, points: Sequence[Point], device: DeviceProfile, *, quick: bool, emulation: bool = True
) -> None:
    """Writes the points as a sweep file, to be measured or emulated by `edgebench sweep`; see `confirm`.

    Raises UsageError for a device that a sweep cannot run on, and when the file cannot be written.
    """
    from edgebench.places.emulator.readiness import readiness
    from edgebench.run.sweep import SweepCell, write

    if device.reach == "local":
        way: Way = "measured"
    elif emulation and readiness(device).ready:
        way = "emulated"
    else:
        raise UsageError(
            f"a sweep for {device.name} would only repeat the estimates: set its emulator up with edgebench device "
            f"setup {device.name}"
        )
    write(
        path,
        [
            SweepCell(
                model=point.model, export=point.export, device=device.name, threads=point.threads, way=way, quick=quick
            )
            for point in points
        ],
    )


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
    """How a device runs a file; `scenario` is None where the emulator has its own.

    `renewed` brings a stored record up to date: an emulated one gets the time that its counts stand for today.
    """

    run: Run
    scenario: Scenario | None
    renewed: Callable[[Measurement], Measurement] = lambda found: found

    def made(self, found: Measurement, artifact: Artifact) -> bool:
        """Whether a stored record is what this way gives for the file."""
        same_file = found.artifact_sha256 == artifact.sha256 and found.status == "ok"
        if self.scenario is None:
            return same_file and found.provenance == "emulated"
        return same_file and found.provenance == "measured" and found.scenario == self.scenario


def _way(board: _Board, artifact: Artifact, scenario: Scenario, emulation: bool) -> _Way | None:
    """How this device runs the file: itself, here or at its address, under an emulator, or not at all."""
    device, runtime = board.device, runtime_of(artifact.export.format)
    if isinstance(device.reach, Reach):
        return _Way(lambda file, tell: board.measure(file, runtime, scenario, tell), scenario)
    if device.reach == "local":
        from edgebench.measure import measure, unavailable

        if unavailable(runtime) is not None:
            return None
        return _Way(lambda file, tell: measure(file, runtime, scenario, device=device.name, on_progress=tell), scenario)
    if emulation and scenario.threads == _EMULATED_THREADS:
        from edgebench.places.emulator.readiness import readiness

        if readiness(device).ready:
            from edgebench.run.emulated import emulate, timed

            return _Way(lambda file, tell: emulate(file, device, on_progress=tell), None, lambda f: timed(f, device))
    return None


def _once(way: _Way, artifact: Artifact, folder: Path, tell: Callable[[str], None]) -> Measurement:
    """The stored record of this very file, or a new one, appended before it is returned."""
    for found in store.read(folder):
        if isinstance(found, Measurement) and way.made(found, artifact):
            return way.renewed(found)
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
