"""A whole run: images, a network and settings become a folder with the best weights, checkpoints and metrics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import torch
from torch import nn

from edgebench import data as datasets
from edgebench.data import Dataset
from edgebench.ground.errors import TrainingError, UsageError, reason, warn
from edgebench.ground.paths import alone, obstacle
from edgebench.ground.progress import OnProgress, Step, silent
from edgebench.ground.records import ModelSpec, Preprocessing
from edgebench.machines.facts import check_threads
from edgebench.models.given import NOTHING, Given
from edgebench.models.preparation import of_module, plain
from edgebench.models.trained import Trained
from edgebench.run.evaluating import remarks
from edgebench.training import checkpoint
from edgebench.training.augment import augmentation, check_installed
from edgebench.training.images import Images, Normalize, from_data, kept_shape
from edgebench.training.records import Metrics, TrainingResult
from edgebench.training.settings import Settings
from edgebench.training.start import Start, advice, freeze, start
from edgebench.training.trainer import Trainer, check_output, hardware


@dataclass(frozen=True)
class TrainingRequest:
    """What is asked for: a network, the reference of a data set, how, into which folder, and from what is given."""

    spec: ModelSpec
    data: str
    settings: Settings
    folder: Path
    given: Given = NOTHING
    resume: bool = False
    place: str = "auto"


def train(request: TrainingRequest, on_progress: OnProgress = silent) -> TrainingResult:
    """Trains a network and writes best.safetensors, last.pt and metrics.jsonl into the request's folder.

    The network's classes become the data's. With `resume` a run that was killed goes on, to the same result. Torch's
    random state and threads are as before afterwards. Raises UsageError for bad input, TrainingError where the loss or
    the disk fails; the last good checkpoint stays. An interrupt goes on as KeyboardInterrupt, and says what is kept.
    """
    check_threads(request.settings.threads)
    check_installed(request.settings.augment)
    _check_folder(request)
    on_progress(Step(0, request.settings.epochs, request.spec.key, "reading images"))
    train_set, val_set = (datasets.load(request.data, split=split) for split in ("train", "val"))
    val_set = val_set.subset(request.settings.validate)
    for remark in remarks(train_set, exif=bool(request.given.preparation.fields.get("exif"))):
        warn(remark)
    if train_set.classes != val_set.classes:
        raise UsageError(f"{request.data} has other classes to train on than to validate with: give both the same")
    request = replace(request, spec=msgspec.structs.replace(request.spec, classes=len(train_set.classes)))
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(request.settings.threads or threads)
        try:
            torch.manual_seed(request.settings.seed)
            return _Training(request, train_set, val_set).run(on_progress)
        finally:
            torch.set_num_threads(threads)


class _Training:
    """One run. What can be refused is refused before the images are read, which may take minutes."""

    def __init__(self, request: TrainingRequest, train_set: Dataset, val_set: Dataset) -> None:
        self.request = request
        settings, shape = request.settings, request.spec.input_shape
        self.begun: Start = start(
            request.spec, settings, request.given.weights, request.given.modules.get(request.spec.key)
        )
        check_output(self.begun.network, shape, request.spec.classes)
        self.frozen = freeze(self.begun.network, settings.freeze)
        place = hardware(request.place, mixed_precision=settings.mixed_precision)
        self._data = f"{train_set.identity} {val_set.identity}"
        state = checkpoint.read(request.folder, request.spec, settings, self._data) if request.resume else None
        self.classes = train_set.classes
        known, whole = _preprocessing(request, self.begun.network), plain(request.spec)
        prepared = known or request.given.preparation.over(whole, request.spec) or whole
        # Augmentation crops: a training image has no margin, and is normalised after it.
        seen = msgspec.structs.replace(prepared, resize=whole.resize, mean=whole.mean, std=whole.std)
        train_set = train_set.prepared(seen)
        self.train = Images(train_set, seen, kept_shape(train_set, shape[1:]))
        self.preprocessing = known or from_data(prepared, self.train.sample())
        self.val = Images(val_set, self.preprocessing, shape[1:])
        self.augmentation = augmentation(settings.augment, (shape[2], shape[3]), self.train.sample())
        normalized = Normalize(self.preprocessing)
        self.trainer = Trainer(self.begun.network, self.frozen, settings, normalized, place)
        self.metrics = Metrics(request.folder / checkpoint.METRICS)
        self.best, self.best_epoch, self.saved = -1.0, 0, 0
        if state is not None:
            self.trainer.restore(state)
            self.best, self.best_epoch = state["best"], state["best_epoch"]
            self.saved = self.trainer.epoch
            self.metrics.cut(self.saved)

    def run(self, on_progress: OnProgress) -> TrainingResult:
        """Every epoch that is missing."""
        folder = self.request.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)  # only now: what was refused leaves nothing behind
        except OSError as error:
            raise _cannot_write(folder, reason(error)) from error
        try:
            with alone(folder / ".lock", f"a training into {folder}"):
                return self._epochs(on_progress)
        except KeyboardInterrupt as interrupt:
            interrupt.args = (self._kept(),)  # the one who interrupted wants to know what is left
            raise
        finally:
            if not any(folder.iterdir()):
                folder.rmdir()

    def _epochs(self, on_progress: OnProgress) -> TrainingResult:
        folder, epochs = self.request.folder, self.request.settings.epochs

        def tell(step: str) -> None:
            done, best = self.trainer.epoch, f"best {max(self.best, 0.0):.1%}"
            on_progress(Step(done, epochs, f"{self.request.spec.key} epoch {done + 1}", f"{step}, {best}"))

        while self.trainer.epoch < epochs:
            try:
                row = self.trainer.run_epoch(self.train, self.val, self.augmentation, tell)
            except TrainingError as error:
                raise TrainingError(f"{error}; {self._kept(resumable=False)}") from error
            if row.val_accuracy > self.best:  # of equals the first is kept
                self.best, self.best_epoch = row.val_accuracy, self.trainer.epoch
                checkpoint.save_weights(folder / checkpoint.BEST, self.trainer.values(), self._trained())
            self.metrics.append(row)
            state = {**self.trainer.state(), "best": self.best, "best_epoch": self.best_epoch}
            checkpoint.write(folder, self.request.spec, self.request.settings, self._data, state)
            self.saved = self.trainer.epoch
        return self._result()

    def _trained(self) -> Trained:
        request = self.request
        return Trained(
            model=request.spec,
            classes=self.classes,
            preprocessing=self.preprocessing,
            data=request.data,
            accuracy=self.best,
            epochs=self.best_epoch,
            seed=request.settings.seed,
        )

    def _kept(self, *, resumable: bool = True) -> str:
        if not self.saved:
            return "there was no finished epoch to keep" + (": run the same command again" if resumable else "")
        kept = f"epoch {self.saved} is kept in {self.request.folder / checkpoint.LAST}"
        return f"{kept}; go on with `resume`" if resumable else kept

    def _result(self) -> TrainingResult:
        request, train, val = self.request, self.train, self.val
        count = sum(parameter.numel() for parameter in self.begun.network.parameters())
        return TrainingResult(
            model=request.spec,
            folder=str(request.folder),
            weights=str(request.folder / checkpoint.BEST),
            data=request.data,
            classes=self.classes,
            preprocessing=self.preprocessing,
            val_accuracy=self.best,
            best_epoch=self.best_epoch,
            train_images=len(train),
            val_images=len(val),
            trained_parameters=count - self.frozen.parameters,
            frozen_parameters=self.frozen.parameters,
            replaced=self.begun.replaced,
            unreadable={**train.unreadable, **val.unreadable},
            advice=advice(
                len(train), len(self.classes), request.settings.freeze, from_weights=request.given.weights is not None
            ),
            epochs=self.metrics.rows,
            seconds=sum(row.seconds for row in self.metrics.rows),
        )


def _preprocessing(request: TrainingRequest, network: nn.Module) -> Preprocessing | None:
    """What was said, what the weights or the module were trained with, or the paper; None for mean and deviation of the
    data."""
    wanted, given = request.settings.normalize, request.given
    said = given.preparation.tells_mean
    if said and wanted == "data":
        raise UsageError("`normalize='data'` takes mean and deviation from the images: leave it, or what you said, out")
    of_weights = said or given.weights is not None or of_module(network, request.spec) is not None
    if wanted == "data" or (wanted == "auto" and not of_weights):
        return None
    found = given.preprocessing(request.spec, network)
    if found is None and wanted == "published":
        raise UsageError(f"`normalize='published'`: nothing is published for your own network {request.spec.name}")
    return found


def _check_folder(request: TrainingRequest) -> None:
    """Raises UsageError for a folder that holds a run already, unless that is resumed, or that cannot be written."""
    folder = request.folder
    if why := obstacle(folder / checkpoint.LAST):
        raise _cannot_write(folder, why)
    if (folder / checkpoint.LAST).exists() and not request.resume:
        raise UsageError(f"{folder} holds a run already: go on with `resume`, or choose another `output`")


def _cannot_write(folder: Path, why: str) -> UsageError:
    return UsageError(f"cannot write into {folder}: {why}; choose another with `output`")
