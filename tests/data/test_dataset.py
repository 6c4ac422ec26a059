"""What holds for every data set: subsets and identities."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench.data import load, splits
from edgebench.data.dataset import Dataset
from edgebench.ground.errors import EdgebenchError, UsageError


def of_labels(labels: list[int]) -> Dataset:
    whole = load(f"synthetic:shapes?images={len(labels)}")
    return Dataset(**{**vars(whole), "labels": np.asarray(labels, np.int64)})


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 60), st.integers(0, 3))
def test_a_subset_has_every_class_in_its_share(labels: list[int], limit: int, seed: int) -> None:
    part = of_labels(labels).subset(limit, seed)
    assert len(part) == min(limit, len(labels))
    assert np.all(np.diff(part.indices) > 0)
    share = np.bincount(labels, minlength=4) * len(part) / len(labels)
    assert np.all(np.abs(np.bincount(part.labels, minlength=4) - share) < 1.5)


def test_a_larger_subset_holds_the_smaller_one_and_the_seed_decides() -> None:
    whole = load("synthetic:shapes?images=100")
    assert set(whole.subset(20).indices) < set(whole.subset(50).indices)
    assert np.array_equal(whole.subset(20).indices, whole.subset(20).indices)
    assert not np.array_equal(whole.subset(20).indices, whole.subset(20, seed=1).indices)
    assert whole.subset(100) is whole


def test_the_identity_tells_what_a_set_holds_apart() -> None:
    whole = load("synthetic:shapes?images=40")
    others = [
        whole.subset(20),
        whole.take(np.arange(39, -1, -1)),
        load("synthetic:shapes?images=40", seed=1),
        load("synthetic:shapes?images=40", split="test"),
        load("synthetic:shapes?images=40&size=32"),
        load("synthetic:textures?images=40"),
    ]
    identities = {one.identity for one in (whole, *others)}
    assert len(identities) == len(others) + 1
    assert whole.identity == load("synthetic:shapes?images=40").identity


def write_cifar(folder: Path, per_file: int = 3) -> np.ndarray:
    """Writes the six files and returns all training images, [n, 32, 32, 3]."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    images = []
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = random.integers(0, 256, (per_file, 32, 32, 3), np.uint8)
        labels = np.arange(per_file, dtype=np.uint8)[:, None]
        records = np.concatenate([labels, pixels.transpose(0, 3, 1, 2).reshape(per_file, -1)], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
        images.append(pixels)
    return np.concatenate(images)


def idx(values: np.ndarray, magic: int) -> bytes:
    return struct.pack(f">{1 + values.ndim}I", magic, *values.shape) + values.tobytes()


def write_mnist(folder: Path, labels: np.ndarray, images: np.ndarray, *, zipped: bool = False) -> None:
    files = {"t10k-images-idx3-ubyte": idx(images, 2051), "t10k-labels-idx1-ubyte": idx(labels, 2049)}
    for name, data in files.items():
        (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(data) if zipped else data)


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin"])
def test_cifar_is_read_in_place(tmp_path: Path, inner: str) -> None:
    images = write_cifar(tmp_path / inner)
    train, test = load(str(tmp_path), split="train"), load(str(tmp_path))
    assert (train.name, test.split, len(train), len(test)) == ("cifar10", "test", 15, 3)
    assert train.classes[:3] == ("airplane", "automobile", "bird")
    assert train.labels.tolist() == [0, 1, 2] * 5
    for index in (0, 4, 14):
        assert np.array_equal(train.pixels(index), images[index])
    assert np.array_equal(test.pixels(2), images[17])
    assert train.where(4).endswith("data_batch_2.bin")
    assert train.identity != test.identity


def test_cifar_that_is_damaged_is_refused(tmp_path: Path) -> None:
    write_cifar(tmp_path)
    whole = (tmp_path / "test_batch.bin").read_bytes()
    (tmp_path / "test_batch.bin").write_bytes(whole[:-1])
    with pytest.raises(UsageError, match="not whole records of 3073"):
        load(str(tmp_path))
    (tmp_path / "test_batch.bin").write_bytes(whole[:3073] + b"\x0b" + whole[3074:])
    with pytest.raises(UsageError, match="image 1 has the label 11"):
        load(str(tmp_path))


@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_is_read_plain_and_gzipped(tmp_path: Path, zipped: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8)
    write_mnist(tmp_path, np.array([3, 1, 4, 1], np.uint8), images, zipped=zipped)
    dataset = load(str(tmp_path))
    assert (dataset.name, dataset.split, splits(str(tmp_path))) == ("mnist", "test", ("test",))
    assert dataset.labels.tolist() == [3, 1, 4, 1]
    assert dataset.pixels(2).shape == (28, 28, 3)
    assert np.array_equal(dataset.pixels(2)[..., 1], images[2])


def test_mnist_that_is_damaged_is_refused(tmp_path: Path) -> None:
    images, labels = np.zeros((2, 4, 4), np.uint8), np.array([0, 10], np.uint8)
    write_mnist(tmp_path, labels, images)
    with pytest.raises(UsageError, match="image 1 has the label 10"):
        load(str(tmp_path))
    write_mnist(tmp_path, labels[:1], images)
    with pytest.raises(UsageError, match="has 1 labels for 2 images"):
        load(str(tmp_path))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(images, 2051)[:-1])
    with pytest.raises(UsageError, match="does not hold the 2 x 4 x 4 bytes"):
        load(str(tmp_path))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="does not begin as an idx file"):
        load(str(tmp_path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_no_file_makes_the_idx_reader_fail_otherwise_than_by_a_sentence(
    tmp_path: Path, data: bytes, zipped: bool
) -> None:
    end = ".gz" if zipped else ""
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / (name + end)).write_bytes(b"\x1f\x8b\x08" * zipped + data)
    with pytest.raises(EdgebenchError):
        load(str(tmp_path))
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / (name + end)).unlink()
