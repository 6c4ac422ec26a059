"""Runs one file over the images of a data set, and torch beside it, and counts what is right.

Predictions are kept in the user's cache as they come, addressed by what predicts and by what the data set holds: an
evaluation that was interrupted goes on where it was, and one that is asked for again is only counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from edgebench.data import classes
from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.paths import cache_folder
from edgebench.ground.records import (
    Accuracy,
    Artifact,
    Confusion,
    ExportSpec,
    ModelSpec,
    Preprocessing,
    Status,
    identity,
)
from edgebench.measure import accuracy
from edgebench.measure.accuracy import Predictions
from edgebench.models.given import Given
from edgebench.models.preparation import HOW, plain, unprepared
from edgebench.run.plan import Cell
from edgebench.runtimes import runtime, runtime_of

if TYPE_CHECKING:
    from edgebench.data import Dataset, Unreadable
    from edgebench.machines.profiles import DeviceProfile
    from edgebench.measure.predictions import Log
    from edgebench.places.target import Target
    from edgebench.run.classifiers import Classifier

BATCH: Final = 32
READERS: Final = min(os.cpu_count() or 1, 4)  # reading a photograph takes as long as running a small network
NAMED: Final = 5  # unreadable images that a warning names
NONE: Final = np.empty((0,), np.int64)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What one file gives on a data set. `confusions` are the worst classes' commonest mistakes.

    `unreadable` maps the images that could not be read to what is wrong with them. `accuracy` is None where the file
    could not be evaluated; `error` then says why.
    """

    model: ModelSpec
    export: ExportSpec
    device: str
    runtime: str
    accuracy: Accuracy | None = None
    confusions: tuple[Confusion, ...] = ()
    unreadable: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    status: Status = "ok"
    error: str | None = None


def check_all_classes(cells: Sequence[Cell], images: Dataset, given: Given) -> None:
    """Raises UsageError for a network of the zoo that cannot be right about the data set, before anything runs.

    Others are matched when their file is there.
    """
    for cell in cells:
        if cell.model is not None and cell.model.is_scaled:
            classes.match(cell.title, cell.model.classes, given.names, images)


@dataclass(frozen=True)
class Place:
    """Where files run, how many images at a time, and on how many threads. No `target` is this machine."""

    device: DeviceProfile
    target: Target | None = None
    batch: int = BATCH
    threads: int = 1

    def classifier(self, artifact: Artifact) -> Classifier:
        """What runs the file there. Raises DeviceError, UsageError."""
        from edgebench.run import classifiers

        if self.target is None:
            return classifiers.of_file(artifact, self.batch, self.threads)
        if runtime(runtime_of(artifact.export.format)).system:
            form = artifact.export.format
            raise DeviceError(f"{form} files do not run on {self.device.name}: evaluate them with `device='host'`")
        from edgebench.places.emulator.emulator import EmulatorTarget

        where = f"on {self.device.name}{', emulated' if isinstance(self.target, EmulatorTarget) else ''}"
        return classifiers.of_target(artifact, self.target, where, self.batch, self.threads)


