"""Predictions on disk: what survives an interrupt, a torn line, and a second reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench.ground.errors import UsageError
from edgebench.measure.predictions import log


def fill(folder: Path, start: int, stop: int, images: int = 10) -> None:
    with log(folder, "key", images) as kept:
        assert kept.stop == start
        indices = np.arange(start, stop)
        kept.add(stop, indices, indices[:, None] + np.arange(3), {f"{start}.jpg": "is empty"}, 0.5)


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    fill(tmp_path, 0, 4)
    fill(tmp_path, 4, 10)
    with log(tmp_path, "key", 10) as kept:
        found = kept.predictions("an engine")
    assert kept.stop == 10
    assert found.classes.tolist() == [[index, index + 1, index + 2] for index in range(10)]
    assert found.unreadable == {"0.jpg": "is empty", "4.jpg": "is empty"}
    assert (found.seconds, found.evaluated_by) == (1.0, "an engine")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 400), st.binary(max_size=20))
def test_a_torn_line_costs_its_batch_only(tmp_path: Path, cut: int, rubbish: bytes) -> None:
    path = tmp_path / "key.jsonl"
    path.unlink(missing_ok=True)
    fill(tmp_path, 0, 4)
    first = len(path.read_bytes())
    fill(tmp_path, 4, 8)
    whole = path.read_bytes()
    path.write_bytes(whole[: max(first, len(whole) - 1 - cut)] + rubbish.replace(b"\n", b""))
    fill(tmp_path, 4, 10)
    with log(tmp_path, "key", 10) as kept:
        assert kept.stop == 10
        assert kept.predictions("").classes[:, 0].tolist() == list(range(10))


def test_images_that_were_not_read_have_no_class(tmp_path: Path) -> None:
    with log(tmp_path, "key", 3) as kept:
        kept.add(3, np.array([1]), np.array([[7, 2]]), {}, 0.1)
        found = kept.predictions("")
    assert found.classes.tolist() == [[-1, -1], [7, 2], [-1, -1]]
    assert found.readable.tolist() == [False, True, False]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot keep predictions"), log(tmp_path / "file", "key", 3):
        pytest.fail("opened")
