"""The runner: what a measurement holds, and one sentence for each way to fail."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from edgebench.ground.errors import UsageError
from edgebench.ground.records import Artifact, ExportSpec, Measurement, Scenario
from edgebench.measure import measure, summarize
from edgebench.places.target import Ended, Event, First, Job, Loaded, Peaks, Raised, Samples, Warm

Fake = Callable[..., Artifact]


class Scripted:
    """A target that says what it is told to, without a process."""

    def __init__(self, *, clocks: Iterable[float | None] = (), throttled: int = 0, last: Event | None = None) -> None:
        self.clocks, self.throttled, self.last = iter(clocks), throttled, last
        self.jobs: list[Job] = []
        self.captures = 0

    def environment(self, threads: int) -> dict[str, Any]:
        self.captures += 1
        return {"machine": "m", "threads": threads, "throttled": self.throttled if self.captures > 1 else 0}

    def run(self, job: Job) -> Generator[Event, None, None]:
        self.jobs.append(job)
        yield Loaded(ns=10**9, version="1.2", inputs=[], outputs=[], delegates=1, delegated_share=1.0)
        if job.mode == "memory":
            yield Peaks(peaks={"baseline": 100, "load": 300, "first": 400, "steady": 350})
        else:
            yield First(ns=2 * 10**9)
            yield Warm(runs=10, frequency_hz=next(self.clocks, None))
            yield Samples(ns=[5 * 10**6] * 70, frequency_hz=next(self.clocks, None), timed_every=4)
        yield self.last or Ended()


def test_a_measurement_holds_everything_and_survives_json(fake_artifact: Fake, scenario: Scenario) -> None:
    artifact = fake_artifact(load_s=0.5, first_s=0.25, latency_s=[0.004, 0.006], noise=0.01)
    told: list[str] = []
    found = measure(artifact, "fake", scenario, device="host", on_progress=told.append)
    assert (found.status, found.error, found.runtime_version) == ("ok", None, "1")
    assert len(found.latency_s) == scenario.processes
    assert found.latency_s[0] != found.latency_s[1]
    assert (found.load_s, found.first_s) == ((0.5, 0.5), (0.25, 0.25))
    assert (found.parameters, found.macs, found.artifact_sha256) == (3_504_872, 300_774_272, "ab" * 32)
    assert found.environment["machine"] and found.environment["engine"]["version"] == "1"
    assert told == ["process 1 of 2", "process 2 of 2", "memory"]
    assert summarize(found.latency_s).median == pytest.approx(0.005, rel=0.3)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Measurement) == found


def test_the_same_scenario_gives_the_same_samples(fake_artifact: Fake, scenario: Scenario) -> None:
    artifact = fake_artifact(noise=0.05, process_noise=0.05)
    one, other = (measure(artifact, "fake", scenario) for _ in range(2))
    assert one.latency_s == other.latency_s
    assert one.id != other.id


def test_every_process_is_its_own_and_memory_comes_last(fake_artifact: Fake, scenario: Scenario) -> None:
    target = Scripted()
    found = measure(fake_artifact(), "litert", scenario, target=target)
    assert [(job.mode, job.process) for job in target.jobs] == [("latency", 0), ("latency", 1), ("memory", 2)]
    assert found.peak_memory_bytes == 300
    assert found.counts == {"timed_every": 4}
    assert found.environment["engine"] == {"version": "1.2", "delegates": 1, "delegated_share": 1.0}
    assert found.environment["after"] == {}


def test_a_falling_clock_is_invalid_and_keeps_its_samples(fake_artifact: Fake, scenario: Scenario) -> None:
    found = measure(fake_artifact(), "litert", scenario, target=Scripted(clocks=[1.8e9, 1.8e9, 1.8e9, 1.5e9]))
    assert found.status == "invalid"
    assert found.error is not None and "fell by 17%" in found.error
    assert len(found.latency_s) == 2


def test_a_throttled_board_is_invalid(fake_artifact: Fake, scenario: Scenario) -> None:
    found = measure(fake_artifact(), "litert", scenario, target=Scripted(throttled=0x50005))
    assert found.status == "invalid"
    assert found.environment["after"] == {"throttled": 0x50005}


def test_a_missing_package_is_said_with_its_command(fake_artifact: Fake, scenario: Scenario) -> None:
    lacks = Raised(type="ModuleNotFoundError", message="No module named 'ai_edge_litert'", missing="ai_edge_litert")
    found = measure(fake_artifact(), "litert", scenario, target=Scripted(last=lacks))
    assert found.error == "runtime litert needs the package ai_edge_litert: pip install 'edgebench[tflite]'"


def test_no_peak_memory_is_a_warning(fake_artifact: Fake, scenario: Scenario) -> None:
    class NoProc(Scripted):
        def run(self, job: Job) -> Generator[Event, None, None]:
            for event in super().run(job):
                yield Peaks(peaks={}, why_not="this system has none") if isinstance(event, Peaks) else event

    found = measure(fake_artifact(), "litert", scenario, target=NoProc())
    assert (found.status, found.peak_memory_bytes) == ("ok", None)
    assert found.warnings[-1] == "peak memory was not measured: this system has none; measure it on Linux"


class Heated(Scripted):
    """A device whose temperature is told by a list, the last for ever."""

    def __init__(self, *celsius: float) -> None:
        super().__init__()
        self.celsius = list(celsius)

    def environment(self, threads: int) -> dict[str, Any]:
        now = self.celsius.pop(0) if len(self.celsius) > 1 else self.celsius[0]
        return {**super().environment(threads), "temperature_c": now}


def test_a_warm_device_is_waited_for(fake_artifact: Fake, scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("edgebench.measure.runner.time.sleep", slept.append)
    told: list[str] = []
    target = Heated(40.0, 60.0, 50.0, 42.0)
    found = measure(fake_artifact(), "litert", scenario, target=target, on_progress=told.append)
    assert slept == [1, 1]
    assert told[1:3] == ["cooling down from 60 to 43 °C", "cooling down from 50 to 43 °C"]
    assert not any("cool" in warning for warning in found.warnings)


def test_a_device_that_stays_hot_is_measured_with_a_warning(
    fake_artifact: Fake, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("edgebench.measure.runner.time.sleep", slept.append)
    found = measure(fake_artifact(), "litert", replace(scenario, processes=3), target=Heated(40.0, 60.0))
    assert len(slept) == 120
    assert [warning for warning in found.warnings if "did not cool down to 43 °C within 60 s" in warning] == [
        found.warnings[-1]
    ]
    slept.clear()
    measure(fake_artifact(), "litert", replace(scenario, quick=True), target=Heated(40.0, 60.0))
    assert slept == []


@pytest.mark.parametrize("changes", [{"threads": 0}, {"processes": 0}, {"batch": -1}])
def test_a_scenario_that_is_none_is_refused(fake_artifact: Fake, scenario: Scenario, changes: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=rf"cannot be measured: Expected `int` >= 1 - at `\$.{next(iter(changes))}`"):
        measure(fake_artifact(), "fake", replace(scenario, **changes))


@pytest.mark.parametrize(
    ("fail", "says"),
    [
        ({"load": "raise"}, "fake raised RuntimeError: the fake engine was told to raise"),
        ({"0": "SIGSEGV"}, "crashed with SIGSEGV, an invalid memory access inside the engine, while running the first"),
        (
            {"2": "SIGKILL"},
            "was killed from outside with SIGKILL, as Linux does when memory runs out, while warming up",
        ),
        ({"9": "exit"}, "fake ended with exit code 3 while taking samples"),
        ({"load": "SIGILL"}, "an instruction that this CPU does not have, while loading the file"),
    ],
)
def test_every_way_to_die_is_one_sentence(
    fake_artifact: Fake, scenario: Scenario, fail: dict[str, str], says: str
) -> None:
    found = measure(fake_artifact(fail=fail), "fake", scenario)
    assert (found.status, found.latency_s) == ("failed", ())
    assert found.error is not None and says in found.error
    assert "\n" not in found.error and "Traceback" not in found.error


def test_what_was_measured_before_a_failure_is_kept(fake_artifact: Fake, scenario: Scenario) -> None:
    class DiesLater(Scripted):
        def run(self, job: Job) -> Generator[Event, None, None]:
            self.last = Raised(type="MemoryError", message="") if job.mode == "memory" else None
            return super().run(job)

    found = measure(fake_artifact(), "litert", scenario, target=DiesLater())
    assert (found.status, found.error) == ("failed", "litert raised MemoryError: no message")
    assert len(found.latency_s) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_ends_the_child_and_goes_on(
    fake_artifact: Fake, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    children: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def remember(*arguments: Any, **options: Any) -> Any:
        child = start(*arguments, **options)
        children.append(child)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        return child

    artifact = fake_artifact(fail={"load": "hang"})
    monkeypatch.setattr("edgebench.machines.environment._output", lambda *command: None)
    monkeypatch.setattr("edgebench.places.local.subprocess.Popen", remember)
    with pytest.raises(KeyboardInterrupt):
        measure(artifact, "fake", scenario)
    assert [child.returncode for child in children] == [-signal.SIGKILL]


@pytest.mark.parametrize(
    ("runtime", "changes", "says"),
    [
        ("onnxruntime", {}, "runtime onnxruntime does not run tflite files; litert does"),
        ("litret", {}, "did you mean litert"),
        ("litert", {"path": "/nowhere/x.tflite"}, "/nowhere/x.tflite is not there"),
        ("coreml", {"export": ExportSpec(format="coreml")}, "on a Mac only"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_runs(
    fake_artifact: Fake,
    scenario: Scenario,
    monkeypatch: pytest.MonkeyPatch,
    runtime: str,
    changes: dict[str, Any],
    says: str,
) -> None:
    monkeypatch.setattr("edgebench.runtimes.platform.system", lambda: "Linux")
    artifact = replace(fake_artifact(), **changes)
    with pytest.raises(UsageError, match=says):
        measure(artifact, runtime, scenario)