@dataclass(frozen=True)
class Evaluator:
    """One data set and one place; torch's own predictions are made once for each network."""

    images: Dataset
    place: Place
    given: Given
    tell: Callable[[str], None]

    def evaluate(self, artifact: Artifact) -> Evaluation:
        """Runs one file over all images. Raises DeviceError, and UsageError where its outputs are not the classes."""
        labels = self.given.labels or artifact.labels
        matched = classes.match(artifact.path, artifact.outputs[0].values, labels, self.images)
        right = matched.outputs[self.images.labels]
        said = self.given.preparation.over(artifact.preprocessing, artifact.model)
        artifact = msgspec.structs.replace(artifact, preprocessing=said)
        classifier = self.place.classifier(artifact)
        preprocessing = _given(artifact)
        key = [artifact.sha256, classifier.name, preprocessing, self.images.identity]
        found = self.predict(classifier, preprocessing, artifact.model, key)
        if not found.readable.any():
            raise UsageError(f"none of the {len(self.images)} images of {self.images.reference} can be read")
        reference, why_not = self._reference(artifact)
        return Evaluation(
            model=artifact.model,
            export=artifact.export,
            device=self.place.device.name,
            runtime=runtime_of(artifact.export.format),
            accuracy=accuracy.score(
                found,
                right,
                dataset=f"{self.images.reference}, {self.images.split}",
                dataset_identity=self.images.identity,
                reference=reference,
            ),
            confusions=accuracy.confusions(found, right, matched.names),
            unreadable=found.unreadable,
            warnings=(*_warnings(artifact, classifier, found), *matched.warnings, *why_not),
        )

    def _reference(self, artifact: Artifact) -> tuple[Predictions | None, list[str]]:
        """Torch's predictions in float32; where there is no network to ask, None and the reason."""
        from edgebench.formats.manifest import content_sha256

        given = content_sha256(self.given.weights) if self.given.weights else None
        if artifact.model.family == "file":
            return None, ["not compared with torch: the network of a ready file is not known"]
        if artifact.model.digest and not self.given.has(artifact.model):
            return None, ["not compared with torch: give the module that the file was made of, not the file"]
        if artifact.weights_sha256 != given:
            return None, ["not compared with torch: give the weights that the file was made from with `weights`"]
        from edgebench.ground.process import one_thread
        from edgebench.run.classifiers import of_module

        with one_thread():
            classifier = of_module(self.given.build(artifact.model), self.place.batch)
            # A user's code may change under its name; its file then changes too.
            made = artifact.sha256 if artifact.model.family == "user" else given
            key = [artifact.model, made, classifier.name, artifact.preprocessing, self.images.identity]
            found = self.predict(classifier, artifact.preprocessing, artifact.model, key, "running torch")
        return found, []

    def predict(
        self,
        classifier: Classifier,
        preprocessing: Preprocessing | None,
        model: ModelSpec,
        key: Sequence[object],
        doing: str = "running",
    ) -> Predictions:
        """What a classifier says of every image, from where an earlier evaluation with this `key` has stopped."""
        from edgebench.measure.predictions import log

        with log(cache_folder() / "predictions", identity(*key), len(self.images)) as kept:
            if kept.stop < len(self.images):
                self._go_on(kept, classifier, preprocessing, model, doing)
            return kept.predictions(classifier.name)

    def _go_on(
        self, kept: Log, classifier: Classifier, preprocessing: Preprocessing | None, model: ModelSpec, doing: str
    ) -> None:
        """Runs the images that are still to be run; every batch is kept as it ends."""
        from edgebench.data import batches

        unreadable: dict[str, str] = {}

        def note(error: Unreadable) -> None:
            unreadable[error.path] = error.why

        count, last = len(self.images), time.monotonic()
        shape = (model.channels, model.height or model.resolution, model.resolution)
        stream = batches(self.images, preprocessing, shape, classifier.batch, note, start=kept.stop, workers=READERS)
        for batch in stream:
            try:
                best = accuracy.top_classes(classifier.run(batch.x).reshape(len(batch.x), -1))
            except ValueError as error:
                raise DeviceError(f"{classifier.name}: {error}") from error
            last, before = time.monotonic(), last
            kept.add(int(batch.indices[-1]) + 1, batch.indices, best, unreadable, last - before)
            unreadable.clear()
            self.tell(f"{doing}: {kept.stop} of {count} images")
        kept.add(count, NONE, NONE, unreadable, time.monotonic() - last)


def _given(artifact: Artifact) -> Preprocessing | None:
    """How images become the file's input: pixels where it takes those."""
    found = artifact.preprocessing
    return unprepared(found or plain(artifact.model)) if artifact.takes_pixels else found


def _warnings(artifact: Artifact, classifier: Classifier, found: Predictions) -> list[str]:
    """What a reader of the numbers has to know."""
    warnings = list(artifact.warnings) if artifact.export.precision == "int8" else []  # on what it was calibrated
    if classifier.instead:
        warnings.append(f"{classifier.instead}: this file was run by edgebench's evaluator")
    if artifact.preprocessing is None:
        warnings.append(
            f"no preprocessing is known: images were resized to the input and divided by 255, no more; {HOW}"
        )
    if artifact.weights_sha256 is None and artifact.model.family not in ("file", "user"):
        warnings.append("the weights are random values: give trained ones with `weights`")
    if found.unreadable:
        named = ", ".join(f"{path} ({why})" for path, why in list(found.unreadable.items())[:NAMED])
        more = f", and {len(found.unreadable) - NAMED} more" if len(found.unreadable) > NAMED else ""
        warnings.append(f"{len(found.unreadable)} images cannot be read and do not count: {named}{more}")
    return warnings
