"""The index of stored results: what it keeps, and what it says of files that are not what they should be."""

from __future__ import annotations

import json
from pathlib import Path

import example_records as made
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.compare.statistics import process_values
from edgebench.ground import store
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Measurement
from edgebench.report import stored


def load(path: Path | str, told: list[str] | None = None) -> stored.Stored:
    return stored.load(str(path), on_warning=(told if told is not None else []).append)


def test_every_record_is_a_point_and_the_newest_of_a_cell_reads_back_in_full(example_store: Path) -> None:
    found = load(example_store)
    records = store.read(example_store)
    assert found.count == len(records)
    for key, points in found.series.items():
        assert [point.time_s for point in points] == sorted(point.time_s for point in points)
        newest = found.read(points[-1])
        assert newest in records
        assert newest.provenance == key.provenance
        assert newest.device == key.cell.device


def test_a_cell_that_is_measured_and_estimated_makes_two_series(tmp_path: Path) -> None:
    measured = made.measurement(device="rpi4")
    made.write(tmp_path, [measured, made.estimate(day=1)])
    assert [key.provenance for key in load(tmp_path).series] == ["measured", "estimated"]


def test_the_latency_of_a_point_is_what_compare_judges(tmp_path: Path) -> None:
    record = made.measurement()
    made.write(tmp_path, [record])
    [[point]] = load(tmp_path).series.values()
    assert point.latency_s == pytest.approx(float(np.median(process_values(record.latency_s))))


@given(st.lists(st.floats(min_value=1e-6, max_value=10), min_size=1, max_size=50), st.floats(min_value=0, max_value=1))
def test_quantiles_are_numpys(values: list[float], share: float) -> None:
    assert stored.quantile(sorted(values), share) == pytest.approx(float(np.quantile(values, share)))


def test_a_git_revision_is_read_like_a_folder(
    tmp_path: Path, example_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil
    import subprocess

    shutil.copytree(example_store, tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "results"]):
        subprocess.run(["git", *command], check=True)
    there, here = load("main:results"), load("results")
    assert there.count == here.count
    assert set(there.series) == set(here.series)
    key, points = next(iter(there.series.items()))
    assert there.read(points[-1]) == here.read(here.series[key][-1])


def test_a_torn_last_line_is_reported_and_skipped(tmp_path: Path) -> None:
    path = store.append(tmp_path, made.measurement())
    with path.open("ab") as file:
        file.write(b'{"kind":"measurement","schema":1,"id":"half')
    told: list[str] = []
    assert load(tmp_path, told).count == 1
    assert len(told) == 1
    assert "cut off" in told[0]
    assert ":2" in told[0]


def _changed(**changes: object) -> bytes:
    import msgspec

    return json.dumps(msgspec.to_builtins(made.measurement()) | changes).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"hello": "world"}\n', "is not a result of edgebench"),
        (b"[1, 2, 3]\n", "is not a result of edgebench"),
        (b"just text\n", "is not a result of edgebench"),
        (b"\xff\xfe\x00\x01\n", "is not a result of edgebench"),
        (_changed(schema=99), "written by a newer edgebench .schema 99"),
        (_changed(latency_s=[[0.1, -0.2]]), r"Expected `float` > 0.0 - at `\$.latency_s\[0\]\[1\]`"),
        (_changed(latency_s=[[0.0]]), "Expected `float` > 0.0"),
        (_changed(time="yesterday"), "'yesterday', which is not an ISO 8601 time"),
        (_changed(latency_s=[[0.1]]).replace(b"[[0.1]]", b"[[NaN]]"), "is not a result of edgebench"),
        (b"", "holds no results"),
    ],
    ids=["foreign", "list", "text", "binary", "newer", "negative", "zero", "no-time", "nan", "empty"],
)
def test_what_is_not_a_result_is_refused_in_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "bad.jsonl").write_bytes(content)
    with pytest.raises(UsageError, match=sentence) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_source_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file or folder nowhere"):
        load("nowhere")


def test_a_file_that_was_replaced_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = store.append(tmp_path, made.measurement())
    found = load(tmp_path)
    path.write_bytes(b"")
    [[point]] = found.series.values()
    with pytest.raises(UsageError, match="changed while it was read"):
        found.read(point)


@given(st.binary(max_size=200))
def test_no_content_makes_anything_but_results_or_a_usage_error(content: bytes) -> None:
    told: list[str] = []
    try:
        found = stored.Stored([("fuzz", content)], told.append)
    except UsageError:
        return
    assert all(isinstance(found.read(points[-1]), Measurement) for points in found.series.values())
