"""The worker: its loop in pieces, and the whole script as it runs on a device."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from edgebench.ground.records import Artifact, Scenario
from edgebench.measure import worker
from edgebench.runtimes import runtime
from edgebench.runtimes.fake import engine as fake


class Simulated:
    """A clock, and runs that take the given nanoseconds on it, over and over."""

    def __init__(self, *takes: int) -> None:
        self.now, self.calls, self.takes = 0, 0, takes

    def clock(self) -> int:
        return self.now

    def run(self) -> None:
        self.now += self.takes[self.calls % len(self.takes)]
        self.calls += 1


@pytest.mark.parametrize(
    ("takes", "runs", "least_ns", "most_ns", "count"),
    [
        (10, 5, 0, 10**9, 5),  # as many as asked
        (10, 5, 1000, 10**9, 100),  # AND as long as asked
        (10, 100, 20, 10**9, 100),
        (10, 100, 20, 300, 30),  # the cap goes before both
        (500, 100, 20, 300, 1),  # and one is always taken
    ],
)
def test_runs_and_time_are_both_reached(takes: int, runs: int, least_ns: int, most_ns: int, count: int) -> None:
    simulated = Simulated(takes)
    samples = worker.repeat(simulated.run, simulated.clock, runs=runs, least_ns=least_ns, most_ns=most_ns)
    assert samples == [takes] * count


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20), st.integers(1, 50), st.integers(1, 5))
def test_samples_are_every_kth_run_in_time_order(takes: list[int], runs: int, every: int) -> None:
    simulated = Simulated(*takes)
    samples = worker.repeat(simulated.run, simulated.clock, runs=runs, least_ns=0, most_ns=10**9, every=every)
    assert samples == [takes[number % len(takes)] for number in range(every - 1, every * runs, every)]
    assert simulated.calls == every * runs


@pytest.mark.parametrize(("run_ns", "every"), [(10**7, 1), (5 * 10**5, 1), (10**5, 5), (10**4, 50)])
def test_a_fast_network_is_timed_every_so_often(run_ns: int, every: int) -> None:
    assert worker.stride([run_ns] * 10, least_ns=10**10) == every


def test_without_warm_up_every_run_is_timed() -> None:
    assert worker.stride([], least_ns=10**10) == 1


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8"])
def test_the_input_is_the_seeds_in_the_files_own_dtype(dtype: str) -> None:
    session = SimpleNamespace(inputs=[{"name": "image", "shape": [1, 16, 16, 3], "dtype": dtype}])
    one, other = worker.make_input(session, 3), worker.make_input(session, 4)
    assert one.shape == (1, 16, 16, 3) and one.dtype == dtype
    assert np.array_equal(one, worker.make_input(session, 3)) and not np.array_equal(one, other)
    if dtype == "int8":
        assert (one.min(), one.max()) == (-128, 127)


def test_without_proc_there_is_no_peak_rather_than_a_wrong_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(worker, "CLEAR_REFS", tmp_path / "none" / "clear_refs")
    assert "no resettable peak" in (worker.resettable() or "")
    status = tmp_path / "status"
    monkeypatch.setattr(worker, "CLEAR_REFS", tmp_path / "clear_refs")
    monkeypatch.setattr(worker, "STATUS", status)
    status.write_text("VmHWM:\t  900000 kB\nVmRSS:\t  100000 kB\n")
    assert "does not reset" in (worker.resettable() or "")
    status.write_text("VmHWM:\t  101000 kB\nVmRSS:\t  100000 kB\n")
    assert worker.resettable() is None
    status.write_text("VmRSS:\t  100000 kB\n")
    assert "ValueError" in (worker.resettable() or "")


def test_readings_take_the_highest_of_what_can_be_read(tmp_path: Path) -> None:
    names = ("600000", "1500000", "off")
    for name in names:
        (tmp_path / name).write_text(name)
    assert worker.highest([tmp_path / name for name in (*names, "absent")], 1e3) == 1.5e9
    assert worker.highest([tmp_path / "off"], 1.0) is None


def job(artifact: Artifact, scenario: Scenario, **changes: Any) -> dict[str, Any]:
    values = {
        "engine": fake.__file__,
        "artifact": artifact.path,
        "mode": "latency",
        "process": 0,
        "clock": "engine",
        "scenario": to_builtins(scenario),
    }
    return {**values, **changes}


def execute(job: dict[str, Any], script: str = worker.__file__, **options: Any) -> tuple[list[dict[str, Any]], int]:
    command = [sys.executable, script]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False, **options)
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


def test_events_come_in_order_with_virtual_times(fake_artifact: Callable[..., Artifact], scenario: Scenario) -> None:
    artifact = fake_artifact(load_s=1.5, first_s=0.25, latency_s=[0.005], chatter="not an event\n")
    events, code = execute(job(artifact, scenario))
    assert code == 0
    assert [event["event"] for event in events] == ["import", "load", "first", "warm", "samples", "end"]
    named = {event["event"]: event for event in events}
    assert named["load"]["ns"] == 1_500_000_000
    assert named["first"]["ns"] == 250_000_000
    assert named["warm"]["runs"] == 3
    assert named["samples"]["ns"] == [5_000_000] * 20


def test_an_exception_is_an_event(fake_artifact: Callable[..., Artifact], scenario: Scenario) -> None:
    events, code = execute(job(fake_artifact(fail={"2": "raise"}), scenario))
    assert code == 1
    assert events[-1] == {
        "event": "error",
        "type": "RuntimeError",
        "message": "the fake engine was told to raise",
        "missing": None,
    }


def test_a_missing_package_is_named(fake_artifact: Callable[..., Artifact], scenario: Scenario, tmp_path: Path) -> None:
    engine = tmp_path / "engine.py"
    engine.write_text("import no_such_engine\n")
    events, _ = execute(job(fake_artifact(), scenario, engine=str(engine)))
    assert events[-1]["missing"] == "no_such_engine"


@pytest.mark.skipif(not worker.CLEAR_REFS.exists(), reason="peak memory is read from /proc")
def test_memory_is_the_peak_of_each_phase(fake_artifact: Callable[..., Artifact], scenario: Scenario) -> None:
    mebibyte = 2**20
    sizes = {"load": 30 * mebibyte, "first": 20 * mebibyte, "second": 60 * mebibyte}
    events, code = execute(job(fake_artifact(memory_bytes=sizes), scenario, mode="memory"))
    assert code == 0
    assert [event["event"] for event in events] == ["import", "load", "memory", "end"]
    peaks = events[2]["peaks"]
    above = {phase: (peak - peaks["baseline"]) / mebibyte for phase, peak in peaks.items()}
    assert above["load"] == pytest.approx(30, abs=4)
    assert above["first"] == pytest.approx(50, abs=4)
    assert above["steady"] == pytest.approx(90, abs=4)  # the second inference, not the first, is the highest


def test_copied_to_a_bare_folder_it_finds_the_engine_and_not_itself(
    fake_artifact: Callable[..., Artifact], scenario: Scenario, tmp_path: Path
) -> None:
    """On a board the worker lies beside onnxruntime.py, which imports onnxruntime."""
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install 'edgebench[onnx]'")
    device = tmp_path / "device"
    device.mkdir()
    shutil.copy(worker.__file__, device)
    for name in ("fake", "onnxruntime"):
        shutil.copy(runtime(name).engine_file, device / f"{name}.py")
    script = str(device / "worker.py")
    events, code = execute(job(fake_artifact(), scenario, engine="fake.py"), script, cwd=device)
    assert (events[-1]["event"], code) == ("end", 0)
    events, _ = execute(job(fake_artifact(), scenario, engine="onnxruntime.py", clock="monotonic"), script, cwd=device)
    assert events[0]["event"] == "import"
    assert events[-1]["type"] != "AttributeError"
