"""The one implementation of a manifest's preprocessing: pixels to what a network takes, equal to Pillow's results."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgebench.data.dataset import Pixels
from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.records import Preprocessing

Array = npt.NDArray[np.float32]
Shape = tuple[int, int, int]
"""(channels, height, width)."""

INTERPOLATIONS: Final = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def prepare(pixels: Pixels, preprocessing: Preprocessing | None, shape: Shape) -> Array:
    """Returns uint8 [height, width, 3] as the float32 [C, H, W] that a network takes.

    The shorter side to `resize` (Pillow's antialiased interpolation, the longer side rounded down, as torchvision's
    Resize does), a centre crop of H x W, /255, then (x - mean) / std. Where `shape` is not the preprocessing's crop,
    `resize` scales with it. Grey where C is 1, by Pillow's weights, before anything else. Without a preprocessing the
    image is resized to cover H x W, bilinearly, and divided by 255.

    Raises UsageError for a number of channels that is neither 1 nor 3, and for an unknown interpolation.
    """
    cropped = crop(pixels, preprocessing, shape)
    scaled = cropped.astype(np.float32) / np.float32(255)
    if preprocessing is not None:
        mean, std = np.asarray([preprocessing.mean, preprocessing.std], np.float32)
        scaled = (scaled - mean) / std
    prepared: Array = np.ascontiguousarray(scaled.transpose(2, 0, 1))
    return prepared


def crop(pixels: Pixels, preprocessing: Preprocessing | None, shape: Shape) -> Pixels:
    """Returns uint8 [H, W, C]: `prepare` up to its division by 255. Raises UsageError as `prepare` does."""
    channels, height, width = shape
    if channels not in (1, 3):
        raise UsageError(f"the network takes {channels} channels: images have 3, or 1 where they are made grey")
    image = Image.fromarray(pixels)
    if channels == 1:
        image = image.convert("L")
    size = _resized((image.height, image.width), _enlarged(preprocessing, height, width))
    if size != (image.height, image.width):
        image = image.resize((size[1], size[0]), _interpolation(preprocessing))
    top, left = round((size[0] - height) / 2), round((size[1] - width) / 2)
    return np.asarray(image.crop((left, top, left + width, top + height))).reshape(height, width, channels)


def _enlarged(preprocessing: Preprocessing | None, height: int, width: int) -> tuple[int, int]:
    """The size that a resized image must cover: the crop, and the margin that the preprocessing leaves around it."""
    if preprocessing is None:
        return height, width
    margin = max(1.0, preprocessing.resize / preprocessing.crop)
    return round(height * margin), round(width * margin)


def _resized(size: tuple[int, int], cover: tuple[int, int]) -> tuple[int, int]:
    """Scales (height, width) until it just covers `cover`; the side that is longer is rounded down."""
    height, width = size
    if height * cover[1] <= width * cover[0]:
        return cover[0], max(cover[1], int(cover[0] * width / height))
    return max(cover[0], int(cover[1] * height / width)), cover[1]


def _interpolation(preprocessing: Preprocessing | None) -> Image.Resampling:
    name = preprocessing.interpolation if preprocessing else "bilinear"
    if name not in INTERPOLATIONS:
        raise unknown("interpolation", name, INTERPOLATIONS)
    return INTERPOLATIONS[name]
