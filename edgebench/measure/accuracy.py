"""What predictions are worth: counts, their intervals, agreement, and which classes are taken for which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgebench.ground.records import Accuracy, Confusion, Interval

TOP: Final = 5
Classes = npt.NDArray[np.int64]
"""Class numbers, [images, up to 5], the likeliest first; a row of -1 is an image that could not be read."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one file says of every image of a data set. `unreadable` maps paths to what is wrong with them.

    `seconds` is the time that reading, preparing and running the images took in all.
    """

    classes: Classes
    unreadable: dict[str, str]
    seconds: float
    evaluated_by: str

    @property
    def readable(self) -> npt.NDArray[np.bool_]:
        """Which images were read."""
        return self.classes[:, 0] >= 0


def top_classes(outputs: npt.NDArray[np.float32]) -> Classes:
    """Returns the numbers of the five largest outputs of each image, [images, at most 5], the largest first.

    Of equal outputs the lower number comes first. Raises ValueError for outputs that are not finite.
    """
    if not np.isfinite(outputs).all():
        raise ValueError("outputs have values that are not finite")
    found: Classes = np.argsort(-outputs, axis=1, kind="stable")[:, :TOP].astype(np.int64)
    return found


def score(
    predictions: Predictions,
    labels: npt.NDArray[np.int64],
    *,
    dataset: str,
    dataset_identity: str,
    reference: Predictions | None = None,
) -> Accuracy:
    """Counts what is right, over the images that could be read; see records.Accuracy.

    `reference` are torch's predictions of the same images. Top-5 is None where there are at most five classes, all of
    which it would hold.
    """
    kept = predictions.readable
    classes, right = predictions.classes[kept], labels[kept]
    theirs = reference.classes[kept, 0] if reference else None
    return Accuracy(
        dataset=dataset,
        dataset_identity=dataset_identity,
        images=int(kept.sum()),
        correct=int((classes[:, 0] == right).sum()),
        correct5=int((classes == right[:, None]).any(axis=1).sum()) if int(labels.max()) >= TOP else None,
        agreed=None if theirs is None else int((classes[:, 0] == theirs).sum()),
        reference_correct=None if theirs is None else int((theirs == right).sum()),
        unreadable=len(predictions.unreadable),
        seconds=predictions.seconds,
        evaluated_by=predictions.evaluated_by,
    )


def confusions(
    predictions: Predictions, labels: npt.NDArray[np.int64], names: tuple[str, ...], most: int = 5
) -> tuple[Confusion, ...]:
    """Returns the commonest mistake of each of the classes that are most often mistaken, the worst class first."""
    kept = predictions.readable
    table = np.zeros((len(names), len(names)), np.int64)
    np.add.at(table, (labels[kept], predictions.classes[kept, 0]), 1)
    images = table.sum(axis=1)
    np.fill_diagonal(table, 0)
    share = table.sum(axis=1) / np.maximum(images, 1)
    worst = [number for number in np.argsort(-share, kind="stable")[:most] if share[number]]
    return tuple(
        Confusion(
            actual=names[number],
            predicted=names[taken := int(table[number].argmax())],
            count=int(table[number, taken]),
            images=int(images[number]),
        )
        for number in worst
    )


def wilson(count: int, images: int, confidence: float = 0.95) -> Interval | None:
    """Returns the share `count` / `images` with Wilson's interval (1927); None without images.

    It keeps to 0..1 and stays honest near its ends, where the normal approximation claims certainty.
    """
    if not images:
        return None
    from scipy.stats import binomtest

    found = binomtest(count, images).proportion_ci(confidence, method="wilson")
    return Interval(value=count / images, low=float(found.low), high=float(found.high), confidence=confidence)
