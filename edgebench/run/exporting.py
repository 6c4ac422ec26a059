"""The checked file of each cell, and the graph of what is in it.

One failing cell is reported and does not stop the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import msgspec

from edgebench.ground.errors import DeviceError, ExportError, JobError, UsageError
from edgebench.ground.progress import OnProgress, Step, silent
from edgebench.ground.records import Artifact, ModelSpec
from edgebench.models.given import NOTHING, Given
from edgebench.run.plan import Cell

if TYPE_CHECKING:
    from edgebench.formats.pipeline import Terms
    from edgebench.graph.operators import Graph


@dataclass(frozen=True)
class Outcome:
    """What became of one export cell: an artifact, or the sentence that says why there is none."""

    cell: Cell
    artifact: Artifact | None
    error: str | None


def run(
    cells: Sequence[Cell],
    folder: Path,
    *,
    given: Given = NOTHING,
    on_progress: OnProgress = silent,
    **terms: Unpack[Terms],
) -> list[Outcome]:
    """Exports every cell into `folder` and returns one outcome each, in order.

    Raises UsageError for a ready file among the cells, and for bad input such as a weights file that does not fit,
    since that would fail alike for every cell.
    """
    files = [str(cell.file) for cell in cells if cell.model is None]
    if files:
        raise UsageError(f"{files[0]} is already a model file; export takes networks")
    outcomes = []
    terms["readable"] = True
    artifacts = prepare(cells, folder, given=given, **terms)
    for done, cell in enumerate(cells):
        on_progress(Step(done, len(cells), cell.title, "converting and checking"))
        found = next(artifacts)
        if isinstance(found, JobError):
            outcomes.append(Outcome(cell, None, str(found)))
        else:
            outcomes.append(Outcome(cell, found, None))
    return outcomes


def prepare(
    cells: Sequence[Cell], folder: Path, *, given: Given = NOTHING, **terms: Unpack[Terms]
) -> Iterator[Artifact | JobError]:
    """Yields the checked file of each cell, in order, or the error that kept it from being made.

    Neighbouring cells of one network share its torch module and its graph. Raises UsageError for bad input; for ready
    files before the first cell, so that a damaged one does not end a run that has begun.
    """
    from edgebench.formats.foreign import load_artifact
    from edgebench.formats.pipeline import export_models

    if given.weights is not None:
        if not given.weights.is_file():
            raise UsageError(f"there is no weights file {given.weights}")
        names = list(dict.fromkeys(cell.model.name for cell in cells if cell.model))
        if len(names) != 1:
            those = " and ".join(names) or "only files"
            raise UsageError(f"`weights='{given.weights}'` fits one network: name one, not {those}")
    ready = {cell.file: load_artifact(cell.file, cell.size) for cell in cells if cell.file is not None}
    for model, group in groupby(cells, key=lambda cell: cell.model):
        if model is None:
            yield from (ready[cell.file] for cell in group if cell.file is not None)
            continue
        exports = [cell.export for cell in group]
        yield from (outcome for _, outcome in export_models(model, exports, folder, given=given, **terms))


def check(outcomes: Sequence[Outcome]) -> None:
    """Raises ExportError when any cell failed, so that the command exits with 4 after it has shown all rows."""
    failed = [outcome.cell.title for outcome in outcomes if outcome.artifact is None]
    if failed:
        raise ExportError(f"{len(failed)} of {len(outcomes)} exports failed: {', '.join(failed)}")


def graph_of(artifact: Artifact, given: Given = NOTHING) -> Graph:
    """The graph of what is in the file, without running it; a ready file is read itself, where its format can.

    Raises DeviceError for a ready file of another format, or with an operator that a Graph does not have.
    """
    if artifact.model.family != "file":
        return graph_of_model(artifact.model, given)
    from edgebench.formats.format import every, form

    if not form(artifact.export.format).graph:
        read = " and ".join(each.suffix for each in every() if each.graph)
        raise DeviceError(
            f"an estimate needs the network's graph, which edgebench reads from {read} files and not from "
            f"{Path(artifact.path).name}: name the network instead, or measure the file with `device='host'`"
        )
    graph: Graph = form(artifact.export.format).load("graph")(Path(artifact.path))
    return graph


def graph_of_model(spec: ModelSpec, given: Given = NOTHING) -> Graph:
    """The network's graph: from its block table without torch, or captured from a user's own module."""
    if spec.family == "user":
        from edgebench.graph.capture import capture
        from edgebench.models.in_hand import zeros

        return capture(given.build(spec), zeros(spec))
    return _sketched(msgspec.json.encode(spec))


@lru_cache(maxsize=64)
def _sketched(spec: bytes) -> Graph:
    """A network of the zoo is the same on every device, and so is what is known of its graph."""
    from edgebench.models.sketch import sketch

    return sketch(msgspec.json.decode(spec, type=ModelSpec))
