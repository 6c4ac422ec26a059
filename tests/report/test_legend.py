"""What a profile table and its JSON say of an emulated row's time."""

from msgspec.structs import replace

from edgebench.ground.records import ExportSpec, Interval, Measurement, ModelSpec, Scenario
from edgebench.report import legend, rows, tables

EMULATED = Measurement(
    id="a",
    time="2026-11-21T00:00:00+00:00",
    model=ModelSpec(name="mobilenetv2", family="mobilenetv2"),
    export=ExportSpec(format="ncnn"),
    device="rpi4",
    runtime="ncnn",
    runtime_version="1",
    provenance="emulated",
    scenario=Scenario(),
    counts={"instructions": 100_000_000},
)
TIMED = replace(
    EMULATED,
    estimated_latency_s=Interval(value=0.08, low=0.07, high=0.09, confidence=0.9),
    calibrated_on="counted instructions",
)


def test_the_time_of_an_emulated_row_stands_beside_its_provenance_and_its_interval() -> None:
    [row] = tables.result_rows([TIMED])
    assert (row["provenance"], row["p50"], row["interval"]) == ("emulated", "80.0 ms", "70.0-90.0 ms")
    assert "p90" not in row
    flat = rows.profile(TIMED)
    assert flat["latency_s"] == {"median": 0.08, "low": 0.07, "high": 0.09, "p90": None, "p95": None, "p99": None}
    assert (flat["provenance"], flat["calibrated_on"]) == ("emulated", "counted instructions")


def test_it_is_said_what_the_time_is_and_what_it_is_not() -> None:
    found = " ".join(legend.lines([TIMED]))
    assert "(time through a calibrated constant, not measured): from counted instructions." in found
    assert "90% of cases" in found
    assert "no time is given" not in found


def test_without_a_constant_there_is_no_time() -> None:
    [row] = tables.result_rows([EMULATED])
    assert "p50" not in row
    assert rows.profile(EMULATED)["latency_s"]["median"] is None
    assert rows.profile(EMULATED)["calibrated_on"] is None
    assert "no time is given" in " ".join(legend.lines([EMULATED]))
