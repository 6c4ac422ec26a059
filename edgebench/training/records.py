"""What a training run says of itself: a row an epoch, kept in metrics.jsonl, and the outcome."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edgebench.ground.errors import TrainingError, UsageError, reason
from edgebench.ground.paths import write_atomically
from edgebench.ground.records import ModelSpec, Preprocessing, Record


class Epoch(Record, frozen=True, kw_only=True):
    """One epoch: a line of metrics.jsonl.

    Training loss and accuracy are the means over its steps, of augmented images, in training mode; `train_accuracy` is
    a share, as `val_accuracy` is. `gradient_norm` is the mean over the steps, before clipping; `layer_gradients` are
    those of the first layers and the last. `images_per_s` is of training alone, `seconds` of all of the epoch.
    """

    epoch: int
    step: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    gradient_norm: float
    layer_gradients: dict[str, float]
    images_per_s: float
    seconds: float


class TrainingResult(Record, frozen=True, kw_only=True):
    """A finished run, whose epochs took `seconds`. `val_accuracy` is that of the kept weights, of epoch `best_epoch`.

    `replaced` names the layers that the given weights had for other classes; `unreadable` maps an image that was left
    out to why.
    """

    model: ModelSpec
    folder: str
    weights: str
    data: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    val_accuracy: float
    best_epoch: int
    train_images: int
    val_images: int
    trained_parameters: int
    frozen_parameters: int
    replaced: tuple[str, ...] = ()
    unreadable: dict[str, str]
    advice: str = ""
    epochs: tuple[Epoch, ...] = ()
    seconds: float


class Metrics:
    """The rows of one run, in memory and in a file that is begun anew or, after `cut`, gone on with."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: tuple[Epoch, ...] = ()

    def append(self, row: Epoch) -> None:
        """Adds a row. Raises TrainingError when the disk does not take it."""
        self.rows += (row,)
        with self._told(), self.path.open("ab" if len(self.rows) > 1 else "wb") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())

    def cut(self, epoch: int) -> None:
        """Reads what is there up to `epoch`: a killed run may have written of one that it did not save."""
        self.rows = tuple(row for row in read(self.path) if row.epoch <= epoch)
        with self._told():
            write_atomically(self.path, b"".join(map(_line, self.rows)))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(f"cannot write {self.path}: {reason(error)}; make room") from error


def _line(row: Epoch) -> bytes:
    return msgspec.json.encode(row) + b"\n"


def read(path: Path) -> list[Epoch]:
    """Returns the rows of a metrics file; a last line that was cut off is left out.

    Raises UsageError where there is none, or it holds something else.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(f"cannot read the metrics {path}: {reason(error)}") from error
    try:
        return [msgspec.json.decode(line, type=Epoch) for line in lines[:-1]]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} does not hold the metrics of a training: {error}") from error
