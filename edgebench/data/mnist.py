"""MNIST and what is packed like it (Fashion-MNIST, KMNIST): idx files, plain or gzipped.

Source of the format: the idx description of Yann LeCun's MNIST page: big-endian, 2051 for images, 2049 for labels.
"""

from __future__ import annotations

import gzip
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edgebench.data.dataset import Dataset, PackedSource
from edgebench.ground.errors import UsageError

CLASSES: Final = tuple(map(str, range(10)))
PREFIXES: Final = {"train": "train", "test": "t10k"}
IMAGES, LABELS = ("images", 3, 2051), ("labels", 1, 2049)
MOST_BYTES: Final = 2**31  # a small gzip file can claim to hold more than any memory


def splits(folder: Path) -> tuple[str, ...]:
    """The splits whose images and labels are both there; none where the folder is not like MNIST."""
    return tuple(split for split in PREFIXES if _file(folder, split, IMAGES) and _file(folder, split, LABELS))


def load(folder: Path, reference: str, split: str) -> Dataset:
    """Returns one split, which is held in memory. Raises UsageError for damaged files and a wrong label."""
    images, labels = (_read(folder, split, kind) for kind in (IMAGES, LABELS))
    path = _path(folder, split, LABELS)
    if len(images) != len(labels):
        raise UsageError(f"{path} has {len(labels)} labels for {len(images)} images: get both files again")
    wrong = np.flatnonzero(labels >= len(CLASSES))
    if len(wrong):
        raise UsageError(f"{path}: image {wrong[0]} has the label {labels[wrong[0]]}, and the labels here are 0 to 9")
    source = PackedSource((_path(folder, split, IMAGES),), (images,))
    return Dataset("mnist", reference, split, CLASSES, labels.astype(np.int64), source, np.arange(len(labels)))


def _file(folder: Path, split: str, kind: tuple[str, int, int]) -> Path | None:
    """train-images-idx3-ubyte, or with a dot before idx, or with .gz after it."""
    what, dimensions, _ = kind
    stems = [f"{PREFIXES[split]}-{what}{mark}idx{dimensions}-ubyte" for mark in "-."]
    paths = (folder / f"{stem}{end}" for stem in stems for end in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def _path(folder: Path, split: str, kind: tuple[str, int, int]) -> Path:
    path = _file(folder, split, kind)
    if path is None:
        raise UsageError(f"{folder} has no {kind[0]} of its {split} split")
    return path


def _read(folder: Path, split: str, kind: tuple[str, int, int]) -> npt.NDArray[np.uint8]:
    path = _path(folder, split, kind)
    try:
        with path.open("rb") as file:
            return _array(gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file, path, kind)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path} is damaged: {error}; get the file again") from error


def _array(file: gzip.GzipFile | BufferedReader, path: Path, kind: tuple[str, int, int]) -> npt.NDArray[np.uint8]:
    what, dimensions, magic = kind
    length = 4 * (1 + dimensions)
    header = np.frombuffer(file.read(length).ljust(length, b"\0"), ">u4")
    if header[0] != magic:
        raise UsageError(f"{path} does not begin as an idx file of {what} does ({magic}): get the file again")
    shape = tuple(map(int, header[1:]))
    size = int(np.prod(shape, dtype=np.float64))
    data = file.read(size + 1) if 0 < size <= MOST_BYTES else b""
    if len(data) != size:
        raise UsageError(f"{path} does not hold the {' x '.join(map(str, shape))} bytes that it announces")
    return np.frombuffer(data, np.uint8).reshape(shape)
