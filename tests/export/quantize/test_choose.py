"""The choice among candidate files, with numbers in place of networks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.formats.quantize.choose import best, output_error, relative_l2

IMAGES = [np.full((1, 1, 2, 2), value, np.float32) for value in (1, 2, 3)]
EXPECTED = np.stack([image.reshape(1, -1)[:, :2] for image in IMAGES])


def run(path):
    """A network that is off by the factor its file holds."""
    factor = float(path.read_text())
    return lambda image: image.reshape(1, -1)[:, :2] * np.float32(1 + factor)


def writing(folder):
    def write(name, factor):
        path = folder / f"{name}.net"
        path.write_text(str(factor))
        return path

    return write


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6, unique=True))
def test_the_least_error_is_kept_and_the_other_files_go(tmp_path_factory, factors):
    folder = tmp_path_factory.mktemp("files")
    candidates = {f"c{number}": factor for number, factor in enumerate(factors)}
    found = best(candidates, writing(folder), run, IMAGES, EXPECTED)
    assert candidates[found.name] == pytest.approx(min(factors), abs=1e-6)
    assert [path.name for path in folder.iterdir()] == [found.file.name]
    assert list(found.errors) == list(candidates)
    assert found.error == pytest.approx(min(factors), abs=1e-6)


def test_the_first_of_equals_is_kept(tmp_path):
    found = best({"a": 0.5, "b": 0.5}, writing(tmp_path), run, IMAGES, EXPECTED)
    assert (found.name, [path.name for path in tmp_path.iterdir()]) == ("a", ["a.net"])


def test_folders_are_files_too(tmp_path):
    def write(name, factor):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model").write_text(str(factor))
        return folder

    found = best({"a": 0.5, "b": 0.1}, write, lambda path: run(path / "model"), IMAGES, EXPECTED)
    assert (found.name, [path.name for path in tmp_path.iterdir()]) == ("b", ["b"])


def test_no_candidates_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no candidates"):
        best({}, writing(tmp_path), run, IMAGES, EXPECTED)


def test_outputs_of_another_kind_are_infinitely_wrong():
    assert output_error(lambda image: np.full((1, 2), np.nan), IMAGES, EXPECTED) == float("inf")
    assert output_error(lambda image: np.zeros((1, 3)), IMAGES, EXPECTED) == float("inf")


def test_relative_error_of_nothing():
    assert relative_l2(np.zeros(3), np.zeros(3)) == 0
    assert relative_l2(np.ones(3), np.zeros(3)) == float("inf")
