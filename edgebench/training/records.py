"""What a training run says of itself: a row an epoch, and the outcome."""

from __future__ import annotations

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


class Outcome(Record, frozen=True, kw_only=True):
    """A finished run. `val_accuracy` is that of the kept weights, of epoch `best_epoch`.

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

    @property
    def seconds(self) -> float:
        """How long all epochs took."""
        return sum(row.seconds for row in self.epochs)
