import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.compare import database, history
from edgebench.ground.errors import MissingPackage, UsageError
from edgebench.ground.records import SCHEMA, Estimate, Interval, Measurement, Scenario

Measured = Callable[..., Measurement]
Stored = Callable[..., Path]

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def year(measured: Measured, stored: Stored) -> Path:
    """30 days of results that become 12% slower with commit 20 and runtime 2.4.0."""
    results = [
        measured(
            seed=day,
            processes=3,
            middle=0.007 * (1.12 if day >= 20 else 1),
            time=(START + timedelta(days=day)).isoformat(),
            runtime_version="2.4.0" if day >= 20 else "2.3.0",
            environment={"commit": f"{day:040x}", "machine": "1a2b3c4d"},
        )
        for day in range(30)
    ]
    return stored("results", *results)


def test_the_change_its_size_and_the_first_bad_commit_are_found(year: Path) -> None:
    (series,) = history.history(year, "mobilenetv2", device="host").series
    (change,) = series.changes
    assert series.first_bad == change
    assert change.first.commit == f"{20:040x}" and change.last_before.commit == f"{19:040x}"
    assert change.ratio == pytest.approx(1.12, rel=0.02)
    assert (change.results_before, change.results_after) == (20, 10)
    assert change.also_changed == ("runtime version: 2.3.0, now 2.4.0",)
    assert [point.time for point in series.points] == sorted(point.time for point in series.points)


def test_a_threshold_above_the_change_hides_it(year: Path) -> None:
    (series,) = history.history(year, None, threshold=0.2).series
    assert series.changes == () and series.first_bad is None


def test_each_cell_is_a_series_of_its_own(
    measured: Measured, estimated: Callable[..., Estimate], stored: Stored
) -> None:
    four = Scenario(processes=10, threads=4)
    folder = stored("results", measured(), measured(seed=1), measured(seed=2, scenario=four), estimated())
    found = history.history(folder, "mobilenetv2").series
    assert sorted((series.name, series.provenance, len(series.points)) for series in found) == [
        ("mobilenetv2 w1 d1 r224 tflite fp32 on host (litert, 1 thread)", "measured", 2),
        ("mobilenetv2 w1 d1 r224 tflite fp32 on host (litert, 4 threads)", "measured", 1),
        ("mobilenetv2 w1 d1 r224 tflite fp32 on rpi4 (litert, 1 thread)", "estimated", 1),
    ]


def test_failed_results_and_torn_lines_are_left_out(measured: Measured, stored: Stored) -> None:
    folder = stored("results", measured(), measured(seed=1, status="failed"))
    file = next(folder.rglob("*.jsonl"))
    file.write_bytes(file.read_bytes() + msgspec.json.encode(measured(seed=3))[:200])
    with pytest.warns(UserWarning, match="was cut off"):
        found = history.history(folder, "mobilenetv2")
    assert [len(series.points) for series in found.series] == [1]


def test_copies_in_a_baseline_count_once(measured: Measured, stored: Stored) -> None:
    stored("results/baseline", measured())
    found = history.history(stored("results", measured(), measured(seed=1)), "mobilenetv2")
    assert [len(series.points) for series in found.series] == [2]


