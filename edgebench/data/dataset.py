"""What a data set is to everything else: labels in memory, pixels one image at a time.

PackedSource holds images that lie side by side in a few files, as those of CIFAR-10 and MNIST do.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from edgebench.ground.errors import EdgebenchError
from edgebench.ground.paths import shown
from edgebench.ground.records import Preprocessing, identity

if TYPE_CHECKING:
    from edgebench.data.images import Head

Pixels = npt.NDArray[np.uint8]
"""An image as RGB: uint8 [height, width, 3]."""
Labels = npt.NDArray[np.int64]


class Unreadable(EdgebenchError):
    """One image cannot be read; the others can. `path` names it, `why` says what is wrong with it."""

    exit_code = 2

    def __init__(self, path: str | Path, why: str) -> None:
        self.path = shown(path)
        super().__init__(f"{self.path} {why}")
        self.why = why


class Source(Protocol):
    """Where images come from, by their number in it. Reading is safe from several threads at once."""

    def pixels(self, index: int) -> Pixels:
        """The image as uint8 [height, width, 3] in RGB. Raises Unreadable."""

    def where(self, index: int) -> str:
        """What to call the image in a message."""

    def contents(self, indices: Labels) -> Iterable[str]:
        """What tells these images from any others, in order; cheap enough for 50,000 of them."""


@runtime_checkable
class Turnable(Protocol):
    """A source of images that may carry an orientation."""

    def upright(self) -> Source:
        """The same images, turned as they say."""

    def heads(self, indices: Labels) -> Iterable[Head]:
        """What these images say of themselves."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images of one split. `labels` is int64 [n]: an index into `classes` for each image.

    `indices` are the images' numbers in `source`, which a subset shares with the whole. `reference` is what `load` was
    given, `split` the split that was taken.
    """

    name: str
    reference: str
    split: str
    classes: tuple[str, ...]
    labels: Labels
    source: Source
    indices: Labels
    left_out: Mapping[str, int] = field(default_factory=dict)  # files that are no images, by their ending

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, index: int) -> Pixels:
        """Returns an image as uint8 [height, width, 3] in RGB. Raises Unreadable."""
        return self.source.pixels(int(self.indices[index]))

    def where(self, index: int) -> str:
        """What to call an image in a message: its path, or its number in the file that holds it."""
        return self.source.where(int(self.indices[index]))

    def subset(self, limit: int, seed: int = 0) -> Dataset:
        """Returns at most `limit` images with every class in its share, in the order of the whole.

        The same seed gives the same images, and a larger limit all images of a smaller one.
        """
        if limit >= len(self):
            return self
        return self.take(np.sort(_stratified(self.labels, seed)[:limit]))

    def prepared(self, preprocessing: Preprocessing | None) -> Dataset:
        """The images as a network's preparation begins: turned by their EXIF orientation where it says so."""
        if preprocessing is None or not preprocessing.exif or not isinstance(self.source, Turnable):
            return self
        return replace(self, source=self.source.upright())

    @property
    def heads(self) -> tuple[Head, ...]:
        """What each image says of itself, where images are files; these are opened."""
        return tuple(self.source.heads(self.indices)) if isinstance(self.source, Turnable) else ()

    def take(self, positions: Labels) -> Dataset:
        """Returns the images at these positions, in this order."""
        return replace(self, labels=self.labels[positions], indices=self.indices[positions])

    @cached_property
    def identity(self) -> str:
        """A content address: other images, labels, classes or another order give another one.

        The place on disk does not count, so that two machines with the same images agree.
        """
        return identity(self.classes, self.labels.tolist(), list(self.source.contents(self.indices)))


def _stratified(labels: Labels, seed: int) -> Labels:
    """Returns all positions so that every beginning of the list holds each class in its share, at random within it."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    within = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (within + 0.5) / counts[labels[by_class]]
    order: Labels = by_class[np.argsort(share, kind="stable")].astype(np.int64)
    return order


@dataclass(frozen=True)
class PackedSource:
    """`parts` are the images of each file, uint8 [n, height, width, 3] or grey [n, height, width]."""

    files: tuple[Path, ...]
    parts: tuple[npt.NDArray[np.uint8], ...]

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(map(len, self.parts)))

    def _find(self, index: int) -> tuple[int, int]:
        """The number of the file, and of the image in it."""
        part = bisect_right(self._ends, index)
        return part, index - (self._ends[part] - len(self.parts[part]))

    def pixels(self, index: int) -> Pixels:
        """A copy of one image, in RGB."""
        part, number = self._find(index)
        image = np.array(self.parts[part][number])
        return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)

    def where(self, index: int) -> str:
        """The image's number in its file."""
        part, number = self._find(index)
        return f"image {number} of {self.files[part]}"

    def contents(self, indices: Labels) -> Iterable[str]:
        """A digest of all pixels, then the images' numbers."""
        digest = hashlib.sha256()
        for part in self.parts:
            digest.update(np.ascontiguousarray(part).data)
        yield digest.hexdigest()
        yield from map(str, indices)
