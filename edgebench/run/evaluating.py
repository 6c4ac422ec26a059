"""Accuracy of exported files on a data set: every file in its runtime, and torch in float32 beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from edgebench.ground.errors import DeviceError, JobError, UsageError
from edgebench.ground.progress import OnProgress, Step, silent
from edgebench.ground.records import Artifact
from edgebench.machines.facts import check_threads
from edgebench.models.given import NOTHING, Given
from edgebench.run import mode
from edgebench.run.engine import Engine, scenario
from edgebench.run.evaluator import BATCH, Evaluation, Evaluator, Place, check_all_classes
from edgebench.run.mode import Method, Mode
from edgebench.run.network import Model, named
from edgebench.run.plan import Cell, is_file, suited
from edgebench.runtimes import runtime_of

NAMED: Final = 5  # classes that a note names

if TYPE_CHECKING:
    from edgebench.data import Dataset
    from edgebench.machines.profiles import DeviceProfile


def dataset(
    reference: str, split: str | None = None, limit: int | None = None, *, exif: bool = False
) -> tuple[Dataset, list[str]]:
    """Returns the images to evaluate on, and what is to be said of the choice.

    The split is `val`, or where a set has none of its own: `test`, or all of the folder. `limit` keeps so many, every
    class in its share. `exif` is whether orientations are obeyed. Raises UsageError as data.load does, and for a limit
    below one.
    """
    from edgebench.data import load, splits

    if limit is not None and limit < 1:
        raise UsageError(f"`limit` is {limit}; it must be 1 or more")
    own = splits(reference)
    whole = load(reference, split=split or (own[0] if own == ("all",) else "val"))
    notes = []
    if split is None and own == ("all",):
        notes.append(
            f"{reference} has no folders train and val, so all its images count; were some of them trained on?"
            " `split='val'` takes the fifth that training holds out"
        )
    counts = np.bincount(whole.labels, minlength=len(whole.classes))
    absent = [name for name, count in zip(whole.classes, counts, strict=True) if not count]
    if absent:
        more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
        notes.append(
            f"{whole.reference} has no images of {', '.join(absent[:NAMED])}{more} in its split {whole.split}:"
            " the accuracy says nothing of them"
        )
    found = whole.subset(limit) if limit else whole
    return found, [*notes, *remarks(found, exif=exif)]


def remarks(images: Dataset, *, exif: bool) -> Iterator[str]:
    """What is to be said of files that are no images, and of images that would be turned."""
    from edgebench.data.folders import shown_endings

    if images.left_out:
        yield (
            f"{sum(images.left_out.values())} files of {images.reference} are left out, since they are no images that"
            f" are read: {shown_endings(images.left_out)}"
        )
    heads = images.heads
    turned, deep = sum(each.turned for each in heads), sum(each.deep for each in heads)
    if turned and not exif:
        yield (
            f"{turned} of {len(images)} images carry an EXIF orientation, which published pipelines do not apply:"
            " `exif` turns them"
        )
    if deep:
        yield (
            f"{deep} of {len(images)} images are grey of 16 bits, which do not say what white is: one without a value"
            " above 4095 is taken to be of 12 bits, so that a dark one of 16 comes out 16 times as bright"
        )


def check_ready(models: Sequence[Model], options: Sequence[str]) -> None:
    """Raises UsageError where all `models` are ready files and there are `options` of how to export a network."""
    names = [named(model) for model in models]
    if options and all(name and is_file(name) for name in names):
        raise UsageError(
            f"{names[0]} is a ready file and stays what it was exported as: {', '.join(options)} would do nothing;"
            " leave it out, or give a network"
        )


def method(
    device: DeviceProfile, via: str | None = None, *, connect: str | None = None, python: str | None = None
) -> Method:
    """Where files run: this machine, a board that is reached, or, where nothing says how to reach it, an emulated one.

    Raises UsageError for a `via` that does not exist, does not fit, or runs nothing.
    """
    if via == "estimate":
        raise UsageError("`via='estimate'` runs nothing, so there is nothing to be right: use ssh, adb or emulator")
    chosen = mode.method(device, via, connect=connect, python=python)
    return Method(Mode.EMULATE) if chosen.mode is Mode.ESTIMATE else chosen


def run(
    cells: Sequence[Cell],
    images: Dataset,
    device: DeviceProfile,
    *,
    method: Method,
    given: Given = NOTHING,
    batch: int = BATCH,
    threads: int = 1,
    on_progress: OnProgress = silent,
) -> list[Evaluation]:
    """Exports what is not yet there, evaluates every cell, and returns one result each, in order.

    A cell that fails says why and does not stop the others. Raises UsageError for a network whose number of classes is
    not the data set's, before anything runs where that is known.
    """
    if method.mode is Mode.MEASURE:
        check_threads(threads)
    cells = suited(cells, device)
    check_all_classes(cells, images, given)
    done: list[Evaluation] = []
    with Engine(device, method, scenario(threads=threads), given) as engine:
        target = engine.target(lambda doing: on_progress(Step(0, len(cells), device.name, doing)))
        artifacts = engine.files(cells)
        for number, cell in enumerate(cells):

            def tell(detail: str, number: int = number, title: str = cell.title) -> None:
                on_progress(Step(number, len(cells), title, detail))

            tell("preparing")
            evaluator = Evaluator(images, Place(device, target, batch, threads), given, tell)
            done.append(_attempt(evaluator, cell, next(artifacts)))
    return done


def check(results: Sequence[Evaluation]) -> None:
    """Raises DeviceError when any cell failed, so that the command exits with 4 after it has shown all rows."""
    failed = [f"{result.model.name} {result.export.key}" for result in results if result.status == "failed"]
    if failed:
        raise DeviceError(f"{len(failed)} of {len(results)} evaluations failed: {', '.join(failed)}")


def _attempt(evaluator: Evaluator, cell: Cell, artifact: Artifact | JobError | None) -> Evaluation:
    """Evaluates; a failure becomes a result that says so."""
    try:
        if not isinstance(artifact, Artifact):
            raise artifact or DeviceError(f"{cell.title} has no file to evaluate")
        return evaluator.evaluate(artifact)
    except JobError as error:
        return Evaluation(
            model=cell.spec,
            export=cell.export,
            device=evaluator.place.device.name,
            runtime=runtime_of(cell.export.format),
            status="failed",
            error=str(error),
        )
