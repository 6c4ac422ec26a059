"""ImageNet's validation images as they are handed out: 50,000 files in one folder, labels in a file of their own.

Which file holds the labels differs by where they came from; each of these is found beside, above or below the images:

    LOC_val_solution.csv                        Kaggle: name, synset and boxes
    val.txt, val_map.txt, val_labels.txt        Caffe, MLPerf: name and class number, or name and synset
    imagenet_2012_validation_synset_labels.txt  TensorFlow: one synset a line, in the order of the images
    ILSVRC2012_validation_ground_truth.txt      the development kit: its own numbers, which its meta.mat explains

Class numbers are those that published weights use: the rank of the synset's name among all. An index of the classes
(synset_words.txt, LOC_synset_mapping.txt, synsets.txt) gives them words, and says how many there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from edgebench.data.dataset import Dataset
from edgebench.data.folders import FileSource, is_own_file
from edgebench.ground.errors import UsageError

CLASSES: Final = 1000
IMAGE: Final = re.compile(r"ILSVRC2012_val_[0-9]{8}(?=\.(JPEG|JPG|jpeg|jpg|PNG|png)$|$)")
SYNSET: Final = re.compile(r"n[0-9]{8}")
IMAGE_FOLDERS: Final = (".", "val", "ILSVRC2012_img_val", "images", "Data/CLS-LOC/val", "ILSVRC/Data/CLS-LOC/val")
LABEL_FOLDERS: Final = (".", "..", "../../..", "../../../..", "devkit/data", "ILSVRC2012_devkit_t12/data")
GROUND_TRUTH: Final = "ILSVRC2012_validation_ground_truth.txt"
LABEL_FILES: Final = (
    "LOC_val_solution.csv",
    "val.txt",
    "val_map.txt",
    "val_labels.txt",
    "imagenet_2012_validation_synset_labels.txt",
    GROUND_TRUTH,
)
INDEX_FILES: Final = ("synset_words.txt", "LOC_synset_mapping.txt", "synsets.txt")


def splits(folder: Path) -> tuple[str, ...]:
    """("val",) where the folder holds ImageNet's validation images, or has them where they usually are."""
    return ("val",) if _images(folder) else ()


def load(folder: Path, reference: str, split: str) -> Dataset:
    """Returns the validation split. Raises UsageError where labels are missing, are out of range, or make no sense."""
    home = _images(folder) or folder
    file = _find(home, folder, LABEL_FILES)
    if file is None:
        raise UsageError(
            f"{home} holds ImageNet's images without their labels: put one of {', '.join(LABEL_FILES)} there"
        )
    found = _labels(file)
    listing = _find(home, folder, INDEX_FILES)
    lines = _text(listing).splitlines() if listing else []
    words = {line[:9]: line[10:].strip() or line[:9] for line in lines if SYNSET.match(line)}
    index = dict(sorted(words.items()))
    synsets = sorted({label for label in found.values() if SYNSET.fullmatch(label)})
    classes = tuple(index.values() or synsets or map(str, range(CLASSES)))
    numbers = {name: number for number, name in enumerate(index or classes)}
    names = sorted(path.name for path in home.iterdir() if _is_image(path))
    labels = [_number(name, found, numbers, len(classes), file) for name in names]
    source = FileSource(home, tuple(names))
    return Dataset("imagenet", reference, split, classes, np.asarray(labels, np.int64), source, np.arange(len(names)))


def _images(folder: Path) -> Path | None:
    places = (folder / name for name in IMAGE_FOLDERS)
    return next((place for place in places if place.is_dir() and any(map(_is_image, place.iterdir()))), None)


def _is_image(path: Path) -> bool:
    return bool(IMAGE.match(path.name)) and bool(path.suffix) and is_own_file(path)


def _find(home: Path, folder: Path, names: tuple[str, ...]) -> Path | None:
    places = (root / place for root in (home, folder) for place in LABEL_FOLDERS)
    return next((path for place in places for name in names if (path := place / name).is_file()), None)


def _labels(file: Path) -> dict[str, str]:
    """The label of each image as the file spells it: a synset, or a number."""
    if file.name == GROUND_TRUTH:
        return dict(_by_line(file, _development_kit(file.parent / "meta.mat")))
    lines = [re.split(r"[,\s]+", line.strip()) for line in _text(file).splitlines() if line.strip()]
    if all(len(words) == 1 for words in lines):
        return dict(_by_line(file, None))
    named = ((IMAGE.match(words[0].rpartition("/")[2]), words[1]) for words in lines if len(words) > 1)
    return {image[0]: label for image, label in named if image}


def _text(file: Path) -> str:
    return file.read_text("utf-8-sig", "replace")


def _by_line(file: Path, synsets: dict[str, str] | None) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_text(file).split(), 1):
        label = line if synsets is None else synsets.get(line, line)
        if not SYNSET.fullmatch(label):
            raise UsageError(f"{file}:{number} has the label {line}, which is not a class of ImageNet")
        yield f"ILSVRC2012_val_{number:08}", label


def _development_kit(file: Path) -> dict[str, str]:
    """The kit's numbers to synsets. Those above 1000 are groups of classes, and no image's label."""
    from scipy.io import loadmat

    if not file.is_file():
        raise UsageError(f"{file} is missing: without it the numbers in {GROUND_TRUTH} mean nothing")
    synsets = loadmat(file, squeeze_me=True)["synsets"]
    pairs = zip(synsets["ILSVRC2012_ID"].tolist(), synsets["WNID"].tolist(), strict=True)
    return {str(number): str(name) for number, name in pairs if number <= CLASSES}


def _number(name: str, labels: dict[str, str], numbers: dict[str, int], classes: int, file: Path) -> int:
    label = labels.get(name.partition(".")[0])
    if label is None:
        raise UsageError(f"{name} has no label in {file}")
    if label in numbers:
        return numbers[label]
    if not label.isdecimal() or int(label) >= classes:
        raise UsageError(
            f"{file} gives {name} the label {label}: use 0 to {classes - 1}, or synsets of the class index"
        )
    return int(label)
