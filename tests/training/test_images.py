"""Decoded images: what is kept, read ahead and left out; and their normalisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgebench import data, models
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Preprocessing
from edgebench.models.preparation import plain
from edgebench.training import images as module
from edgebench.training.images import Images, Normalize, from_data, kept_shape

WHOLE = Preprocessing(resize=16, crop=16, interpolation="bilinear", mean=(0.0,) * 3, std=(1.0,) * 3)
SHAPE = (3, 16, 16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 2)):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = random.integers(0, 256, (20, 24, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{index}.png")
    return tmp_path


def _all(images: Images, size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    found = list(images.batches(torch.arange(len(images)), size))
    return torch.cat([batch.x for batch in found]), torch.cat([batch.labels for batch in found])


def test_memory_and_disk_give_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = data.load(str(folder), split="train")
    held = _all(Images(dataset, WHOLE, SHAPE))
    monkeypatch.setattr(module, "MEMORY_BYTES", 0)
    streamed = _all(Images(dataset, WHOLE, SHAPE))
    assert held[0].dtype == torch.uint8 and held[0].shape == (12, 3, 16, 16)
    assert torch.equal(held[0], streamed[0]) and torch.equal(held[1], streamed[1])


def test_pixels_are_those_that_evaluation_sees(folder: Path) -> None:
    dataset = data.load(str(folder), split="train")
    x, labels = _all(Images(dataset, WHOLE, SHAPE))
    expected = data.prepare(dataset.pixels(3), WHOLE, SHAPE)
    assert np.array_equal(x[3].numpy() / np.float32(255), expected)
    assert labels.tolist() == dataset.labels.tolist()


@pytest.mark.parametrize("memory", [2**30, 0])
def test_an_unreadable_image_is_named_and_left_out(folder: Path, memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY_BYTES", memory)
    broken = folder / "train" / "a" / "1.png"
    broken.write_bytes(broken.read_bytes()[:60])
    images = Images(data.load(str(folder), split="train"), WHOLE, SHAPE)
    assert len(_all(images)[0]) == 11
    assert list(images.unreadable) == [str(broken)]


def test_nothing_readable_is_refused(folder: Path) -> None:
    for path in (folder / "train").rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"no image of .* can be read; the first: .*0\.png"):
        Images(data.load(str(folder), split="train"), WHOLE, SHAPE)


def test_the_order_decides(folder: Path) -> None:
    images = Images(data.load(str(folder), split="train"), WHOLE, SHAPE)
    order = torch.tensor([7, 0, 11])
    [first, second] = images.batches(order, 2)
    assert torch.cat([first.labels, second.labels]).tolist() == [1, 0, 1]


def test_training_images_are_kept_larger_only_where_they_are(folder: Path) -> None:
    dataset = data.load(str(folder), split="train")
    assert kept_shape(dataset, (3, 8, 8)) == (3, 9, 9)
    assert kept_shape(dataset, (3, 20, 20)) == (3, 20, 20)
    assert kept_shape(dataset, (3, 64, 64)) == (3, 64, 64)


SPEC = models.resolve("mobilenetv2", resolution=32)


def test_mean_and_deviation_are_those_of_each_channel() -> None:
    images = np.zeros((2, 3, 4, 4), np.uint8)
    images[0, 0], images[1, 0], images[:, 1] = 255, 0, 51
    images[:, 2, ::2] = 102
    found = from_data(plain(SPEC), images)
    assert found.mean == (0.5, 0.2, 0.2)
    assert found.std == (0.5, round(1 / 255, 4), 0.2)
    assert (found.resize, found.crop) == (32, 32)


def test_one_colour_is_refused() -> None:
    with pytest.raises(UsageError, match="one and the same colour"):
        from_data(plain(SPEC), np.full((5, 3, 8, 8), 7, np.uint8))


def test_normalised_images_have_mean_0_and_deviation_1() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8)).astype(np.uint8)
    made = Normalize(from_data(plain(SPEC), images))(torch.from_numpy(images).float() / 255)
    assert made.mean((0, 2, 3)).abs().max() < 1e-3
    assert (made.std((0, 2, 3)) - 1).abs().max() < 1e-3
    assert made.is_contiguous(memory_format=torch.channels_last)
