"""Batches: every readable image once, in order, with bounded look-ahead."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.data import Unreadable, batches, load
from edgebench.data.dataset import Dataset, Labels, Pixels

SHAPE = (3, 8, 8)


class Recorder:
    """A source that remembers what was read, of which some images are broken."""

    def __init__(self, broken: set[int]) -> None:
        self.broken = broken
        self.read: list[int] = []

    def pixels(self, index: int) -> Pixels:
        self.read.append(index)
        if index in self.broken:
            raise Unreadable(self.where(index), "is broken")
        return np.full((8, 8, 3), index, np.uint8)

    def where(self, index: int) -> str:
        return f"image {index}"

    def contents(self, indices: Labels) -> list[str]:
        return [str(index) for index in indices]


def recorded(count: int, broken: set[int] | None = None) -> tuple[Dataset, Recorder]:
    source = Recorder(broken or set())
    return replace(load(f"synthetic:shapes?images={count}"), source=source), source


@given(st.integers(1, 30), st.integers(1, 9), st.sets(st.integers(0, 29)), st.integers(0, 30), st.integers(1, 3))
def test_every_readable_image_comes_once_and_in_order(
    count: int, size: int, broken: set[int], start: int, workers: int
) -> None:
    dataset, _ = recorded(count, broken)
    named: list[Unreadable] = []
    found = list(batches(dataset, None, SHAPE, size, named.append, start=start, workers=workers))
    kept = [index for index in range(start, count) if index not in broken]
    assert [index for batch in found for index in batch.indices] == kept
    assert [error.path for error in named] == [f"image {i}" for i in range(start, count) if i in broken]
    for batch in found:
        assert batch.x.shape == (len(batch.labels), *SHAPE)
        assert 0 < len(batch.labels) <= size
        assert np.array_equal(batch.labels, dataset.labels[batch.indices])
        np.testing.assert_allclose(batch.x[:, 0, 0, 0], batch.indices / 255, rtol=1e-6)


def test_no_more_than_two_batches_are_read_ahead_and_the_thread_ends() -> None:
    dataset, source = recorded(100)
    stream = batches(dataset, None, SHAPE, 4, pytest.fail)
    next(stream)
    stream.close()
    assert len(source.read) <= 12
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("edgebench-data")]


def test_another_error_than_an_unreadable_image_is_not_swallowed() -> None:
    dataset, source = recorded(10)
    source.where = None  # type: ignore[assignment]
    source.broken = {3}
    with pytest.raises(TypeError):
        list(batches(dataset, None, SHAPE, 4, pytest.fail))
