"""Runs the cells of a profile: measured where the device is at hand, estimated where it is not.

Every result is appended to the results folder as its cell ends, so an interrupt loses at most the running cell.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from edgebench.ground.errors import DeviceError, JobError, UsageError
from edgebench.ground.paths import cache_folder
from edgebench.ground.progress import OnProgress, Step, silent
from edgebench.ground.records import (
    QUICK,
    Artifact,
    Estimate,
    ExportSpec,
    Measurement,
    ModelSpec,
    Result,
    Scenario,
    Status,
    identity,
)
from edgebench.run.exporting import prepare
from edgebench.run.mode import Kind, Way
from edgebench.run.mode import way as way
from edgebench.run.plan import Cell, suited

if TYPE_CHECKING:
    from edgebench.data import Dataset
    from edgebench.machines.profiles import DeviceProfile
    from edgebench.places.target import Target


def scenario(*, quick: bool = False, threads: int = 1, processes: int | None = None) -> Scenario:
    """The full scenario of the methodology, or the quick one, at `threads` threads; `processes` replaces its number."""
    from msgspec.structs import replace

    chosen = QUICK if quick else Scenario()
    return replace(chosen, threads=threads, processes=processes or chosen.processes)


def run(
    cells: Sequence[Cell],
    device: DeviceProfile,
    scenario: Scenario,
    results: Path,
    *,
    way: Way,
    weights: Path | None = None,
    resume: bool = False,
    images: Dataset | None = None,
    on_progress: OnProgress = silent,
) -> list[Result]:
    """Profiles every cell and returns one result each, in order; each is also in `results`/<device>/ by then.

    With `images` each file's accuracy on them is in its result: run on the device where that is reached, else here.

    With `resume` the newest run there goes on, if it is less than a day old: see edgebench.run.resume.
    Raises UsageError before anything runs when `results` cannot be written to, or this machine lacks the threads.
    """
    from edgebench.ground import store
    from edgebench.run import resume as resuming
    from edgebench.run.evaluator import check_all_classes

    cores = os.cpu_count()
    if way.kind == "measure" and cores and scenario.threads > cores:
        raise UsageError(f"{scenario.threads} threads on this machine: give 1 to {cores}, its number of cores")
    if way.kind in ("emulate", "count"):
        from edgebench.places.emulator import emulator

        emulator.check((cell.export.format for cell in cells), device, scenario.threads)
    folder = results / device.name
    store.check_writable(folder)
    cells = suited(cells, device)
    if images is not None:
        check_all_classes(cells, images)
    artifacts = prepare(cells, cache_folder() / "artifacts", weights=weights)
    earlier = resuming.newest(folder) if resume else resuming.Earlier(uuid4().hex[:8])
    done: list[Result] = []
    with _reached(device, way, lambda doing: on_progress(Step(0, len(cells), device.name, doing))) as target:
        for number, cell in enumerate(cells):

            def report(detail: str, number: int = number, title: str = cell.title) -> None:
                on_progress(Step(number, len(cells), title, detail))

            report("preparing")
            artifact = next(artifacts)
            result = earlier.find(artifact, scenario, way)
            if result is None or not _has_accuracy(result, images):
                job = _Job(cell, device, scenario, way, target, weights, report)
                result = job.judged(result or job.run(artifact), artifact, images)
                store.append(folder, result, run=earlier.run)
            done.append(result)
    return done


def _has_accuracy(result: Result, images: Dataset | None) -> bool:
    return images is None or (result.accuracy is not None and result.accuracy.dataset_identity == images.identity)


def _reached(device: DeviceProfile, way: Way, tell: Callable[[str], None]) -> AbstractContextManager[Target | None]:
    """One connection for all cells of a device that is reached, so that nobody else measures on it in between."""
    if way.kind != "reach":
        return nullcontext()
    from edgebench.places.board.reach import reach

    return reach(device, way.via, way.connect, way.python, tell=tell)


class _Job:
    """One cell on its way from a checked file to a result."""

    def __init__(
        self,
        cell: Cell,
        device: DeviceProfile,
        scenario: Scenario,
        way: Way,
        target: Target | None,
        weights: Path | None,
        report: Callable[[str], None],
    ) -> None:
        from edgebench.runtimes import FORMATS

        self.cell = cell
        self.device = device
        self.scenario = scenario
        self.way = way
        self.target = target
        self.weights = weights
        self.report = report
        self.runtime = FORMATS[cell.export.format]

    def run(self, artifact: Artifact | JobError) -> Result:
        """Measures or estimates; a failure becomes a result that says so."""
        if isinstance(artifact, JobError):
            return self._without_numbers("failed", str(artifact))
        try:
            return self._WAYS[self.way.kind](self, artifact)
        except JobError as error:
            return self._without_numbers("failed", str(error), artifact)

    def judged(self, result: Result, artifact: Artifact | JobError, images: Dataset | None) -> Result:
        """The result with the file's accuracy on `images`, or with a warning that says why it has none."""
        from msgspec.structs import replace

        from edgebench.run.evaluator import Evaluator, Place

        if images is None or isinstance(artifact, JobError) or result.status == "failed":
            return result
        place = Place(self.device, self.target, threads=self.scenario.threads)
        try:
            found = Evaluator(images, place, self.weights, self.report).evaluate(artifact)
        except JobError as error:
            return replace(result, warnings=(*result.warnings, f"accuracy is not known: {error}"))
        return replace(result, accuracy=found.accuracy, warnings=(*result.warnings, *found.warnings))

    def _measure(self, artifact: Artifact) -> Result:
        from edgebench.measure import measure, unavailable
        from edgebench.measure.operators import with_operators

        reason = unavailable(self.runtime)
        if reason is not None:
            return self._without_numbers("skipped", reason, artifact)
        found = measure(artifact, self.runtime, self.scenario, device=self.device.name, on_progress=self.report)
        if not self.way.operators or found.status != "ok":
            return found
        self.report("operators")
        return with_operators(found, artifact)

    def _estimate(self, artifact: Artifact) -> Result:
        from msgspec.structs import replace

        from edgebench.estimate.estimator import estimate
        from edgebench.run.graph_of import graph_of

        graph = graph_of(artifact, self.weights)
        found = estimate(graph, self.device, spec=artifact.model, export=artifact.export, threads=self.scenario.threads)
        return replace(
            found,
            artifact_sha256=artifact.sha256,
            size_bytes=artifact.size_bytes,
            parameters=artifact.parameters,
            parity=artifact.parity,
        )

    def _emulate(self, artifact: Artifact) -> Result:
        from edgebench.run.emulated import emulate

        found = emulate(artifact, self.device, on_progress=self.report)
        if not self.way.operators or found.status != "ok":
            return found
        from edgebench.places.emulator.by_operator import with_operator_counts

        self.report("operators")
        return with_operator_counts(found, artifact, self.device)

    def _count(self, artifact: Artifact) -> Result:
        from edgebench.places.emulator.emulator import count_host

        return count_host(artifact, on_progress=self.report)

    def _reach(self, artifact: Artifact) -> Result:
        from edgebench.run.graph_of import graph_of_model
        from edgebench.run.there import measure_there

        if self.target is None:
            raise DeviceError(f"{self.device.name} is not connected")
        graph = None if artifact.model.family == "file" else graph_of_model(artifact.model, self.weights)
        return measure_there(
            artifact,
            self.runtime,
            self.scenario,
            target=self.target,
            device=self.device.name,
            graph=graph,
            tell=self.report,
        )

    _WAYS: ClassVar[dict[Kind, Callable[[_Job, Artifact], Result]]] = {
        "measure": _measure,
        "estimate": _estimate,
        "emulate": _emulate,
        "count": _count,
        "reach": _reach,
    }

    def _without_numbers(self, status: Status, error: str, artifact: Artifact | None = None) -> Result:
        """A result for a cell that has no latency: what is known of the file, and why there is no number."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        model = artifact.model if artifact else self.cell.model or _file_spec(self.cell)
        export: ExportSpec = artifact.export if artifact else self.cell.export
        common: dict[str, Any] = {
            "id": identity(model, export, self.device.name, self.runtime, self.scenario, now),
            "time": now,
            "model": model,
            "export": export,
            "device": self.device.name,
            "runtime": self.runtime,
            "artifact_sha256": artifact.sha256 if artifact else None,
            "size_bytes": artifact.size_bytes if artifact else None,
            "parameters": artifact.parameters if artifact else None,
            "macs": artifact.macs if artifact else None,
            "parity": artifact.parity if artifact else None,
            "status": status,
            "error": error,
        }
        if self.way.kind != "estimate":
            return Measurement(**common, runtime_version="", scenario=self.scenario)
        return Estimate(**common, threads=self.scenario.threads)


def _file_spec(cell: Cell) -> ModelSpec:
    return ModelSpec(name=cell.file.stem if cell.file else "unknown", family="file")


def check(results: Sequence[Result]) -> None:
    """Raises DeviceError when any cell failed, so that the command exits with 4 after it has shown all rows."""
    failed = [f"{result.model.name} {result.export.format}" for result in results if result.status == "failed"]
    if failed:
        raise DeviceError(f"{len(failed)} of {len(results)} cells failed: {', '.join(failed)}")
