"""The images on which activations are observed while a network becomes int8, and those held out to judge it by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgebench.formats.examples import Array, normalise, smooth_image, with_beside
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec, Preprocessing, Quantization

if TYPE_CHECKING:
    from edgebench.data import Dataset

DRAWN = (
    "the inputs beside the image were calibrated on normal noise, and on 0 and 1 where they are whole numbers: what "
    "depends on them has ranges of these"
)
FEW = 8  # below this many images a range is an accident
HELD_OUT_SHARE = 4  # one image in four judges and is not calibrated on
GENERATED = (
    "calibrated on generated images: the speed of this int8 file is right, its accuracy means nothing; give images "
    "with `calibrate`"
)


@dataclass(frozen=True)
class Calibration:
    """Preprocessed images, float32 (1, C, H, W): `images` to observe, `held_out` to choose and to judge by.

    Of a network of several inputs each is all of them as one, as `with_beside` makes it.
    """

    images: list[Array]
    held_out: list[Array]
    warnings: tuple[str, ...] = ()

    @property
    def given(self) -> int:
        """How many images there were, held out or not; a single one is in both."""
        return len(self.images) + (len(self.held_out) if self.held_out is not self.images else 0)


def load(spec: ModelSpec, preprocessing: Preprocessing | None, quantization: Quantization) -> Calibration:
    """Returns `quantization.samples` images of its data set, or generated ones where it names none.

    The last quarter is held out. Raises UsageError for a data set without images, and for images of one colour each.
    """
    if quantization.calibration:
        images, warnings = _read(spec, preprocessing, quantization)
    else:
        random = np.random.default_rng(1)
        # Smooth images as photographs are, and, each second one, normal noise.
        images = [
            random.standard_normal(spec.input_shape, dtype=np.float32)
            if number % 2
            else normalise(smooth_image(spec.input_shape, random), preprocessing)
            for number in range(quantization.samples)
        ]
        warnings = (GENERATED,)
    if len(images) < FEW:
        warnings += (f"calibrated on {len(images)} images: give {FEW} or more, better 64, for ranges that hold",)
    if spec.beside:
        images, warnings = with_beside(images, spec.beside), (*warnings, DRAWN)
    if len(images) == 1:
        return Calibration(images, images, warnings)
    kept = len(images) - max(1, len(images) // HELD_OUT_SHARE)
    return Calibration(images[:kept], images[kept:], warnings)


def identity(quantization: Quantization) -> str:
    """A content address of the data set that `quantization` names. Raises UsageError where it cannot be read."""
    return _dataset(quantization).identity


def _dataset(quantization: Quantization) -> Dataset:
    """The images to take: of the training split where there are classes, else of all there are."""
    from edgebench import data

    reference = quantization.calibration
    own = data.splits(reference)
    try:
        found = data.load(reference, split=own[0] if own[0] != "all" else "train")
    except UsageError:
        found = data.load(reference, split="all", labelled=False)
    return found.subset(quantization.samples)


def _read(
    spec: ModelSpec, preprocessing: Preprocessing | None, quantization: Quantization
) -> tuple[list[Array], tuple[str, ...]]:
    """The data set's images in an order that mixes its classes, so that the held-out part has all of them."""
    from edgebench import data

    found = _dataset(quantization)
    unreadable: list[str] = []
    batches = data.batches(found, preprocessing, spec.input_shape[1:], 1, lambda error: unreadable.append(str(error)))
    images = [batch.x for batch in batches]
    if not images:
        raise UsageError(f"no image of {quantization.calibration} can be read, and int8 needs some to calibrate on")
    if all(np.ptp(image, axis=(2, 3)).max() == 0 for image in images):
        raise UsageError(
            f"each of the {len(images)} images of {quantization.calibration} is of one colour: ranges that are "
            "calibrated on them clip every real image; give photographs"
        )
    order = np.random.default_rng(0).permutation(len(images))
    warnings = (f"{len(unreadable)} calibration images are unreadable: {unreadable[0]}",) if unreadable else ()
    return [images[number] for number in order], warnings
