"""Thresholds: percentages, noise files, and what A/A runs teach."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edgebench.compare import thresholds
from edgebench.ground import store
from edgebench.ground.errors import DeviceError, Inconclusive, UsageError
from edgebench.ground.records import Artifact, ExportSpec, Measurement, ModelSpec

NOISE = 'device = "host"\nthreshold = "4.5%"\nmachine = "1a2b3c4d"\nprocesses = 60\n'


def test_five_percent_unless_told() -> None:
    assert thresholds.parse(None).of("host") == 0.05
    assert thresholds.parse(" 2.5 % ").of("rpi4") == 0.025


@pytest.mark.parametrize("text", ["5", "0.05", "five%", "-5%", "0%", "nan%", "", "%", "1e9%", "5%%"])
def test_what_is_no_percentage(text: str) -> None:
    with pytest.raises(UsageError, match="is not a percentage above zero: write for example 5%"):
        thresholds.parse(text)


@given(st.floats(0.001, 1000))
def test_percentages_survive_writing(share: float) -> None:
    assert thresholds.parse_percent(f"{share:.6f}%") == pytest.approx(share / 100, rel=1e-3)


def test_a_noise_file_holds_for_its_own_device_only(tmp_path: Path) -> None:
    path = tmp_path / "noise.toml"
    path.write_text(NOISE)
    assert thresholds.parse(str(path)).of("host") == 0.045
    with pytest.raises(UsageError, match="learned on host and says nothing of rpi4"):
        thresholds.parse(str(path)).of("rpi4")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (NOISE + "extra = 1\n", "unknown key in .*: 'extra'"),
        (NOISE.replace('"4.5%"', "4.5"), "is not a noise file: Expected `str`"),
        (NOISE.replace('"4.5%"', '"4.5"'), "'4.5' is not a percentage"),
        (NOISE.replace("device", "# device"), "missing required field `device`"),
        ("= 1", "is not TOML"),
    ],
)
def test_what_is_no_noise_file(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "noise.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        thresholds.parse(str(path))


def test_a_noise_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the noise file"):
        thresholds.parse(str(tmp_path / "noise.toml"))


Measured = Callable[..., Measurement]


def drifting(spread: float, drift: float, count: int = 60, seed: int = 0) -> tuple[tuple[float, ...], ...]:
    """Processes of one sample each whose level wanders: an AR(1) of that spread, with `drift` as its memory."""
    chance, level, found = np.random.default_rng(seed), 0.0, []
    for step in chance.normal(0, spread * (1 - drift**2) ** 0.5, count):
        level = drift * level + step
        found.append((0.007 * float(np.exp(level)),))
    return tuple(found)


def learned(measured: Measured, spread: float, drift: float = 0.0, seed: int = 0) -> float:
    latency = drifting(spread, drift, seed=seed)
    return thresholds.parse_percent(thresholds.learn(measured(processes=60, latency_s=latency)).threshold)


def test_a_steady_machine_holds_the_least_threshold(measured: Measured) -> None:
    assert learned(measured, 0.002) == thresholds.LEAST


def test_threshold_grows_with_noise_and_with_drift(measured: Measured) -> None:
    seeds = range(5)
    quiet, noisy = (np.mean([learned(measured, spread, seed=s) for s in seeds]) for spread in (0.02, 0.06))
    wandering = np.mean([learned(measured, 0.02, 0.9, seed=s) for s in seeds])
    assert quiet < noisy
    assert quiet < wandering


def test_no_two_stretches_differ_by_more(measured: Measured) -> None:
    latency = drifting(0.03, 0.5)
    found = thresholds.learn(measured(processes=60, latency_s=latency))
    values = [process[0] for process in latency]
    worst = max(
        max(np.median(a) / np.median(b), np.median(b) / np.median(a))
        for a, b in ((values[i : i + 10], values[j : j + 10]) for i in range(41) for j in range(i + 10, 51))
    )
    assert thresholds.parse_percent(found.threshold) == pytest.approx(worst - 1, abs=0.015)
    assert found.compared == 41 * 42 // 2
    assert found.processes == 60


def test_it_is_written_with_its_samples_and_read_as_fail_on(measured: Measured, tmp_path: Path) -> None:
    run = measured(processes=60, latency_s=drifting(0.03, 0.5), model='m"\\é')
    found, path = thresholds.learn(run), tmp_path / "new" / "noise-host.toml"
    thresholds.write(found, run, path)
    share = thresholds.parse_percent(found.threshold)
    assert thresholds.parse(str(path)) == thresholds.Threshold(share, found.device, found.machine)
    assert thresholds.parse(str(path)).of("host") == share
    assert store.read(path.with_suffix(".jsonl")) == [run]
    assert [each.name for each in sorted(path.parent.iterdir())] == ["noise-host.jsonl", "noise-host.toml"]


def test_a_folder_that_is_a_file(measured: Measured, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = measured(processes=40, latency_s=drifting(0.01, 0, 40))
    with pytest.raises(UsageError, match=r"cannot write .*file exists"):
        thresholds.write(thresholds.learn(run), run, tmp_path / "file" / "noise.toml")


def test_too_few_processes_are_refused_before_anything_runs(measured: Measured) -> None:
    with pytest.raises(UsageError, match="39 processes are too few to learn noise from: run 40 or more"):
        thresholds.check_enough(39)
    with pytest.raises(UsageError, match="10 processes are too few"):
        thresholds.learn(measured())


@pytest.fixture
def artifact(tmp_path: Path) -> Callable[..., Artifact]:
    def make(**behaviour: object) -> Artifact:
        path = tmp_path / "fake.json"
        path.write_text(json.dumps(behaviour))
        spec = ModelSpec(name="fake", family="fake")
        return Artifact(
            model=spec, export=ExportSpec(), path=str(path), sha256="0", size_bytes=1, inputs=(), outputs=()
        )

    return make


def test_a_run_of_the_fake_engine_ends_in_a_file(artifact: Callable[..., Artifact], tmp_path: Path) -> None:
    scenario = replace(thresholds.SCENARIO, processes=40)
    made = artifact(latency_s=[0.01], process_noise=0.02)
    found = thresholds.learn_noise(made, "fake", scenario, tmp_path / "noise.toml")
    assert found.device == "host" and found.machine
    assert 0.01 <= thresholds.parse_percent(found.threshold) <= 0.06


def test_a_failed_and_an_invalid_run_teach_nothing(
    artifact: Callable[..., Artifact], measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = replace(thresholds.SCENARIO, processes=40)
    with pytest.raises(DeviceError, match="told to raise"):
        thresholds.learn_noise(artifact(fail={"load": "raise"}), "fake", scenario, tmp_path / "noise.toml")
    monkeypatch.setattr(
        "edgebench.measure.measure", lambda *args, **options: measured(status="invalid", error="throttled")
    )
    with pytest.raises(Inconclusive, match="throttled"):
        thresholds.learn_noise(artifact(), "fake", scenario, tmp_path / "noise.toml")
    assert not (tmp_path / "noise.toml").exists()
