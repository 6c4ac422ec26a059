"""CIFAR-10 as its binary version comes: records of one label byte and 3072 pixel bytes, red plane first.

Source of the format: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from edgebench.data.dataset import Dataset, PackedSource
from edgebench.ground.errors import UsageError

CLASSES: Final = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE: Final = 32
RECORD: Final = 1 + 3 * SIDE * SIDE
FILES: Final = {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)}


def splits(folder: Path) -> tuple[str, ...]:
    """The splits whose files are all there, in the folder or in its own subfolder; none where it is not CIFAR-10."""
    here = _home(folder)
    return tuple(split for split, names in FILES.items() if all((here / name).is_file() for name in names))


def load(folder: Path, reference: str, split: str) -> Dataset:
    """Returns one split; its pixels stay on the disk. Raises UsageError for a file of another size or label."""
    files = tuple(_home(folder) / name for name in FILES[split])
    records = [_records(path) for path in files]
    labels = np.concatenate([part[:, 0] for part in records]).astype(np.int64)
    planes = tuple(part[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1) for part in records)
    source = PackedSource(files, planes)
    return Dataset("cifar10", reference, split, CLASSES, labels, source, np.arange(len(labels)))


def _home(folder: Path) -> Path:
    inner = folder / "cifar-10-batches-bin"
    return inner if inner.is_dir() else folder


def _records(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    size = path.stat().st_size
    if not size or size % RECORD:
        raise UsageError(f"{path} has {size} bytes, which are not whole records of {RECORD}: get the file again")
    records = np.memmap(path, np.uint8, "r").reshape(-1, RECORD)
    wrong = np.flatnonzero(records[:, 0] >= len(CLASSES))
    if len(wrong):
        label = records[wrong[0], 0]
        raise UsageError(f"{path}: image {wrong[0]} has the label {label}, and CIFAR-10's labels are 0 to 9")
    return records
