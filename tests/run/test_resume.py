"""A run that was cut goes on with the cells that are missing."""

import os
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgebench.ground import store
from edgebench.ground.errors import DeviceError, ExportError
from edgebench.ground.records import Artifact, ExportSpec, Measurement, ModelSpec, OperatorProfile, Result, Scenario
from edgebench.machines import profiles
from edgebench.run import engine
from edgebench.run import resume as resuming
from edgebench.run.mode import Method, Mode
from edgebench.run.plan import Cell

HOST, MEASURE = profiles.load("host"), Method(Mode.MEASURE)
SCENARIO = Scenario(processes=1)
FILE = Artifact(
    model=ModelSpec(name="net", family="fake"),
    export=ExportSpec(format="onnx"),
    path="net.onnx",
    sha256="a" * 64,
    size_bytes=1,
    inputs=(),
    outputs=(),
)
CELL = Cell(export=FILE.export, model=FILE.model)
STORED = Measurement(
    id="1",
    time="2026-11-21T10:00:00+00:00",
    model=FILE.model,
    export=FILE.export,
    device="host",
    runtime="onnxruntime",
    runtime_version="1",
    scenario=SCENARIO,
    latency_s=((0.1,),),
    artifact_sha256=FILE.sha256,
)


def found(record: Result, **asked: object) -> Result | None:
    values = {"artifact": FILE, "scenario": SCENARIO, "method": MEASURE, **asked}
    engine_ = engine.Engine(HOST, values["method"], values["scenario"])  # type: ignore[arg-type]
    return engine_.stored(resuming.Stored((record,)), CELL, values["artifact"])  # type: ignore[arg-type]


def test_the_same_cell_is_not_run_again() -> None:
    assert found(STORED) is STORED


@pytest.mark.parametrize(
    "change",
    [
        {"status": "failed"},
        {"status": "invalid"},
        {"artifact_sha256": "b" * 64},
        {"runtime": "litert"},
        {"provenance": "emulated"},
        {"scenario": Scenario(processes=2)},
    ],
)
def test_what_differs_or_failed_is(change: dict[str, object]) -> None:
    assert found(replace(STORED, **change)) is None


def test_a_cell_without_what_is_asked_for_now_is() -> None:
    assert found(STORED, method=Method(Mode.MEASURE, operators=True)) is None
    timed = replace(STORED, operators=OperatorProfile(method="m"))
    assert found(timed, method=Method(Mode.MEASURE, operators=True)) is timed
    assert found(STORED, artifact=ExportError("no file")) is None
    assert found(STORED, method=Method(Mode.ESTIMATE)) is None


def test_emulated_rows_have_a_scenario_of_their_own() -> None:
    emulated = replace(STORED, provenance="emulated", scenario=Scenario(warmup_runs=1))
    assert found(emulated, method=Method(Mode.EMULATE)) is emulated


def test_the_newest_run_goes_on_also_past_midnight_and_with_a_torn_line(tmp_path: Path) -> None:
    store.append(tmp_path, replace(STORED, id="old"), run="before")
    store.append(tmp_path, replace(STORED, time="2026-11-22T00:01:00+00:00"), run="cut")
    last = store.append(tmp_path, STORED, run="cut")
    with last.open("ab") as file:
        file.write(b'{"kind":"measure')
    for path in tmp_path.glob("*before*"):
        os.utime(path, (time.time() - 60,) * 2)
    earlier = resuming.newest(tmp_path)
    assert earlier.run == "cut"
    assert [result.time[:10] for result in earlier.results] == ["2026-11-21", "2026-11-22"]


def test_a_run_of_the_day_before_does_not_go_on(tmp_path: Path) -> None:
    path = store.append(tmp_path, STORED, run="cut")
    os.utime(path, (time.time() - resuming.A_DAY_S - 60,) * 2)
    earlier = resuming.newest(tmp_path)
    assert earlier.results == ()
    assert earlier.run != "cut"
    assert resuming.newest(tmp_path / "nothing").results == ()


def test_a_cut_run_measures_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [replace(FILE, sha256=letter * 64) for letter in "abc"]
    cells = [Cell(export=FILE.export, model=FILE.model) for _ in files]
    ran: list[str] = []
    broken = {"b" * 64}

    def measure(artifact: Artifact, *_: object, **__: object) -> Measurement:
        ran.append(artifact.sha256[0])
        if artifact.sha256 in broken:
            raise DeviceError("the connection was cut")
        return replace(STORED, artifact_sha256=artifact.sha256, time=f"2026-11-21T10:00:0{len(ran)}+00:00")

    monkeypatch.setattr("edgebench.measure.measure", measure)
    monkeypatch.setattr(engine, "prepare", lambda *_, **__: iter(files))
    first = engine.run(cells, HOST, SCENARIO, tmp_path, method=MEASURE)
    assert [each.status for each in first] == ["ok", "failed", "ok"]
    broken.clear()
    ran.clear()
    had: list[int] = []
    again = engine.run(cells, HOST, SCENARIO, tmp_path, method=MEASURE, resume=True, on_resumed=had.append)
    assert (ran, had) == (["b"], [2])
    assert [each.status for each in again] == ["ok"] * 3
    assert {path.name.rsplit("-", 1)[1] for path in (tmp_path / "host").iterdir()} == {
        f"{resuming.newest(tmp_path / 'host').run}.jsonl"
    }
    assert len(store.read(tmp_path / "host")) == 4
    engine.run(cells, HOST, SCENARIO, tmp_path, method=MEASURE)
    assert ran == ["b", "a", "b", "c"]
