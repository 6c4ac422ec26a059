"""Images that lie side by side in a few files, as those of CIFAR-10 and MNIST do."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgebench.data.dataset import Labels, Pixels


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
