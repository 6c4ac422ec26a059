"""Generated data sets: shipped as code, any size, every image made alone from (seed, split, number).

    synthetic:shapes     an object on a cluttered ground; classes differ by its outline and by the fine pattern on it
    synthetic:textures   the whole image is one material; classes differ by its structure

Pose, scale, colour, lighting, clutter and noise are at random, so a linear classifier on pixels finds little. The
pattern's pitch is a share of the image, so it is lost where an image is reduced to a few pixels. Classes do not depend
on the seed: another seed gives other images of the same classes.

A set is named `synthetic:NAME?size=64&classes=10&images=2000`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from edgebench.data.dataset import Dataset, Labels, Pixels
from edgebench.data.synthetic import shapes, textures
from edgebench.ground.errors import UsageError, unknown

PREFIX: Final = "synthetic:"
SPLITS: Final = {"train": 0, "val": 1, "test": 2}
VERSION: Final = 1  # part of every identity: raise it when a change alters images

Draw = Callable[[np.random.Generator, int, int], Pixels]
"""Makes one image from a stream of random numbers, its class, and its side in pixels."""


@dataclass(frozen=True)
class SyntheticSet:
    """A generated set: its classes, and how one image is drawn."""

    classes: tuple[str, ...]
    draw: Draw


SETS: Final = {
    "shapes": SyntheticSet(shapes.CLASSES, shapes.draw),
    "textures": SyntheticSet(textures.CLASSES, textures.draw),
}
# Of every number in a reference: the default (None: what `load` is given), the least and the most.
_NUMBERS: Final[dict[str, tuple[int | None, int, int]]] = {
    "size": (64, 8, 1024),
    "first": (0, 0, 1000),  # the set's class that is class 0 here, so that two sets can share none
    "classes": (10, 2, 1000),
    "images": (2000, 1, 10_000_000),
    "seed": (None, 0, 2**32 - 1),
}


@dataclass(frozen=True)
class SyntheticSource:
    """Images that are drawn when they are asked for; number i is of class i modulo the number of classes."""

    name: str
    size: int
    classes: int
    seed: int
    split: str
    first: int = 0

    def pixels(self, index: int) -> Pixels:
        """Draws image `index`; every call draws the same."""
        random = np.random.default_rng((self.seed, SPLITS[self.split], index))
        return SETS[self.name].draw(random, self.first + index % self.classes, self.size)

    def where(self, index: int) -> str:
        """The image's number, in words."""
        return f"image {index} of {PREFIX}{self.name} {self.split}"

    def contents(self, indices: Labels) -> Iterable[str]:
        """What decides the images, then their numbers."""
        classes = f"{self.classes} from {self.first}" if self.first else f"{self.classes}"
        yield f"{self.name} {VERSION} {self.size} {classes} {self.seed} {self.split}"
        yield from map(str, indices)


def is_synthetic(reference: str) -> bool:
    """Whether a reference names a generated set."""
    return reference.startswith(PREFIX)


def load(reference: str, split: str, seed: int) -> Dataset:
    """Returns a generated set. Raises UsageError for an unknown name or parameter, or a number out of range."""
    name, _, query = reference.removeprefix(PREFIX).partition("?")
    if name not in SETS:
        raise unknown("generated data set", name, SETS)
    numbers = _numbers(query)
    first, classes = numbers["first"], numbers["classes"]
    if first + classes > len(SETS[name].classes):
        wanted = f"{classes} from number {first} on" if first else f"{classes}"
        raise UsageError(f"{PREFIX}{name} has {len(SETS[name].classes)} classes, not {wanted}: ask for fewer")
    labels = np.arange(numbers["images"], dtype=np.int64)
    source = SyntheticSource(name, numbers["size"], classes, numbers.get("seed", seed), split, first)
    names = SETS[name].classes[first : first + classes]
    return Dataset(f"{PREFIX}{name}", reference, split, names, labels % classes, source, labels)


def _numbers(query: str) -> dict[str, int]:
    found = {name: default for name, (default, _, _) in _NUMBERS.items() if default is not None}
    for part in filter(None, query.split("&")):
        name, _, text = part.partition("=")
        if name not in _NUMBERS:
            raise unknown("parameter of a generated data set", name, _NUMBERS)
        _, least, most = _NUMBERS[name]
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise UsageError(
                f"'{name}={text}' is not {name} of a generated data set: use a number from {least} to {most}"
            )
        found[name] = int(text)
    return found
