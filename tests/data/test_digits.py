"""scikit-learn's digits, from a file as that package has it."""

from __future__ import annotations

import gzip
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from edgebench.data import digits, load, splits
from edgebench.ground.errors import MissingPackage, UsageError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for scikit-learn: five images a class, number n of value n % 17 throughout."""
    file = tmp_path / "sklearn" / digits.FILE
    file.parent.mkdir(parents=True)
    rows = "".join(f"{','.join([str(number % 17)] * 64)},{number % 10}\n" for number in range(50))
    file.write_bytes(gzip.compress(rows.encode()))
    found = ModuleSpec("sklearn", None, origin=str(tmp_path / "sklearn/__init__.py"))
    monkeypatch.setattr(digits, "find_spec", lambda name: found)
    monkeypatch.chdir(tmp_path)
    return file


def test_a_fifth_of_every_class_is_held_out(package: Path) -> None:
    held, rest = load("digits"), load("digits", split="train")
    assert (held.name, held.split, splits("digits")) == ("digits", "val", ("train", "val"))
    assert (len(held), len(rest)) == (10, 40)
    assert np.bincount(held.labels).tolist() == [1] * 10
    assert not set(held.indices) & set(rest.indices)
    with pytest.raises(UsageError, match="it has train, val"):
        load("digits", split="all")


def test_grey_levels_go_from_black_to_white(package: Path) -> None:
    rest = load("digits", split="train")
    shades = {int(index) % 17: rest.pixels(at) for at, index in enumerate(rest.indices)}
    assert shades[16].shape == (8, 8, 3)
    assert {level: int(pixels.max()) for level, pixels in shades.items() if level in (0, 8, 16)} == {
        0: 0,
        8: 128,
        16: 255,
    }


def test_a_folder_of_that_name_comes_first(package: Path, tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    with pytest.raises(UsageError, match="digits holds no images"):
        load("digits")


def test_without_the_package_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingPackage, match=r"needs the package scikit-learn: pip install 'edgebench\[digits\]'"):
        load("digits")
