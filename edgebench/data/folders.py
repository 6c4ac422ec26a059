"""Folders of images: one folder a class, below train, val and test or straight below the data set's folder."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from edgebench.data.dataset import Dataset, Labels, Pixels
from edgebench.data.images import SUFFIXES, Head, head, is_image, read_image
from edgebench.ground.errors import UsageError
from edgebench.ground.paths import shown

SPLITS: Final = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
"""Each split, and what its folder may be called."""
HELD_OUT: Final = 5  # every fifth image of a class is held out where a folder has no splits of its own
VERSION: Final = 2  # part of every identity: raise it when other bytes of a file count
WHOLE: Final = 2**20  # files up to this size count byte by byte
UNCOMPRESSED: Final = frozenset((".bmp", ".ppm", ".pgm", ".tif", ".tiff"))  # edited in place, these keep their size
BLOCK, BLOCKS = 4096, 16  # of a larger compressed file, so many pieces count, both ends among them


@dataclass(frozen=True)
class FileSource:
    """Image files below `root`, turned by their EXIF orientation where they are to be `oriented`."""

    root: Path
    paths: tuple[str, ...]
    oriented: bool = False

    def pixels(self, index: int) -> Pixels:
        """Reads one file. Raises Unreadable."""
        return read_image(self.root / self.paths[index], upright=self.oriented)

    def upright(self) -> FileSource:
        """The same images, turned as they say."""
        return replace(self, oriented=True)

    def heads(self, indices: Labels) -> Iterator[Head]:
        """What these images say of themselves."""
        return (head(self.root / self.paths[index]) for index in indices)

    def where(self, index: int) -> str:
        """The file's path."""
        return shown(self.root / self.paths[index])

    def contents(self, indices: Labels) -> Iterator[str]:
        """Name, size and a digest of each file; of large compressed ones only pieces are read."""
        yield f"files {VERSION}{' upright' if self.oriented else ''}"
        for index in indices:
            yield f"{shown(self.paths[index])} {_digest(self.root / self.paths[index])}"


def splits_of(folder: Path) -> dict[str, Path]:
    """Returns the folders of the splits that `folder` has of its own."""
    found = {split: [folder / name for name in names if (folder / name).is_dir()] for split, names in SPLITS.items()}
    return {split: present[0] for split, present in found.items() if present}


def load_split(folder: Path, reference: str, split: str, labelled: bool) -> Dataset:
    """Returns one split of a folder that has splits. Classes are the training folder's, where there is one."""
    own = splits_of(folder)
    paths, others = _images_of(own[split], labelled)
    classes = _class_names(own.get("train", own[split])) if labelled else ("",)
    strange = sorted(set(map(_class_of, paths)) - set(classes)) if labelled else []
    if strange:
        raise UsageError(f"{own[split]} has the class {strange[0]}, and {own['train']} has not: give both the same")
    return _dataset(own[split], reference, split, classes, paths, others)


def load_whole(folder: Path, reference: str, split: str, seed: int, labelled: bool) -> Dataset:
    """Returns a folder without splits: `all` of it, or, stratified, the fifth that is held out, or the rest."""
    paths, others = _images_of(folder, labelled)
    whole = _dataset(folder, reference, split, _class_names(folder) if labelled else ("",), paths, others)
    if split == "all":
        return whole
    held_out = _held_out(whole.labels, paths, seed)
    return whole.take(np.flatnonzero(held_out if split == "val" else ~held_out))


def files_below(folder: Path) -> Iterator[Path]:
    """Yields the files below a folder in the order of their names; hidden ones, links and pipes are left out."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(here) / name
            if not name.startswith(".") and is_own_file(path):
                yield path


def is_own_file(path: Path) -> bool:
    """Whether a path is a regular file, and no link to one."""
    return path.is_file() and not path.is_symlink()


def _images_of(folder: Path, labelled: bool) -> tuple[list[str], dict[str, int]]:
    """All images by class as relative paths, and how many other files there are of each ending.

    Raises UsageError for no image at all, and for a class without any.
    """
    paths, others = [], Counter[str]()
    for path in files_below(folder):
        if labelled and path.parent == folder:
            continue  # a list of labels, a licence
        if is_image(path):
            paths.append(path.relative_to(folder).as_posix())
        else:
            others[shown(path.suffix.lower()) or "no ending"] += 1
    if not paths:
        kinds = ", ".join(sorted(SUFFIXES))
        below = "in folders named by class" if labelled else "(symbolic links and hidden files are left out)"
        found = f"; there are {shown_endings(others)}" if others else ""
        raise UsageError(f"{folder} holds no images {below}{found}: give a folder with files of {kinds}")
    if labelled:
        empty = sorted(set(_class_names(folder)) - set(map(_class_of, paths)))
        if empty:
            raise UsageError(f"the class folder {folder / empty[0]} holds no images: fill it or remove it")
    return paths, dict(others)


def shown_endings(others: Mapping[str, int]) -> str:
    """Files by their ending: 12 .heic, 3 with no ending."""
    return ", ".join(
        f"{count} {ending if ending.startswith('.') else f'with {ending}'}" for ending, count in sorted(others.items())
    )


def _class_names(folder: Path) -> tuple[str, ...]:
    entries = (entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink())
    return tuple(sorted(shown(entry.name) for entry in entries if not entry.name.startswith(".")))


def _class_of(path: str) -> str:
    return shown(path.partition("/")[0])


def _dataset(
    folder: Path, reference: str, split: str, classes: tuple[str, ...], paths: list[str], others: Mapping[str, int]
) -> Dataset:
    number = {name: index for index, name in enumerate(classes)}
    labels = np.asarray([number.get(_class_of(path), 0) for path in paths], np.int64)
    source = FileSource(folder, tuple(paths))
    name = folder.parent.name if folder in splits_of(folder.parent).values() else folder.name
    return Dataset(name or "images", reference, split, classes, labels, source, np.arange(len(paths)), others)


def _held_out(labels: Labels, paths: list[str], seed: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Marks every fifth image of each class, by the order of a digest of its name: files added later move few."""
    digests = [hashlib.sha256(os.fsencode(f"{seed} {path}")).digest() for path in paths]
    order = sorted(range(len(paths)), key=digests.__getitem__)
    chosen = np.zeros(len(paths), np.bool_)
    for label in np.unique(labels):
        of_class = [index for index in order if labels[index] == label]
        chosen[of_class[: -(-len(of_class) // HELD_OUT)]] = True
    return chosen


def _digest(path: Path) -> str:
    """Size and a digest of a file's bytes; a file that cannot be opened counts as an unreadable one.

    A photograph over `WHOLE` counts by its size and by pieces of it: compressed again, it differs in all of them.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= WHOLE or path.suffix.lower() in UNCOMPRESSED:
                return f"{size} {hashlib.file_digest(file, 'sha256').hexdigest()}"
            pieces = hashlib.sha256()
            for number in range(BLOCKS):
                file.seek((size - BLOCK) * number // (BLOCKS - 1))
                pieces.update(file.read(BLOCK))
            return f"{size} {pieces.hexdigest()}"
    except OSError as error:
        return type(error).__name__
