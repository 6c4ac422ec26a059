"""Folders of small images, as users have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeFolder = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Writes PNG files of one colour each: make_folder({"train/cat": 3, "val/cat": 1})."""

    def make(counts: dict[str, int], name: str = "photos") -> Path:
        colour = np.random.default_rng(0)
        for folder, count in counts.items():
            (tmp_path / name / folder).mkdir(parents=True)
            for number in range(count):
                shade = tuple(int(value) for value in colour.integers(0, 256, 3))
                Image.new("RGB", (12, 10), shade).save(tmp_path / name / folder / f"{number:03}.png")
        return tmp_path / name

    return make
