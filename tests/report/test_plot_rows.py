"""What a plot of samples shows of many runs, and the rows under it."""

from __future__ import annotations

import example_records as made
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.report import plot_rows

SAMPLES = st.lists(st.floats(min_value=1e-6, max_value=1), min_size=1, max_size=300)


@given(SAMPLES, st.integers(min_value=1, max_value=50))
def test_the_telling_runs_hold_the_extremes_of_each_stretch_in_time_order(values: list[float], stretch: int) -> None:
    shown = list(plot_rows.telling(values, stretch))
    assert shown == sorted(set(shown))
    assert min(values) in [values[run] for run in shown]
    assert max(values) in [values[run] for run in shown]
    if stretch <= 3:
        assert shown == list(range(len(values)))
    else:
        assert len(shown) <= 3 * -(-len(values) // stretch)


def test_runs_are_numbered_over_all_processes() -> None:
    rows = plot_rows.in_order(((0.1, 0.2), (0.3,)))
    assert [(row["process"], row["run"], row["latency_s"]) for row in rows] == [(1, 0, 0.1), (1, 1, 0.2), (2, 2, 0.3)]
    assert plot_rows.starts(((0.1, 0.2), (0.3,))) == [{"run": 0, "process": 1}, {"run": 2, "process": 2}]
    assert plot_rows.notes(((0.1, 0.2), (0.3,))) == []


def test_many_runs_are_thinned_and_the_note_says_how() -> None:
    latency = tuple(tuple(0.01 + run / 1e6 for run in range(3000)) for _ in range(4))
    rows = plot_rows.in_order(latency)
    assert len(rows) <= plot_rows.MOST_POINTS * 1.01
    assert plot_rows.notes(latency) == [
        "Of each 15 of the 12,000 runs the fastest, the median and the slowest are drawn."
    ]


def test_a_run_of_hundreds_of_medians_stands_at_the_edge_and_is_told() -> None:
    latency = ((0.010,) * 99 + (6.5,), (0.011,) * 100)
    assert plot_rows.frame(latency) == pytest.approx(1.3 * 0.011)
    [outlier] = [row for row in plot_rows.in_order(latency) if "edge_s" in row]
    assert outlier == {"run": 99, "process": 1, "latency_s": 6.5, "edge_s": 0.0143}
    assert plot_rows.notes(latency) == ["1 runs beyond 14.3 ms stand at the upper edge; the slowest took 6.50 s."]
    assert max(row["latency_s"] for row in plot_rows.quantiles(latency)) == 0.011


def test_quantiles_are_of_all_runs_and_span_them() -> None:
    rows = plot_rows.quantiles((tuple(range(1, 1001)),))
    assert len(rows) == 101
    assert (rows[0]["latency_s"], rows[50]["latency_s"], rows[100]["latency_s"]) == (1.0, 500.0, 1000.0)


def test_a_process_row_has_its_clock_and_shows_throttling() -> None:
    record = made.measurement(scenario=made.FULL, slow_from=0.5)
    rows = plot_rows.processes(record)
    assert len(rows) == 5
    assert rows[-1]["drift"] == pytest.approx(1.25, rel=0.02)
    assert rows[0]["drift"] == pytest.approx(1.0, rel=0.02)
    assert rows[0]["frequency_hz"] == [2.6e9, 2.6e9]
    assert rows[0]["first_s"] == pytest.approx(3 * 0.0071)


def test_a_record_without_readings_has_rows_without_a_clock() -> None:
    rows = plot_rows.processes(made.measurement(environment={}))
    assert rows[0]["frequency_hz"] == []
