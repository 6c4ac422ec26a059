"""What predictions are worth: golden intervals, and properties of the counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.measure.accuracy import Predictions, confusions, score, top_classes, wilson


def predictions(classes: list[list[int]], unreadable: dict[str, str] | None = None) -> Predictions:
    return Predictions(np.asarray(classes, np.int64), unreadable or {}, 2.0, "an engine")


@pytest.mark.parametrize(
    ("count", "images", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: Wilson's score without continuity correction.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_the_published_one(count: int, images: int, low: float, high: float) -> None:
    found = wilson(count, images)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.value == count / images


def test_no_images_have_no_share() -> None:
    assert wilson(0, 0) is None


@given(st.lists(st.lists(st.floats(-5, 5, width=32), min_size=7, max_size=7), min_size=1, max_size=20))
def test_the_five_largest_outputs_come_in_order(rows: list[list[float]]) -> None:
    outputs = np.asarray(rows, np.float32)
    found = top_classes(outputs)
    assert found.shape == (len(rows), 5)
    for row, order in zip(outputs, found, strict=True):
        assert sorted(row, reverse=True)[:5] == [row[number] for number in order]


def test_equal_outputs_give_the_lower_number() -> None:
    assert top_classes(np.zeros((1, 8), np.float32)).tolist() == [[0, 1, 2, 3, 4]]
    assert top_classes(np.zeros((1, 3), np.float32)).tolist() == [[0, 1, 2]]


def test_outputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        top_classes(np.array([[0.0, np.nan]], np.float32))


def test_only_images_that_were_read_count() -> None:
    labels = np.array([0, 5, 2, 3])
    ours = predictions([[0, 1, 2, 3, 4], [1, 5, 2, 3, 4], [-1] * 5, [9, 8, 7, 6, 5]], {"c.jpg": "is empty"})
    theirs = predictions([[0, 1, 2, 3, 4], [5, 1, 2, 3, 4], [-1] * 5, [9, 8, 7, 6, 5]])
    found = score(ours, labels, dataset="photos", dataset_identity="ab", reference=theirs)
    assert (found.images, found.correct, found.correct5) == (3, 1, 2)
    assert (found.agreed, found.reference_correct, found.unreadable) == (2, 2, 1)
    assert (found.seconds, found.evaluated_by) == (2.0, "an engine")


def test_top_5_of_five_classes_says_nothing() -> None:
    found = score(predictions([[0, 1, 2]]), np.array([2]), dataset="", dataset_identity="")
    assert found.correct5 is None
    assert (found.agreed, found.reference_correct) == (None, None)


def test_the_worst_classes_and_what_they_are_taken_for() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    found = confusions(predictions([[0], [1], [1], [2], [1], [0], [2]]), labels, ("cat", "dog", "owl"))
    assert [(one.actual, one.predicted, one.count, one.images) for one in found] == [
        ("cat", "dog", 2, 4),
        ("dog", "cat", 1, 2),
    ]
