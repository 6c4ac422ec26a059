"""What `edgebench profile` prints, its legend, and what a notebook shows."""

from __future__ import annotations

import json
from pathlib import Path

import example_records as made
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from edgebench.ground.errors import UsageError
from edgebench.ground.records import QUICK, Estimate, ExportSpec, Interval, Measurement, ModelSpec, Scenario
from edgebench.machines import profiles
from edgebench.report import operators, output, profiled, rows
from edgebench.report.profiled import Results
from edgebench.run import mode

HOST = profiles.load("host")


def test_json_rows_carry_operators_where_they_were_timed(capsys: pytest.CaptureFixture[str]) -> None:
    results = [made.measurement(operators=made.operator_profile()), made.measurement(made.spec("mobilenetv1"))]
    profiled.show(results, [HOST], json=True)
    first, second = json.loads(capsys.readouterr().out)
    assert len(first["operators"]["operators"]) == 40
    assert first["operators"]["roof_flop_per_s"] == 1.05e11
    assert second["operators"] is None


def test_the_operators_table_follows_the_profile_table(capsys: pytest.CaptureFixture[str]) -> None:
    profiled.show([made.measurement(operators=made.operator_profile())], [HOST])
    out = capsys.readouterr().out
    assert out.index("p50") < out.index("mobilenetv2-w1-d1-r224 tflite-fp32 (litert)") < out.index("features.0.conv")
    assert "15 faster operators are left out" in out


def test_many_devices_are_one_table_that_says_which_keep_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    spec, export = ModelSpec(family="lenet5", name="lenet5", resolution=32), ExportSpec()
    results = [
        Estimate(
            id=name,
            time="2026-11-21T00:00:00+00:00",
            model=spec,
            export=export,
            device=name,
            runtime="litert",
            threads=1,
            latency_s=Interval(value=value, low=value / 2, high=2 * value, confidence=0.9) if value else None,
        )
        for name, value in (("rpi4", 0.010), ("rpi5", 0.030), ("pixel3", 0.090), ("n100", None))
    ]
    on = profiles.several("rpi4,rpi5, pixel3,n100,rpi4")
    assert [device.name for device in on] == ["rpi4", "rpi5", "pixel3", "n100"]
    with output.all_columns():
        profiled.show(results, on, at_most_s=0.033)
    out = capsys.readouterr().out
    assert "<= 33.0 ms" in out and "Raspberry Pi 5" in out
    assert [profiled.keeps(result, 0.033) for result in results] == ["yes", "maybe", "no", "-"]
    assert not set(profiles.HERE) & {device.name for device in profiles.several("all")}


def test_the_trace_has_a_track_a_result_and_standard_output_stays_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [made.measurement(form=form, operators=made.operator_profile()) for form in ("tflite", "onnx")]
    profiled.show(results, [HOST], json=True)
    json.loads(capsys.readouterr().out)
    operators.write_trace(tmp_path / "out.json", profiled.operator_profiles(results))
    events = json.loads((tmp_path / "out.json").read_text())["traceEvents"]
    assert {event["pid"] for event in events} == {1, 2}


@pytest.mark.parametrize(("device", "counts"), [("rpi4", False), ("host", True)])
def test_operators_are_timed_on_this_machine_only(device: str, counts: bool) -> None:
    with pytest.raises(UsageError, match="`per_op` times operators on this machine"):
        mode.method(profiles.load(device), counts=counts, operators=True)
    assert mode.method(HOST, operators=True).operators
    assert mode.method(profiles.load("rpi4"), "emulator", operators=True).operators


