"""The engine: turns cells into records, for `profile`, sweeps, `scale`'s confirmation, calibration and Python alike.

An Engine is one device, one method and one scenario. `run` drives many cells through it; every result is appended to
the results folder as its cell ends, so an interrupt loses at most the running cell.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from msgspec.structs import replace

from edgebench.formats.format import missing
from edgebench.ground import store
from edgebench.ground.errors import DeviceError, JobError, NotKept
from edgebench.ground.paths import cache_folder
from edgebench.ground.progress import OnProgress, Step, Tell, quiet, silent
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
from edgebench.ground.registry import networks
from edgebench.machines.facts import check_threads
from edgebench.models.given import NOTHING, Given
from edgebench.run import resume as resuming
from edgebench.run.exporting import graph_of, graph_of_model, prepare
from edgebench.run.mode import Method, Mode
from edgebench.run.plan import Cell, suited
from edgebench.run.resume import Address, Stored
from edgebench.runtimes import runtime_of

if TYPE_CHECKING:
    from edgebench.data import Dataset
    from edgebench.machines.profiles import DeviceProfile
    from edgebench.places.target import Target

_PRETENDED: Final = ((0.01,) * 30,) * 3


def scenario(*, quick: bool = False, threads: int = 1, processes: int | None = None) -> Scenario:
    """The full scenario of the methodology, or the quick one, at `threads` threads; `processes` replaces its number."""
    chosen = QUICK if quick else Scenario()
    return replace(chosen, threads=threads, processes=processes or chosen.processes)


@dataclass
class Engine:
    """One device, how it gives its numbers, and by which scenario, which may change between two cells.

    `given` is what the user gave of the cells' networks. The device is connected to when first needed, and the
    connection held until the end of the context, so that nobody else measures on it between two cells.
    """

    device: DeviceProfile
    method: Method
    scenario: Scenario
    given: Given = NOTHING
    _held: ExitStack = field(default_factory=ExitStack, init=False, repr=False)
    _target: Target | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()
        self._target = None

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UsageError for what cannot be had of the cells by this method, before anything runs."""
        if self.method.mode is Mode.MEASURE:
            check_threads(self.scenario.threads)
        if self.device.reach == "browser":
            from edgebench.run import pages

            pages.check((cell.export.format for cell in cells), self.scenario.threads)
        if self.method.mode in (Mode.EMULATE, Mode.COUNT):
            from edgebench.places.emulator import emulator

            emulator.check((cell.export.format for cell in cells), self.device, self.scenario.threads)

    def target(self, tell: Tell = quiet) -> Target | None:
        """Where files run: None is this machine, else the connected device, or an emulated one.

        Raises DeviceError, UsageError where it cannot be had.
        """
        if self._target is None and self.device.reach == "browser":
            from edgebench.run.pages import target

            self._target = target()
        elif self._target is None and self.method.mode is Mode.REACH:
            from edgebench.places.board.reach import reach

            way = self.method
            self._target = self._held.enter_context(reach(self.device, way.via, way.connect, way.python, tell=tell))
        elif self._target is None and self.method.mode is Mode.EMULATE:
            from edgebench.places.bundle.bundle import require
            from edgebench.places.emulator.emulator import EmulatorTarget

            self._target = EmulatorTarget(self.device, require())
        return self._target

    def files(self, cells: Sequence[Cell], folder: Path | None = None) -> Iterator[Artifact | JobError | None]:
        """Yields the checked file of each cell, in order, or the error that kept it from being made.

        None is for an estimate of a network where the packages that write its file are not installed: its graph is all
        that an estimate needs. Files go to `folder`, by default the cache.
        """
        folder = folder or cache_folder() / "artifacts"
        made = [cell for cell in cells if not self._by_graph_alone(cell)]
        artifacts = prepare(made, folder, given=self.given if any(cell.model for cell in made) else NOTHING)
        for cell in cells:
            yield None if self._by_graph_alone(cell) else next(artifacts)

    def _by_graph_alone(self, cell: Cell) -> bool:
        return self.method.mode is Mode.ESTIMATE and cell.model is not None and missing(cell.export) is not None

    def address(self, cell: Cell, artifact: Artifact | None = None) -> Address:
        """What a cell is known by here; see resume.address."""
        model, export = (artifact.model, artifact.export) if artifact else (cell.spec, cell.export)
        scenario = artifact.scenario(self.scenario) if artifact else self.scenario
        runtime, provenance = self.runtime(cell), self.method.mode.provenance
        processor = self.processor(cell, export)
        return resuming.address(model, export, self.device.name, runtime, provenance, scenario, processor)

    def stored(self, stored: Stored, cell: Cell, artifact: Artifact | JobError | None) -> Result | None:
        """The record of this very cell among those that are stored, or None where it has to be run."""
        if isinstance(artifact, JobError):
            return None
        sha256 = artifact.sha256 if artifact else None
        return stored.find(self.address(cell, artifact), sha256=sha256, operators=self.method.operators)

    def runtime(self, cell: Cell) -> str:
        """What runs the cell's file."""
        return "fake" if self.method.mode is Mode.PRETEND else runtime_of(cell.export.format)

    def processor(self, cell: Cell, export: ExportSpec) -> str:
        """What the cell's number is for: the CPU, unless it is estimated."""
        if self.method.mode is not Mode.ESTIMATE:
            return "cpu"
        from edgebench.estimate.accelerated.known import processor

        return processor(self.device, self.runtime(cell), export.precision, self.method.processor)

    def record(self, cell: Cell, artifact: Artifact | JobError | None, tell: Tell = quiet) -> Result:
        """Measures, emulates or estimates one cell; a failure becomes a record that says so.

        Raises DeviceError only where the device cannot be connected to: that is nothing of the cell.
        """
        if isinstance(artifact, JobError):
            return self.unmeasured(cell, "failed", str(artifact))
        if self.method.mode is Mode.REACH:
            self.target(tell)
        try:
            return _RECORD[self.method.mode](self, cell, artifact, tell)
        except JobError as error:
            return self.unmeasured(cell, "failed", str(error), artifact)
        except SystemExit:
            return self.unmeasured(cell, "failed", "the network's own code called sys.exit", artifact)

    def unmeasured(self, cell: Cell, status: Status, error: str, artifact: Artifact | None = None) -> Result:
        """A record for a cell that has no latency: what is known of the file, and why there is no number."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        common = self._common(cell, artifact, now) | {"status": status, "error": error}
        if self.method.mode is Mode.ESTIMATE:
            processor = self.processor(cell, common["export"])
            return Estimate(**common, threads=self.scenario.threads, processor=processor)
        provenance = self.method.mode.provenance
        return Measurement(**common, runtime_version="", provenance=provenance, scenario=self.scenario)

    def _common(self, cell: Cell, artifact: Artifact | None, now: str) -> dict[str, Any]:
        model: ModelSpec = artifact.model if artifact else cell.spec
        export: ExportSpec = artifact.export if artifact else cell.export
        return {
            "id": identity(model, export, self.device.name, self.runtime(cell), self.scenario, now),
            "time": now,
            "model": model,
            "export": export,
            "device": self.device.name,
            "runtime": self.runtime(cell),
            **_of_file(artifact),
        }

    def _measure(self, cell: Cell, artifact: Artifact, tell: Tell) -> Result:
        from edgebench.measure import measure, unavailable
        from edgebench.measure.operators import with_operators

        if reason := unavailable(self.runtime(cell)):
            return self.unmeasured(cell, "skipped", reason, artifact)
        measured = measure(artifact, self.runtime(cell), self.scenario, device=self.device.name, on_progress=tell)
        if not self.method.operators or measured.status != "ok":
            return measured
        tell("operators")
        return with_operators(measured, artifact)

    def _reach(self, cell: Cell, artifact: Artifact, tell: Tell) -> Result:
        from edgebench.run.devices import measure_there

        target = self.target(tell)
        if target is None:
            raise DeviceError(f"{self.device.name} is not connected")
        if self.device.reach == "browser":
            from edgebench.run.pages import measure_in_page

            return measure_in_page(artifact, self.runtime(cell), self.scenario, target, tell)
        graph = None if artifact.model.family == "file" else graph_of_model(artifact.model, self.given)
        return measure_there(
            artifact, self.runtime(cell), self.scenario, target=target, device=self.device.name, graph=graph, tell=tell
        )

    def _emulate(self, cell: Cell, artifact: Artifact, tell: Tell) -> Result:
        """Runs on the emulated device, or counts on this machine."""
        from edgebench.formats.format import prefixes
        from edgebench.places.emulator.by_operator import with_operator_counts
        from edgebench.places.emulator.emulator import count_host
        from edgebench.run.devices import emulate

        if self.method.mode is Mode.COUNT:
            return count_host(artifact, on_progress=tell)
        emulated = emulate(artifact, self.device, on_progress=tell)
        if not self.method.operators or emulated.status != "ok":
            return emulated
        tell("operators")
        return with_operator_counts(emulated, artifact, self.device, prefixes)

    def _estimate(self, cell: Cell, artifact: Artifact | None, tell: Tell) -> Result:
        from edgebench.estimate.estimator import estimate
        from edgebench.models import zoo

        spec, export = (artifact.model, artifact.export) if artifact else (cell.spec, cell.export)
        graph = graph_of(artifact, self.given) if artifact else graph_of_model(spec, self.given)
        estimated = estimate(
            graph,
            self.device,
            spec=spec,
            export=export,
            threads=self.scenario.threads,
            processor=self.processor(cell, export),
        )
        if artifact:
            return replace(estimated, **{key: value for key, value in _of_file(artifact).items() if key != "macs"})
        known = replace(estimated, parameters=zoo.parameters(spec) if spec.name in networks() else None)
        lacking = missing(export)
        if lacking is None:
            return known
        warning = f"no file was made, so its parity is not known and its size is estimated: {lacking}"
        return replace(known, warnings=(*known.warnings, warning))

    def _pretend(self, cell: Cell, artifact: Artifact | None, tell: Tell) -> Result:
        """Nothing is run. The options of the model say how long that takes, and whether the process dies."""
        options = cell.spec.options
        if options.get("dies"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(options.get("seconds", 0.0)))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        common = self._common(cell, None, now)
        return Measurement(**common, runtime_version="", scenario=self.scenario, latency_s=_PRETENDED)


_RECORD: Final[dict[Mode, Callable[[Engine, Cell, Any, Tell], Result]]] = {
    Mode.MEASURE: Engine._measure,
    Mode.REACH: Engine._reach,
    Mode.EMULATE: Engine._emulate,
    Mode.COUNT: Engine._emulate,
    Mode.ESTIMATE: Engine._estimate,
    Mode.PRETEND: Engine._pretend,
}


def _of_file(artifact: Artifact | None) -> dict[str, Any]:
    """What a record says of its file; None throughout where there is none."""
    alike = {name: getattr(artifact, name, None) for name in ("size_bytes", "parameters", "macs", "parity")}
    return {"artifact_sha256": artifact.sha256 if artifact else None, **alike}


def run(
    cells: Sequence[Cell],
    device: DeviceProfile,
    scenario: Scenario,
    results: Path,
    *,
    method: Method,
    given: Given = NOTHING,
    resume: bool = False,
    images: Dataset | None = None,
    on_progress: OnProgress = silent,
    on_resumed: Callable[[int], None] = lambda had: None,
) -> list[Result]:
    """Profiles every cell and returns one result each, in order; each is also in `results`/<device>/ by then.

    With `images` each file's accuracy on them is in its result: run on the device where that is reached, else here.

    With `resume` the newest run there goes on, if it is less than a day old (see run.resume); `on_resumed` is told of
    how many cells it had a record.
    Raises UsageError before anything runs when `results` cannot be written to, or this machine lacks the threads.
    """
    engine = Engine(device, method, scenario, given)
    engine.check(cells)
    folder = results / device.name
    store.check_writable(folder)
    cells = suited(cells, device)
    if images is not None:
        from edgebench.run.evaluator import check_all_classes

        check_all_classes(cells, images, given)
    stored = resuming.newest(folder) if resume else Stored()
    done: list[Result] = []
    had = 0
    with engine:
        if method.mode is Mode.REACH and not stored.results:
            engine.target(lambda doing: on_progress(Step(0, len(cells), device.name, doing)))
        artifacts = engine.files(cells)
        for number, cell in enumerate(cells):

            def tell(detail: str, number: int = number, title: str = cell.title) -> None:
                on_progress(Step(number, len(cells), title, detail))

            tell("preparing")
            artifact = next(artifacts)
            result = engine.stored(stored, cell, artifact)
            had += result is not None
            accuracy = result.accuracy if result else None
            judged = images is None or (accuracy is not None and accuracy.dataset_identity == images.identity)
            if result is None or not judged:
                result = _judged(engine, result or engine.record(cell, artifact, tell), artifact, images, tell)
                result = kept(folder, result, run=stored.run)
            done.append(result)
    if resume:
        on_resumed(had)
    return done


def _judged(
    engine: Engine, result: Result, artifact: Artifact | JobError | None, images: Dataset | None, tell: Tell
) -> Result:
    """The result with the file's accuracy on `images`, or with a warning that says why it has none."""
    if images is None or not isinstance(artifact, Artifact) or result.status == "failed":
        return result
    from edgebench.run.evaluator import Evaluator, Place

    reached = engine.target(tell) if engine.method.mode is Mode.REACH else None
    place = Place(engine.device, reached, threads=engine.scenario.threads)
    try:
        judged = Evaluator(images, place, engine.given, tell).evaluate(artifact)
    except JobError as error:
        return replace(result, warnings=(*result.warnings, f"accuracy is not known: {error}"))
    return replace(result, accuracy=judged.accuracy, warnings=(*result.warnings, *judged.warnings))


_LOST: Final = "these numbers were not kept: "


def kept(folder: Path, result: Result, *, run: str | None = None) -> Result:
    """Appends a result; where the disk does not take it, the result says so, for its numbers are there to be shown."""
    try:
        store.append(folder, result, run=run)
    except NotKept as error:
        return replace(result, warnings=(*result.warnings, f"{_LOST}{error}"))
    return result


def check(results: Sequence[Result]) -> None:
    """Raises NotKept or DeviceError where a result was not kept or a cell failed: after all rows have been shown."""
    lost = [each.removeprefix(_LOST) for result in results for each in result.warnings if each.startswith(_LOST)]
    if lost:
        raise NotKept(f"{len(lost)} of {len(results)} results are shown here only: {lost[0]}")
    failed = [f"{result.model.name} {result.export.format}" for result in results if result.status == "failed"]
    if failed:
        raise DeviceError(f"{len(failed)} of {len(results)} cells failed: {', '.join(failed)}")
