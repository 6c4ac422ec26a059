"""The inputs on which a written file is compared with torch: noise, and smooth images as a camera gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgebench.ground.records import Beside, Preprocessing

Array = npt.NDArray[np.float32]
Shape = tuple[int, int, int, int]
Sized = tuple[int, ...]


def example_inputs(shape: Shape, preprocessing: Preprocessing | None, seed: int = 0) -> list[Array]:
    """Returns four inputs of `shape` (1, C, H, W): two of normal noise, two smooth as photographs are.

    The smooth ones are low-frequency noise in [0, 1] that went through the preprocessing's mean and standard deviation.
    """
    random = np.random.default_rng(seed)
    noise = [random.standard_normal(shape, dtype=np.float32) for _ in range(2)]
    return noise + [normalise(smooth_image(shape, random), preprocessing) for _ in range(2)]


def with_beside(images: Sequence[Array], beside: Sequence[Beside], seed: int = 1) -> list[Array]:
    """Each image (1, C, H, W) and values for the inputs beside it as one: each flattened, one behind the other.

    Normal noise for numbers, 0 and 1 for whole numbers and truths, which may be indices into anything. The images
    themselves where nothing is beside them.
    """
    if not beside:
        return list(images)
    random = np.random.default_rng(seed)
    found = []
    for image in images:
        drawn = [
            random.standard_normal(one.shape) if one.dtype == "float32" else random.integers(0, 2, one.shape)
            for one in beside
        ]
        parts = [part.reshape(1, -1).astype(np.float32) for part in (image, *drawn)]
        found.append(np.concatenate(parts, axis=1))
    return found


def apart(x: Array, shapes: Sequence[Sized]) -> list[Array]:
    """Undoes that for a batch: each input in its shape behind the batch; `x` itself where there is one."""
    if len(shapes) == 1:
        return [x]
    ends = np.cumsum([math.prod(shape) for shape in shapes])[:-1]
    parts = np.split(x, ends, axis=1)
    return [part.reshape(len(x), *shape) for part, shape in zip(parts, shapes, strict=True)]


def example_pixels(shape: Shape, seed: int = 0) -> list[Array]:
    """Returns four images of `shape` (1, C, H, W) with whole values from 0 to 255: two of noise, two smooth."""
    random = np.random.default_rng(seed)
    noise = [random.integers(0, 256, shape).astype(np.float32) for _ in range(2)]
    return noise + [np.rint(smooth_image(shape, random) * 255) for _ in range(2)]


def smooth_image(shape: Shape, random: np.random.Generator) -> Array:
    """Returns noise in [0, 1] whose amplitude falls as 1 / frequency, as that of natural images does (Field, 1987)."""
    height, width = shape[2:]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.standard_normal(shape)) / frequency
    image = np.fft.irfft2(spectrum, s=(height, width))
    low, high = image.min(axis=(2, 3), keepdims=True), image.max(axis=(2, 3), keepdims=True)
    scaled: Array = ((image - low) / np.maximum(high - low, np.finfo(np.float32).tiny)).astype(np.float32)
    return scaled


def normalise(image: Array, preprocessing: Preprocessing | None) -> Array:
    """(image - mean) / std for each channel of (N, C, H, W); the image itself where nothing is known."""
    if preprocessing is None:
        return image
    mean, std = np.asarray([preprocessing.mean, preprocessing.std], np.float32).reshape(2, 1, -1, 1, 1)
    normalised: Array = (image - mean) / std
    return normalised
