"""From a reference to a data set: what there is at a path, and which of its splits is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from edgebench.data import cifar, digits, folders, imagenet, mnist, synthetic
from edgebench.data.dataset import Dataset
from edgebench.ground.errors import UsageError, unknown


class Layout(Protocol):
    """What a module that reads one layout of files offers."""

    def splits(self, folder: Path) -> tuple[str, ...]:
        """The splits that are there; none where the folder is of another layout."""

    def load(self, folder: Path, reference: str, split: str) -> Dataset:
        """Returns one of these splits."""


SPLITS: Final = ("train", "val", "test", "all")
# Folders that are more than images by class; each says which splits it finds in a folder, none where it is another's.
LAYOUTS: Final[tuple[Layout, ...]] = (cifar, mnist, imagenet)


def load(reference: str, *, split: str = "val", seed: int = 0, labelled: bool = True) -> Dataset:
    """Returns one split of the data set at `reference`: a folder, `synthetic:NAME?size=64&classes=10&images=2000`, or
    `digits`.

    A folder holds images by class, or ImageNet's validation images, CIFAR-10's binary files, or MNIST's. A split that
    a set does not have is taken from what it has: `val` from `test`. A folder without splits holds out a fifth of
    every class as `val`, by `seed`, has the rest as `train` and everything as `all`. `seed` of a generated set decides
    its images. With `labelled` false any folder with images will do, and all have one class, named "".

    Raises UsageError, in one sentence, where there is nothing to read, the labels make no sense, or there is one class.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    dataset = _load(reference, split, seed, labelled)
    if labelled and len(dataset.classes) < 2:
        raise UsageError(f"{reference} has one class, {dataset.classes[0]}: give two or more to tell apart")
    return dataset


def splits(reference: str) -> tuple[str, ...]:
    """Returns the splits that a data set has of its own; a folder that has none is `all`. Raises as `load` does."""
    if synthetic.is_synthetic(reference):
        return tuple(synthetic.SPLITS)
    if digits.is_digits(reference):
        return digits.SPLITS
    folder = _folder(reference)
    found = next((own for layout in LAYOUTS if (own := layout.splits(folder))), ())
    return found or tuple(folders.splits_of(folder)) or ("all",)


def _load(reference: str, split: str, seed: int, labelled: bool) -> Dataset:
    if synthetic.is_synthetic(reference):
        return synthetic.load(reference, _choose(reference, split, tuple(synthetic.SPLITS)), seed)
    if digits.is_digits(reference):
        return digits.load(reference, _choose(reference, split, digits.SPLITS))
    folder, own = _folder(reference), splits(reference)
    for layout in LAYOUTS:
        if layout.splits(folder):
            return layout.load(folder, reference, _choose(reference, split, own))
    if own == ("all",):
        if split == "test":
            raise UsageError(f"{reference} has no folders train, val and test: give the split train, val or all")
        return folders.load_whole(folder, reference, split, seed, labelled)
    return folders.load_split(folder, reference, _choose(reference, split, own), labelled)


def _choose(reference: str, split: str, own: tuple[str, ...]) -> str:
    """The split itself, or test for val where only that is there."""
    if split in own:
        return split
    if split == "val" and "test" in own:
        return "test"
    raise UsageError(f"{reference} has no split '{split}': it has {', '.join(own)}")


def _folder(reference: str) -> Path:
    path = Path(reference).expanduser()
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise UsageError(
            f"the data set '{reference}' {what}: give a folder of images by class, digits, or synthetic:NAME with one"
            f" of {', '.join(synthetic.SETS)}"
        )
    return path
