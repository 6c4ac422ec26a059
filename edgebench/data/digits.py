"""scikit-learn's handwritten digits: 1,797 grey images of 8 x 8 pixels, read from the package's own file.

Each row has 64 values from 0 to 16 and a label (sklearn/datasets/descr/digits.rst). A fifth is held out as `val`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from edgebench.data.dataset import Dataset, PackedSource
from edgebench.ground.errors import MissingPackage

NAME: Final = "digits"
SPLITS: Final = ("train", "val")
SIDE, LARGEST, HELD_OUT = 8, 16.0, 5
FILE: Final = "datasets/data/digits.csv.gz"


def is_digits(reference: str) -> bool:
    """Whether a reference names this set, and not a folder that is called like it."""
    return reference == NAME and not Path(reference).exists()


def load(reference: str, split: str) -> Dataset:
    """Returns one split, which is held in memory. Raises MissingPackage without scikit-learn."""
    path = _file()
    rows = np.loadtxt(path, delimiter=",")
    images = np.rint(rows[:, :-1] * (255 / LARGEST)).astype(np.uint8).reshape(-1, SIDE, SIDE)
    classes, labels = tuple(map(str, range(10))), rows[:, -1].astype(np.int64)
    whole = Dataset(NAME, reference, split, classes, labels, PackedSource((path,), (images,)), np.arange(len(labels)))
    held_out = whole.subset(len(whole) // HELD_OUT)
    return held_out if split == "val" else whole.take(np.setdiff1d(whole.indices, held_out.indices))


def _file() -> Path:
    """The package's file, found without importing it."""
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise MissingPackage("scikit-learn", NAME, f"the data set {NAME}")
    return Path(found.origin).parent / FILE
