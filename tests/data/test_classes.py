"""What outputs are called, and which of them the classes of a data set are."""

from pathlib import Path

import numpy as np
import pytest

from edgebench.data import classes
from edgebench.data.dataset import Dataset
from edgebench.ground.errors import UsageError


def images(*names: str) -> Dataset:
    labels = np.arange(len(names))
    return Dataset("photos", "photos", "val", names, labels, None, labels)  # type: ignore[arg-type]


def test_classes_are_found_among_the_labels_by_name() -> None:
    labels = ("background", "n02123045 tabby, tabby cat", "dog", "Fire_Truck", "owl")
    found = classes.match("net", 5, labels, images("fire truck", "n02123045", "owl"))
    assert (found.outputs.tolist(), found.names, found.warnings) == ([3, 1, 4], labels, ())
    assert classes.match("net", 5, labels, images("Tabby-Cat", "dog")).outputs.tolist() == [1, 2]


def test_a_class_that_is_none_of_the_labels_is_named() -> None:
    with pytest.raises(UsageError, match="unknown class among the labels of net 'dogs'; did you mean dog"):
        classes.match("net", 2, ("cat", "dog"), images("cat", "dogs"))


def test_without_labels_the_order_counts() -> None:
    found = classes.match("net", 2, (), images("cat", "dog"))
    assert (found.outputs.tolist(), found.names, found.warnings) == ([0, 1], ("cat", "dog"), ())


def test_names_that_have_nothing_in_common_are_matched_by_order_with_a_warning() -> None:
    found = classes.match("net", 2, ("chat", "chien"), images("cat", "dog"))
    assert found.outputs.tolist() == [0, 1]
    assert "no class of photos is called as an output is (cat; chat)" in found.warnings[0]


def test_numbers_in_the_order_of_their_text_are_warned_of() -> None:
    found = classes.match("net", 12, (), images(*sorted(map(str, range(12)))))
    assert "(0, 1, 10, 11, 2 ...)" in found.warnings[0] and "`labels`" in found.warnings[0]
    assert classes.match("net", 12, tuple(map(str, range(12))), images("10", "2")).outputs.tolist() == [10, 2]
    assert classes.match("net", 3, (), images("0", "1", "2")).warnings == ()


@pytest.mark.parametrize(
    ("outputs", "labels", "message"),
    [
        (3, (), "if one output is a background class, name all outputs"),
        (7, (), "net has 7 classes and photos has 2"),
        (3, ("cat", "dog"), "net has 3 outputs, and 2 labels are given"),
    ],
)
def test_other_numbers_are_refused(outputs: int, labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        classes.match("net", outputs, labels, images("cat", "dog"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.txt", "cat\n the dog \n\n"),
        ("labels.json", '["cat", "the dog"]'),
        ("labels.json", '{"1": "the dog", "0": "cat"}'),
        ("labels.json", '{"0": ["n01", "cat"], "1": ["n02", "the dog"]}'),
    ],
)
def test_labels_in_files(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert classes.read(tmp_path / name) == ("cat", "the dog")
    assert classes.read(["cat", "the dog"]) == ("cat", "the dog")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n", "holds no labels"),
        ('{"cat": 0}', "does not name outputs by number"),
        ("[3", "cannot"),
        ("{}", "holds no labels"),
        ("[", "cannot"),
    ],
)
def test_files_that_are_no_labels(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / ("x.json" if content[0] in "[{" else "x.txt")
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        classes.read(path)
    with pytest.raises(UsageError, match="there is no file"):
        classes.read(tmp_path / "gone.txt")
