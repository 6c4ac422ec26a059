"""The generated sets: the same on every call, quick enough, and hard in the way they are meant to be."""

from __future__ import annotations

import numpy as np
import pytest

from edgebench.data import load
from edgebench.data.synthetic import SETS, SPLITS
from edgebench.ground.errors import UsageError


@pytest.mark.parametrize("name", ["shapes", "textures"])
def test_an_image_can_be_made_alone_and_again(name: str) -> None:
    dataset = load(f"synthetic:{name}?size=48&images=40")
    later = load(f"synthetic:{name}?size=48&images=4000")
    for index in (0, 17, 39):
        pixels = dataset.pixels(index)
        assert pixels.shape == (48, 48, 3)
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, later.pixels(index))
    assert dataset.labels.tolist() == [index % 10 for index in range(40)]


@pytest.mark.parametrize("name", ["shapes", "textures"])
def test_seed_split_and_number_each_give_other_images(name: str) -> None:
    reference = f"synthetic:{name}"
    pictures = [
        load(reference).pixels(0),
        load(reference).pixels(10),
        load(reference, seed=1).pixels(0),
        load(f"{reference}?seed=2").pixels(0),
        load(reference, split="train").pixels(0),
    ]
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert np.array_equal(load(f"{reference}?seed=1").pixels(0), load(reference, seed=1).pixels(0))


@pytest.mark.parametrize("name", ["shapes", "textures"])
@pytest.mark.parametrize("size", [8, 63, 150])
def test_every_class_is_drawn_at_any_size(name: str, size: int) -> None:
    most = {"shapes": 40, "textures": 12}[name]
    dataset = load(f"synthetic:{name}?classes={most}&images={most}&size={size}")
    assert len(set(dataset.classes)) == most
    for index in range(most):
        pixels = dataset.pixels(index)
        assert pixels.shape == (size, size, 3)
        assert pixels.std() > 5


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("synthetic:shape", "did you mean shapes"),
        ("synthetic:shapes?sise=64", "did you mean size"),
        ("synthetic:shapes?size=4", "from 8 to 1024"),
        ("synthetic:shapes?images=many", "from 1 to 10000000"),
        ("synthetic:textures?classes=13", "has 12 classes, not 13"),
        ("synthetic:shapes?first=20&classes=30", "not 30 from number 20 on"),
        ("synthetic:shapes?classes=1", "from 2 to"),
    ],
)
def test_a_reference_that_means_nothing_is_refused(reference: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(reference)


def test_a_linear_classifier_on_pixels_finds_little() -> None:
    """Pose, colour and clutter are at random, so ridge regression on pixels stays near chance, which is 10%."""
    train, test = (_pixels(load("synthetic:shapes?size=16&images=1000", split=split)) for split in ("train", "val"))
    assert _ridge_accuracy(train, test) < 0.3


def _pixels(dataset: object) -> tuple[np.ndarray, np.ndarray]:
    x = np.stack([dataset.pixels(index).ravel() for index in range(len(dataset))])
    return np.c_[x / 255.0, np.ones(len(x))], dataset.labels


def _ridge_accuracy(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> float:
    x, labels = train
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ np.eye(10)[labels])
    return float(np.mean((test[0] @ weights).argmax(axis=1) == test[1]))


def test_fine_patterns_are_told_apart_at_64_pixels_and_hardly_at_16() -> None:
    """Stripes have one direction and checks two: the structure tensor's coherence sees that while there are pixels."""
    accuracies = {
        size: _threshold_accuracy(*(_coherence(size, split) for split in ("train", "val"))) for size in (64, 16)
    }
    assert accuracies[64] > 0.9
    assert accuracies[16] < 0.75


def _coherence(size: int, split: str) -> tuple[np.ndarray, np.ndarray]:
    """How much the gradients of each image have one direction, 0 to 1, and whether its object is striped."""
    dataset = load(f"synthetic:shapes?size={size}&images=200", split=split)
    values = []
    for index in range(len(dataset)):
        grey = dataset.pixels(index).mean(axis=2)[size // 4 : -size // 4, size // 4 : -size // 4]
        down, across = np.gradient(grey)
        xx, yy, xy = (across**2).sum(), (down**2).sum(), (across * down).sum()
        values.append(np.hypot(xx - yy, 2 * xy) / (xx + yy))
    return np.asarray(values), dataset.labels < 5


def _threshold_accuracy(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> float:
    values, striped = train
    best = max(values, key=lambda limit: np.mean((values > limit) == striped))
    return float(np.mean((test[0] > best) == test[1]))


def test_two_sets_can_share_no_class() -> None:
    some, others = load("synthetic:shapes?images=20"), load("synthetic:shapes?images=20&first=10&classes=30")
    assert not set(some.classes) & set(others.classes) and len(others.classes) == 30
    assert some.identity != others.identity
    whole = load("synthetic:shapes?images=20&classes=40")
    assert whole.classes == some.classes + others.classes
    assert np.array_equal(load("synthetic:shapes?images=20&first=3").pixels(2), whole_image(5, like=2))


def whole_image(label: int, like: int) -> np.ndarray:
    """Class `label` of all classes, drawn with the random numbers of image `like`."""
    random = np.random.default_rng((0, SPLITS["val"], like))
    return SETS["shapes"].draw(random, label, 64)
