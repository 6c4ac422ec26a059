"""Decoded training images: uint8, in memory where they fit, else read ahead by threads; and how they are normalised."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgebench.data import Dataset, Unreadable
from edgebench.data.dataset import Pixels
from edgebench.data.images import crop
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Preprocessing

MEMORY_BYTES: Final = 2**30  # decoded images above this are read again every epoch
AHEAD: Final = 4  # batches that are made while one is worked on
WORKERS: Final = 2
STATISTICS: Final = 2000  # images that mean, standard deviation and principal colours are taken from
ROOM: Final = 8 / 7  # how much larger than the input a training image is kept: ImageNet's 256 for 224


class Batch(NamedTuple):
    """`x` is uint8 [B, C, H, W], `labels` int64 [B]."""

    x: Tensor
    labels: Tensor


class Images:
    """The images of a data set as uint8 [C, H, W], `shape` being that; `unreadable` holds those left out.

    An image that cannot be read is left out where it is met; the rest are used.
    """

    def __init__(self, dataset: Dataset, preprocessing: Preprocessing, shape: tuple[int, int, int]) -> None:
        self.dataset = dataset
        self.shape = shape
        self.unreadable: dict[str, str] = {}
        self._preprocessing = preprocessing
        self._held: Pixels | None = None
        self._usable = np.arange(len(dataset))
        if len(dataset) * int(np.prod(shape)) <= MEMORY_BYTES:
            held = np.empty((len(dataset), *shape), np.uint8)
            with ThreadPoolExecutor(WORKERS, "edgebench-train") as pool:
                good = list(pool.map(lambda index: self._read(index, held[index]), range(len(dataset))))
            self._usable = np.flatnonzero(good)
            if not len(self._usable):
                path, why = min(self.unreadable.items())
                raise UsageError(f"no image of {dataset.reference} can be read; the first: {path} {why}")
            self._held = held

    def __len__(self) -> int:
        return len(self._usable)

    def batches(self, order: Tensor, size: int) -> Iterator[Batch]:
        """Yields the images at these positions, `size` at a time, made by threads while the caller works."""
        with ThreadPoolExecutor(WORKERS, "edgebench-train") as pool:
            ahead: deque[Future[Batch]] = deque()
            for first in range(0, len(order), size):
                ahead.append(pool.submit(self._batch, order[first : first + size].numpy()))
                if len(ahead) > AHEAD:
                    yield from _filled(ahead.popleft().result())
            while ahead:
                yield from _filled(ahead.popleft().result())

    def sample(self) -> Pixels:
        """Returns at most STATISTICS images of all classes, uint8 [n, C, H, W]."""
        positions = np.linspace(0, len(self) - 1, min(len(self), STATISTICS)).astype(np.int64)
        return self._batch(positions).x.numpy()

    def _read(self, index: int, into: Pixels) -> bool:
        try:
            into[:] = crop(self.dataset.pixels(index), self._preprocessing, self.shape).transpose(2, 0, 1)
        except Unreadable as error:
            self.unreadable[error.path] = error.why
            return False
        return True

    def _batch(self, positions: npt.NDArray[np.int64]) -> Batch:
        indices = self._usable[positions]
        if self._held is not None:
            pixels = self._held[indices]
        else:
            pixels = np.empty((len(indices), *self.shape), np.uint8)
            good = [self._read(int(index), pixels[row]) for row, index in enumerate(indices)]
            pixels, indices = pixels[good], indices[good]
        return Batch(torch.from_numpy(pixels), torch.from_numpy(self.dataset.labels[indices]))


def kept_shape(dataset: Dataset, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Returns the (C, H, W) to keep training images in: larger than the input, where the images are, for random crops.

    The first readable image stands for all.
    """
    channels, height, width = shape
    for index in range(len(dataset)):
        try:
            rows, columns = dataset.pixels(index).shape[:2]
        except Unreadable:  # it is named where all images are read
            continue
        room = min(ROOM, max(1.0, min(rows / height, columns / width)))
        return channels, round(height * room), round(width * room)
    return shape


def _filled(batch: Batch) -> Iterator[Batch]:
    if len(batch.labels):
        yield batch


LEAST_SPREAD = 1 / 255


def from_data(preprocessing: Preprocessing, images: Pixels) -> Preprocessing:
    """Returns the preprocessing with the images' mean and standard deviation a channel; uint8 [n, C, H, W].

    Raises UsageError where all images are one colour: nothing can be learnt, and nothing divided by.
    """
    scaled = images.transpose(1, 0, 2, 3).reshape(images.shape[1], -1) / 255.0
    mean, std = scaled.mean(1), scaled.std(1)
    if std.max() < LEAST_SPREAD:
        raise UsageError("all training images have one and the same colour: there is nothing to learn from them")
    rounded = [tuple(round(float(value), 4) for value in values) for values in (mean, np.maximum(std, LEAST_SPREAD))]
    return msgspec.structs.replace(preprocessing, mean=rounded[0], std=rounded[1])


class Normalize(torch.nn.Module):
    """Turns uint8 or 0..1 float [B, C, H, W] into the network's input: (x - mean) / std."""

    mean: Tensor
    std: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Any float [B, C, H, W] in 0..1."""
        normalised: Tensor = (x - self.mean) / self.std
        return normalised.contiguous(memory_format=torch.channels_last)
