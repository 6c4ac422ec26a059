"""Operators as rows, as a table and as a trace."""

from __future__ import annotations

import json
from io import StringIO
from itertools import pairwise
from pathlib import Path

import example_records as made
import pytest
from msgspec.structs import replace
from rich.console import Console

from edgebench.ground.errors import UsageError
from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.report import operators, output

TWO = OperatorProfile(
    method="a profiler",
    operators=(
        OperatorTime(name="small", kind="ADD", time_s=(1e-3, 3e-3, 1e-3), macs=0, traffic_bytes=1_000_000),
        OperatorTime(name="large", kind="CONV", time_s=(3e-3, 3e-3, 9e-3), macs=75_000_000, traffic_bytes=1_000_000),
    ),
    profiled_s=(5e-3, 7e-3, 11e-3),
    plain_s=(4e-3, 4e-3, 4e-3),
    roof_flop_per_s=1e11,
    roof_bytes_per_s=1e10,
)


def test_rows_are_ranked_by_their_median_and_shares_add_up() -> None:
    large, small = operators.ranked(TWO)
    assert (large.name, large.time_s, large.share, large.cumulative_share) == ("large", 3e-3, 0.75, 0.75)
    assert (small.name, small.time_s, small.share, small.cumulative_share) == ("small", 1e-3, 0.25, 1.0)
    assert "All operators 4.00 ms" in " ".join(operators.caption(TWO))


COUNTED = OperatorProfile(
    method="a count",
    operators=tuple(
        OperatorTime(name=name, kind="CONV", time_s=(), counts={"instructions": count, "load": 1})
        for name, count in (("small", 1_000_000), ("large", 3_000_000))
    ),
)


def test_operators_that_no_clock_has_seen_are_ranked_by_their_instructions() -> None:
    large, small = operators.counted(COUNTED)
    assert (large.name, large.instructions, large.share, large.cumulative_share) == ("large", 3_000_000, 0.75, 0.75)
    assert (small.name, small.share, small.cumulative_share) == ("small", 0.25, 1.0)
    assert operators.shown(COUNTED) == [vars(large), vars(small)]
    assert operators.shown(TWO) == [vars(row) for row in operators.ranked(TWO)]
    assert operators.caption(COUNTED) == ["Counts: a count."]


def test_the_roof_is_that_of_computing_or_of_moving_bytes_whichever_takes_longer() -> None:
    large, small = operators.ranked(TWO)
    assert large.flop_per_s == pytest.approx(2 * 75e6 / 3e-3)
    assert large.roof_share == pytest.approx(0.5)  # 150 MFLOP at 100 GFLOP/s take 1.5 ms of its 3
    assert small.flop_per_s is None
    assert small.roof_share == pytest.approx(0.1)  # 1 MB at 10 GB/s takes 0.1 ms of its 1


@pytest.mark.parametrize("changes", [{"roof_flop_per_s": None}, {"roof_bytes_per_s": None}])
def test_without_a_roof_there_is_no_share_of_it(changes: dict[str, None]) -> None:
    assert {row.roof_share for row in operators.ranked(replace(TWO, **changes))} == {None}
    assert not any("Roof" in line for line in operators.caption(replace(TWO, **changes)))


def test_unknown_costs_stay_unknown_and_an_instant_operator_has_no_rate() -> None:
    unknown = OperatorTime(name="x", kind="x", time_s=(0.0,))
    [row] = operators.ranked(replace(TWO, operators=(unknown,)))
    assert (row.macs, row.flop_per_s, row.roof_share) == (None, None, None)


def test_operators_of_one_name_are_told_apart() -> None:
    same = tuple(OperatorTime(name="Tanh", kind="Tanh", time_s=(time,)) for time in (2.0, 1.0))
    assert [row.name for row in operators.ranked(replace(TWO, operators=same))] == ["Tanh", "Tanh (2)"]


def test_the_table_says_what_is_left_out_and_leaves_markup_alone() -> None:
    hostile = OperatorTime(name="[red]<b>&", kind="CONV", time_s=(1.0,))
    profile = made.operator_profile()
    profile = replace(profile, operators=(hostile, *profile.operators))
    out = StringIO()
    console = Console(file=out, width=200)
    for block in operators.table(profile, "mobilenetv2 [bold]", most=3):
        console.print(block)
    text = out.getvalue()
    assert "[red]<b>&" in text
    assert "mobilenetv2 [bold]" in text
    assert "38 faster operators are left out" in text
    assert "105.0 GFLOP/s, 64.0 GB/s" in text


def test_json_rows_have_every_operator() -> None:
    flat = json.loads(output.document(operators.rows(made.operator_profile())))
    assert len(flat["operators"]) == 40
    assert set(flat["operators"][0]) == {
        "name", "kind", "unit", "time_s", "share", "cumulative_share", "macs", "traffic_bytes", "flop_per_s",
        "roof_share",
    }  # fmt: skip


def test_a_trace_nests_the_operators_in_their_inference(tmp_path: Path) -> None:
    profile = made.operator_profile(count=5, runs=3)
    operators.write_trace(tmp_path / "deep" / "out.json", {"mobilenetv2 tflite": profile})
    document = json.loads((tmp_path / "deep" / "out.json").read_text())
    events = document["traceEvents"]
    assert {event["args"]["name"] for event in events if event["ph"] == "M"} == {"mobilenetv2 tflite", profile.method}
    complete = [event for event in events if event["ph"] == "X"]
    inferences = [event for event in complete if event["cat"] == "inference"]
    assert [event["name"] for event in inferences] == ["inference 1", "inference 2", "inference 3"]
    assert len(complete) == 3 + 3 * 5
    for inference in inferences:
        begin, end = inference["ts"], inference["ts"] + inference["dur"]
        inside = [event for event in complete if event is not inference and begin <= event["ts"] < end]
        assert len(inside) == 5
        assert all(event["ts"] + event["dur"] <= end + 0.01 for event in inside)
        assert all(one["ts"] + one["dur"] <= other["ts"] + 0.01 for one, other in pairwise(inside))


def test_every_profile_has_a_track_of_its_own() -> None:
    events = operators.chrome_trace({"one": TWO, "two": TWO})["traceEvents"]
    named = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert named == {1: "one", 2: "two"}
    assert [sum(event["pid"] == track for event in events) for track in (1, 2)] == [11, 11]


def test_a_trace_keeps_the_starts_that_the_engine_told() -> None:
    told = OperatorTime(name="a", kind="Conv", time_s=(1e-3, 1e-3), start_s=(2e-3, 3e-3))
    profile = replace(TWO, operators=(told,), profiled_s=(5e-3, 5e-3))
    starts = [event["ts"] for event in operators.chrome_trace({"t": profile})["traceEvents"] if event["name"] == "a"]
    assert starts == [2000.0, 8000.0]


def test_a_trace_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=r"cannot write .*out.json: file exists"):
        operators.write_trace(tmp_path / "file" / "out.json", {"t": TWO})
