"""The store: what is appended comes back, whatever happened to the file in between."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench.ground import store
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Estimate, ExportSpec, Interval, Measurement, ModelSpec, Result, Scenario

MODEL = ModelSpec(name="mobilenetv2", family="mobilenetv2")
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def measurement(latency_s: tuple[tuple[float, ...], ...] = ((0.007, 0.0071),), name: str = "abc") -> Measurement:
    return Measurement(
        id=name,
        time="2026-11-30T12:00:00.000000+00:00",
        model=MODEL,
        export=ExportSpec(),
        device="rpi4",
        runtime="litert",
        runtime_version="2.3.0",
        scenario=Scenario(),
        latency_s=latency_s,
        environment={"cpu": "Cortex-A72", "governor": None, "after": {"load_1m": 0.5}},
    )


ESTIMATE = Estimate(
    id="def",
    time="2026-11-30T12:00:00+00:00",
    model=MODEL,
    export=ExportSpec(),
    device="rpi4",
    runtime="litert",
    latency_s=Interval(value=0.1, low=0.08, high=0.12),
)
LINE = msgspec.json.encode(measurement())


def test_both_kinds_come_back_in_order(tmp_path: Path) -> None:
    records: list[Result] = [measurement(), ESTIMATE, measurement(((0.5,), (0.25, 0.125)))]
    paths = {store.append(tmp_path / "rpi4", record, run="evening") for record in records}
    assert paths == {tmp_path / "rpi4" / "2026-11-30-evening.jsonl"}
    assert store.read(paths.pop()) == records
    assert store.read(str(tmp_path)) == records


def test_without_a_run_a_record_is_its_own_file(tmp_path: Path) -> None:
    store.append(tmp_path, measurement(name="b"))
    store.append(tmp_path, measurement(name="a"))
    assert [record.id for record in store.read(tmp_path)] == ["a", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-11-30-a.jsonl", "2026-11-30-b.jsonl"]


@ONE_FOLDER
@given(latency_s=st.lists(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=5).map(tuple), max_size=3).map(tuple))
def test_samples_come_back_to_the_last_bit(tmp_path: Path, latency_s: tuple[tuple[float, ...], ...]) -> None:
    path = store.append(tmp_path, measurement(latency_s))
    last = store.read(path)[-1]
    assert isinstance(last, Measurement) and last.latency_s == latency_s


@pytest.mark.parametrize("cut", [1, 5, len(LINE) // 2, len(LINE) - 1])
def test_a_torn_line_is_reported_and_costs_only_itself(tmp_path: Path, cut: int) -> None:
    path = store.append(tmp_path, measurement(), run="x")
    with path.open("ab") as file:
        file.write(LINE[:cut])
    told: list[str] = []
    assert store.read(path, on_warning=told.append) == [measurement()]
    assert told == [f"{path}:2 was cut off while it was written, and is skipped"]
    store.append(tmp_path, measurement(), run="x")
    assert store.read(path, on_warning=told.append) == [measurement(), measurement()]


def test_a_torn_line_warns_when_nobody_listens(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINE[:-20])
    with pytest.warns(UserWarning, match="cut off"):
        assert store.read(tmp_path) == []


def test_a_last_line_without_its_newline_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINE + b"\n\n" + LINE)
    assert len(store.read(tmp_path)) == 2


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            LINE.replace(b'"schema":1', b'"schema":2'),
            r"newer edgebench \(schema 2; this one reads up to 1\): pip install",
        ),
        (LINE.replace(b'"measurement"', b'"party"'), "not a result of edgebench"),
        (LINE.replace(b'"litert"', b"17"), r"not a result of edgebench: Expected `str`, got `int`"),
        (LINE.replace(b"[0.007,", b"[],["), r"Expected `array` of length >= 1 - at `\$.latency_s"),
        (LINE.replace(b"[0.007,", b"[1e308,"), r"Expected `float` < 1000000000.0 - at `\$.latency_s"),
        (LINE.replace(b"[0.007,", b"[-0.007,"), r"Expected `float` > 0.0 - at `\$.latency_s"),
        (LINE.replace(b"2026-11-30T", b"yesterday "), "Invalid isoformat string"),
        (
            msgspec.json.encode(ESTIMATE).replace(b'"high":0.12', b'"high":1e308'),
            r"an estimate of 0.1 s, from 0.08 to 1e\+308",
        ),
        (b'{"kind":"measurement"}', "missing required field"),
        (b'{"name": "someone else\'s"}', "not a result of edgebench"),
        (b"[1, 2]", "not a result of edgebench"),
        (b"model,latency", "not a result of edgebench"),
        (b"\xff\xfe", "not a result of edgebench"),
    ],
)
def test_what_is_not_ours_is_refused_with_its_place(tmp_path: Path, line: bytes, says: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINE + b"\n" + line + b"\n")
    with pytest.raises(UsageError, match=says) as caught:
        store.read(path)
    assert str(caught.value).startswith(f"{path}:2 ")


@ONE_FOLDER
@given(content=st.one_of(st.binary(max_size=200), st.integers(0, len(LINE)).map(lambda cut: LINE[cut:] + LINE[:cut])))
def test_no_file_breaks_the_reader(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fuzz.jsonl"
    path.write_bytes(content)
    told: list[str] = []
    try:
        assert all(isinstance(record, (Measurement, Estimate)) for record in store.read(path, on_warning=told.append))
    except UsageError as error:
        assert str(path) in str(error)


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read results from .*absent: no such file or directory"):
        store.read(tmp_path / "absent")
    assert store.read(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for attempt in (lambda folder: store.append(folder, ESTIMATE), store.check_writable):
        with pytest.raises(UsageError, match=r"cannot write results to .*; name another folder with `results`"):
            attempt(tmp_path / "file" / "rpi4")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_found_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="permission denied"):
        store.check_writable(tmp_path)


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr("edgebench.ground.store.os.write", lambda descriptor, line: write(descriptor, line[:10]))
    with pytest.raises(UsageError, match="only a part of the record fitted on the disk"):
        store.append(tmp_path, ESTIMATE)


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    store.check_writable(tmp_path / "new" / "rpi4")
    assert list((tmp_path / "new" / "rpi4").iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "", ".hidden", "a/b", "a b"])
def test_an_id_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a file"):
        store.append(tmp_path, measurement(name=name))


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not begin with a day"):
        store.append(tmp_path, msgspec.structs.replace(ESTIMATE, time="yesterday"))


def test_writers_side_by_side_do_not_mix(tmp_path: Path) -> None:
    """Four processes append thirty lines of some 100 kB each to one file."""
    writer = (
        "import sys, msgspec\nfrom edgebench.ground import store\nfrom edgebench.ground.records import Measurement\n"
        "record = msgspec.json.decode(sys.stdin.buffer.read(), type=Measurement)\n"
        "for _ in range(30): store.append(sys.argv[1], record, run='shared')\n"
    )
    line = msgspec.json.encode(measurement((tuple([0.001234567] * 8000),)))
    writers = [subprocess.Popen([sys.executable, "-c", writer, str(tmp_path)], stdin=subprocess.PIPE) for _ in range(4)]
    for process in writers:
        assert process.stdin is not None
        with process.stdin as pipe:
            pipe.write(line)
    assert [process.wait() for process in writers] == [0, 0, 0, 0]
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == (line + b"\n") * 120
