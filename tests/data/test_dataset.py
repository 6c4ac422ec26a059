"""What holds for every data set: subsets and identities."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgebench.data import load
from edgebench.data.dataset import Dataset


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
