"""What `edgebench profile --per-op --trace` prints and writes."""

from __future__ import annotations

import json
from pathlib import Path

import example_records as made
import pytest
from click.testing import CliRunner

from edgebench.ground.errors import UsageError
from edgebench.machines import profiles
from edgebench.report import profiled, trace
from edgebench.run import mode

HOST = profiles.load("host")


def test_json_rows_carry_operators_where_they_were_timed(capsys: pytest.CaptureFixture[str]) -> None:
    results = [made.measurement(operators=made.operator_profile()), made.measurement(made.spec("mobilenetv1"))]
    profiled.show(results, HOST, json=True)
    first, second = json.loads(capsys.readouterr().out)
    assert len(first["operators"]["operators"]) == 40
    assert first["operators"]["roof_flop_per_s"] == 1.05e11
    assert "operators" not in second


def test_the_operators_table_follows_the_profile_table(capsys: pytest.CaptureFixture[str]) -> None:
    profiled.show([made.measurement(operators=made.operator_profile())], HOST)
    out = capsys.readouterr().out
    assert out.index("p50") < out.index("mobilenetv2-w1-d1-r224 tflite-fp32 (litert)") < out.index("features.0.conv")
    assert "15 faster operators are left out" in out


def test_the_trace_has_a_track_a_result_and_standard_output_stays_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [made.measurement(form=form, operators=made.operator_profile()) for form in ("tflite", "onnx")]
    profiled.show(results, HOST, json=True)
    json.loads(capsys.readouterr().out)
    trace.write(tmp_path / "out.json", profiled.operators(results))
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
