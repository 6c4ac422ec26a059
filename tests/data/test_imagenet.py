"""ImageNet's validation layout: flat files, and the places and forms in which its labels come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from edgebench.data import load, splits
from edgebench.ground.errors import UsageError

SYNSETS = ("n01440764", "n01443537", "n02123045", "n03995372")
WORDS = "n01440764 tench, Tinca tinca\nn01443537 goldfish\nn02123045 tabby\nn03995372 power drill\n"
LABELS = (3, 0, 2)


def name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08}"


def images(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, len(LABELS) + 1):
        Image.new("RGB", (8, 8)).save(folder / f"{name(number)}.JPEG")
    return folder


def kaggle(root: Path) -> None:
    images(root / "Data/CLS-LOC/val")
    lines = [f"{name(number)},{SYNSETS[label]} 85 1 499 272 " for number, label in enumerate(LABELS, 1)]
    # Kaggle's file is in no order.
    (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *lines[::-1]]))
    (root / "LOC_synset_mapping.txt").write_text(WORDS)


def caffe(root: Path) -> None:
    images(root)
    (root / "val.txt").write_text(
        "".join(f"{'val/' * (n > 1)}{name(n)}.JPEG {label}\n" for n, label in enumerate(LABELS, 1))
    )
    (root / "synset_words.txt").write_text(WORDS)


def tensorflow(root: Path) -> None:
    images(root / "val")
    path = root / "imagenet_2012_validation_synset_labels.txt"
    path.write_text("".join(f"{SYNSETS[label]}\n" for label in LABELS))
    (root / "synsets.txt").write_text("\n".join(SYNSETS))


def development_kit(root: Path) -> None:
    images(root / "val")
    kit = root / "ILSVRC2012_devkit_t12/data"
    kit.mkdir(parents=True)
    # The kit numbers classes in an order of its own, from 1, and groups of classes from 1001.
    own = {2: SYNSETS[0], 1: SYNSETS[3], 4: SYNSETS[1], 3: SYNSETS[2], 1001: "n00001740"}
    rows = np.array(list(own.items()), dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O")])
    savemat(kit / "meta.mat", {"synsets": rows})
    numbers = {synset: number for number, synset in own.items()}
    truth = "".join(f"{numbers[SYNSETS[label]]}\n" for label in LABELS)
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text(truth)
    (root / "synsets.txt").write_text("\n".join(SYNSETS))


@pytest.mark.parametrize("layout", [kaggle, caffe, tensorflow, development_kit])
def test_labels_are_ranks_of_synsets_wherever_they_come_from(tmp_path: Path, layout: object) -> None:
    layout(tmp_path)
    dataset = load(str(tmp_path))
    assert dataset.labels.tolist() == list(LABELS)
    assert len(dataset.classes) == 4
    assert (dataset.name, dataset.split, splits(str(tmp_path))) == ("imagenet", "val", ("val",))
    assert dataset.pixels(0).shape == (8, 8, 3)


def test_the_class_index_gives_words(tmp_path: Path) -> None:
    kaggle(tmp_path)
    assert load(str(tmp_path)).classes[0] == "tench, Tinca tinca"


def test_numbers_without_a_class_index_are_of_all_thousand(tmp_path: Path) -> None:
    caffe(tmp_path)
    (tmp_path / "synset_words.txt").unlink()
    assert len(load(str(tmp_path)).classes) == 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no label"),
        (f"{name(1)}.JPEG 4\n{name(2)}.JPEG 1\n{name(3)}.JPEG 1\n", r"the label 4: use 0 to 3"),
        (f"{name(1)}.JPEG cat\n{name(2)}.JPEG 1\n{name(3)}.JPEG 1\n", r"the label cat: use 0 to 3"),
        ("1\n2\n3\n", "has the label 1, which is not a class"),
    ],
)
def test_labels_that_make_no_sense_are_refused(tmp_path: Path, text: str, message: str) -> None:
    caffe(tmp_path)
    (tmp_path / "val.txt").write_text(text)
    with pytest.raises(UsageError, match=message):
        load(str(tmp_path))


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    images(tmp_path)
    with pytest.raises(UsageError, match=r"without their labels: put one of LOC_val_solution\.csv"):
        load(str(tmp_path))
    development_kit(tmp_path)
    (tmp_path / "ILSVRC2012_devkit_t12/data/meta.mat").unlink()
    with pytest.raises(UsageError, match=r"meta\.mat is missing"):
        load(str(tmp_path))