@pytest.mark.parametrize(
    ("model", "device", "sentence"),
    [
        ("mobilnetv2", None, "unknown model in the history 'mobilnetv2'; did you mean mobilenetv2"),
        ("mobilenetv2", "hots", "unknown device in the history 'hots'; did you mean host"),
    ],
)
def test_a_history_that_is_not_there(model: str, device: str | None, sentence: str, year: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        history.history(year, model, device=device)


def test_a_folder_without_results_and_one_with_only_failures(
    measured: Measured, stored: Stored, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="holds no latency of any model on any device"):
        history.history(tmp_path, None)
    with pytest.raises(UsageError, match="holds no latency of any model on any device"):
        history.history(stored("failed", measured(status="failed")), None)


def test_a_record_of_a_newer_schema(measured: Measured, stored: Stored) -> None:
    with pytest.raises(UsageError, match=rf"newer edgebench \(schema {SCHEMA + 1};.* pip install --upgrade edgebench"):
        history.history(stored("results", measured(schema=SCHEMA + 1)), None)


@given(st.lists(st.sampled_from([0.5, 0.8, 1.3, 2.0]), max_size=4), st.integers(12, 40), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_change_points_are_where_the_level_jumps(steps: list[float], length: int, seed: int) -> None:
    levels = np.repeat(np.cumprod([0.007, *steps]), length)
    values = levels * np.exp(np.random.default_rng(seed).normal(0, 0.01, len(levels)))
    assert history.change_points(values, 0.05) == [length * (i + 1) for i in range(len(steps))]


def test_noise_alone_and_short_series_have_no_change_points() -> None:
    found = [history.change_points(np.exp(np.random.default_rng(s).normal(0, 0.02, 200)), 0.05) for s in range(20)]
    assert found == [[]] * 20
    assert history.change_points(np.array([1.0, 1.0, 1.0, 2.0, 2.0]), 0.05) == []
    assert history.change_points(np.full(50, 0.007), 0.05) == []


def test_long_series_are_binned_and_the_change_still_found_where_it_is() -> None:
    values = np.exp(np.random.default_rng(0).normal(0, 0.02, 20_000))
    values[12_347:] *= 1.1
    assert history.change_points(values, 0.05) == [pytest.approx(12_347, abs=2)]


def test_a_query_sees_base_units(measured: Measured, estimated: Callable[..., Estimate], stored: Stored) -> None:
    folder = stored("results", measured(latency_s=((0.001, 0.002, 0.009), (0.004, 0.004, 0.004))), estimated())
    answer = database.query(folder, "SELECT device, latency_s, peak_memory_bytes, threads FROM results ORDER BY device")
    assert answer.columns == ("device", "latency_s", "peak_memory_bytes", "threads")
    assert answer.rows == (("host", 0.003, 30_000_000, 1), ("rpi4", 0.08, None, 1))


def test_a_query_tells_what_a_calibration_makes_of_counts(measured: Measured, stored: Stored) -> None:
    made = Interval(value=0.08, low=0.07, high=0.09)
    folder = stored("results", measured(), measured(seed=1, latency_s=(), estimated_latency_s=made))
    sql = "SELECT estimated_latency_s FROM results ORDER BY 1"
    assert database.query(folder, sql).rows == ((0.08,), (None,))


@pytest.mark.parametrize("sql", ["SELECT * FROM read_text('{}')", "COPY (SELECT 1) TO '{}'", "ATTACH '{}'"])
def test_a_query_reaches_no_other_file(sql: str, measured: Measured, stored: Stored, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("kept")
    with pytest.raises(UsageError, match="Permission Error"):
        database.query(stored("results", measured()), sql.format(other))
    assert other.read_text() == "kept"


def test_times_are_in_utc(measured: Measured, stored: Stored) -> None:
    folder = stored("results", measured(time="2026-11-21T03:00:00+02:00"))
    assert database.query(folder, "SELECT time FROM results").rows == ((datetime(2026, 11, 21, 1),),)


def test_a_folder_with_a_quote_in_its_name(measured: Measured, stored: Stored) -> None:
    assert len(database.query(stored("it's", measured()), "SELECT 1 FROM results").rows) == 1


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nosuch FROM results", "SELECT 1 FROM elsewhere"])
def test_a_wrong_query_says_what_there_is(sql: str, measured: Measured, stored: Stored) -> None:
    with pytest.raises(UsageError, match=r"the query failed: .* The table is results: time, model"):
        database.query(stored("results", measured()), sql)


@pytest.mark.parametrize("sql", [" ", " ;", "-- nothing"])
def test_a_query_that_asks_nothing(sql: str, measured: Measured, stored: Stored) -> None:
    with pytest.raises(UsageError, match="the query asks nothing"):
        database.query(stored("results", measured()), sql)


def test_without_the_extra_the_pip_command_is_told(year: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(MissingPackage, match=r"needs the package ruptures: pip install 'edgebench\[history\]'"):
        history.history(year, None)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingPackage, match="needs the package duckdb"):
        database.query(year, "SELECT 1")