def test_profile_per_op_from_the_command_line_to_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert: pip install 'edgebench[tflite]'")
    from edgebench.cli import app
    from edgebench.ground import store
    from edgebench.ground.records import Measurement

    monkeypatch.chdir(tmp_path)
    arguments = ["profile", "lenet5", "--fmt", "tflite", "--quick", "--trace", "trace.json", "--json"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert "ui.perfetto.dev" in done.stderr
    [row] = json.loads(done.stdout)
    assert sum(each["macs"] or 0 for each in row["operators"]["operators"]) == row["macs"] == 416_520
    [stored] = store.read("results")
    assert isinstance(stored, Measurement)
    assert stored.operators is not None
    assert len(stored.operators.operators) == len(row["operators"]["operators"])
    assert json.loads(Path("trace.json").read_text())["displayTimeUnit"] == "ms"


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
    [row] = Results([TIMED]).cells()
    assert (row["provenance"], row["p50"], row["interval"]) == ("emulated", "80.0 ms", "70.0-90.0 ms")
    assert "p90" not in row
    flat = rows.profile(TIMED)
    assert flat["latency_s"] == {
        "median": 0.08,
        "low": 0.07,
        "high": 0.09,
        "confidence": 0.9,
        **dict.fromkeys(("p90", "p95", "p99")),
    }
    assert (flat["provenance"], flat["calibrated_on"]) == ("emulated", "counted instructions")


def test_it_is_said_what_the_time_is_and_what_it_is_not() -> None:
    found = " ".join(profiled.legend([TIMED]))
    assert "(time through a calibrated constant, not measured): from counted instructions." in found
    assert "90% of cases" in found
    assert "no time is given" not in found


def test_without_a_constant_there_is_no_time() -> None:
    [row] = Results([EMULATED]).cells()
    assert "p50" not in row
    assert rows.profile(EMULATED)["latency_s"]["median"] is None
    assert rows.profile(EMULATED)["calibrated_on"] is None
    assert "no time is given" in " ".join(profiled.legend([EMULATED]))


MODEL = ModelSpec(name="mobilenetv2", family="mobilenetv2", width=0.5)
MEASURED = Measurement(
    id="a",
    time="2026-11-21T00:00:00+00:00",
    model=MODEL,
    export=ExportSpec(),
    device="host",
    runtime="litert",
    runtime_version="2.3.0",
    scenario=QUICK,
    latency_s=((0.007,) * 20_000,) * 3,
)
ESTIMATED = Estimate(
    id="b",
    time="2026-11-21T00:00:00+00:00",
    model=ModelSpec(name="<b>", family="user", resolution=48, height=32),
    export=ExportSpec(),
    device="rpi4",
    runtime="litert",
    latency_s=Interval(value=0.05, low=0.04, high=0.06, confidence=0.9),
)


def test_a_record_cuts_raw_samples_short() -> None:
    html = MEASURED._repr_html_()
    assert len(html) < 5_000
    assert "0.007, 0.007" in html and "mobilenetv2" in html


def test_results_are_one_table() -> None:
    found = Results([MEASURED, ESTIMATED])
    html = found._repr_html_()
    assert html.count("<tr>") == 3
    assert "7.00 ms" in html and "40.0-60.0 ms" in html and "estimated" in html
    assert "&lt;b&gt;" in html and "<b>" not in html


def test_results_at_a_prompt_leave_out_what_no_row_has() -> None:
    shown = repr(Results([ESTIMATED]))
    assert "50.0 ms" in shown and "32x48" in shown
    assert "parity" not in shown and "first" not in shown


def test_results_are_the_list_of_their_records() -> None:
    assert Results([MEASURED]) == [MEASURED]
    assert repr(Results()).strip() == ""
    assert Results()._repr_html_() == "<table></table>"


def test_in_a_notebook_a_table_is_text_and_not_shown_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert "mobilenetv2" in repr(Results([made.measurement()]))


def test_networks_are_called_by_their_short_names_as_long_as_these_tell_them_apart() -> None:
    def names(*wanted: str) -> list[str]:
        networks = [ModelSpec(name=name, family="user") for name in wanted]
        return [row["model"] for row in Results([made.measurement(network) for network in networks]).cells()]

    assert names("nets.py:make", "nets.py:other", "lenet5") == ["make", "other", "lenet5"]
    assert names("nets.py:make", "old.py:make") == ["nets.py:make", "old.py:make"]
