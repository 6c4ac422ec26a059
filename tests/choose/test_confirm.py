"""Finalists as files: real exports of a small network, what an interrupted run leaves to do, and what fails."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from pytest import MonkeyPatch

from edgebench.api import scale as choose
from edgebench.choose import Choice, confirm, scaling
from edgebench.choose.confirm import Confirmation
from edgebench.choose.records import Point, There
from edgebench.ground import store
from edgebench.ground.errors import ExportError, Regression
from edgebench.ground.records import QUICK, Artifact, Measurement
from edgebench.machines.profiles import DeviceProfile, load
from edgebench.models import resolve
from edgebench.runtimes import runtime_of

RPI4 = load("rpi4")


@pytest.fixture
def points(choice: Choice) -> list[Point]:
    small = [resolve("mobilenetv1", width=0.25, resolution=pixels) for pixels in (32, 64)]
    return [replace(choice.picked, model=spec, origin="") for spec in small]


def test_on_several_devices_the_slowest_counts_once_all_are_confirmed(points: list[Point]) -> None:
    told, there = points[0].latency_s, ("rpi4", "rpi5")
    point = replace(points[0], there=tuple(There(device=name, latency_s=told) for name in there))

    def confirming(given: Sequence[Point], device: DeviceProfile) -> list[Confirmation]:
        factor, peak = (1.5, 10) if device.name == "rpi5" else (0.5, 20)
        changed = replace(told, value=told.value * factor)
        error = "it broke" if device.name == "rpi5" and given[0].threads > 1 else None
        return [
            Confirmation(replace(each, latency_s=changed, provenance="measured", peak_memory_bytes=peak), error)
            for each in given
        ]

    devices = [load(name) for name in there]
    [found] = confirm.confirm_on_all([point], devices, confirming)
    assert [each.device for each in found.point.there] == ["rpi5", "rpi4"] and found.error is None
    assert found.point.latency_s.value == pytest.approx(told.value * 1.5)
    assert (found.point.provenance, found.point.peak_memory_bytes) == ("measured", 20)
    [failed] = confirm.confirm_on_all([replace(point, threads=4)], devices, confirming)
    assert failed.error == "rpi5: it broke"


def emulated(artifact: Artifact, peak: int) -> Measurement:
    return Measurement(
        id=artifact.sha256[:16],
        time="2026-11-21T00:00:00+00:00",
        model=artifact.model,
        export=artifact.export,
        device="rpi4",
        runtime=runtime_of(artifact.export.format),
        runtime_version="2",
        provenance="emulated",
        scenario=QUICK,
        memory_bytes={"baseline": 0, "steady": peak},
        artifact_sha256=artifact.sha256,
    )


@pytest.fixture
def emulations(monkeypatch: MonkeyPatch) -> list[str]:
    """Stands in for the emulator; the list holds the files that were run."""
    ran: list[str] = []

    def run(artifact: Artifact, *_: object, **__: object) -> Measurement:
        ran.append(artifact.model.key)
        return emulated(artifact, peak=9_000_000)

    monkeypatch.setattr("edgebench.run.devices.emulate", run)
    monkeypatch.setattr(confirm, "timed", lambda measurement, device: measurement)
    monkeypatch.setattr(confirm, "readiness", lambda device: SimpleNamespace(ready=True))
    return ran


def confirmed(points: list[Point], folder: Path) -> list[confirm.Confirmation]:
    return list(confirm.confirm(points, RPI4, folder / "files", folder / "results", scenario=QUICK))


def test_a_finalist_becomes_a_checked_file_with_emulated_memory(
    points: list[Point], tmp_path: Path, emulations: list[str]
) -> None:
    first, second = confirmed(points, tmp_path)
    assert first.error is None and second.error is None
    assert Path(first.point.path).stat().st_size == first.point.size_bytes
    assert first.point.parity.passed
    assert first.point.peak_memory_bytes == 9_000_000
    assert first.point.memory_provenance == "emulated"
    assert first.point.provenance == "estimated"
    assert len(store.read(tmp_path / "results")) == 2


def test_an_interrupted_confirmation_runs_only_what_is_missing(
    points: list[Point], tmp_path: Path, emulations: list[str]
) -> None:
    first = next(confirm.confirm(points, RPI4, tmp_path / "files", tmp_path / "results", scenario=QUICK))
    assert emulations == [first.point.model.key]
    again = confirmed(points, tmp_path)
    assert emulations == [points[0].model.key, points[1].model.key]
    assert again[0].point == first.point
    assert len(store.read(tmp_path / "results")) == 2


def test_a_failed_export_is_reported_and_the_next_is_tried(
    points: list[Point], tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr(
        confirm, "prepare", lambda *_, **__: iter([ExportError("it broke"), ExportError("it broke too")])
    )
    assert [each.error for each in confirmed(points, tmp_path)] == ["it broke", "it broke too"]


@pytest.fixture
def files(monkeypatch: MonkeyPatch, choice: Choice) -> dict[str, object]:
    """What confirming gives, by test: the sizes of the files of three finalists, or errors."""
    outcome: dict[str, object] = {}

    def confirming(points: list[Point], *_: object, **__: object) -> list[confirm.Confirmation]:
        found = []
        for number, each in enumerate(points):
            what = outcome.get("all", 1_000_000) if number else outcome["first"]
            if isinstance(what, str):
                found.append(confirm.Confirmation(each, what))
            else:
                found.append(confirm.Confirmation(replace(each, size_bytes=what, path=f"/files/{number}.tflite")))
        return found

    monkeypatch.setattr(scaling, "confirm", confirming)
    return outcome


def test_the_pick_is_made_on_confirmed_values(files: dict[str, object], tmp_path: Path) -> None:
    files["first"] = 30_000_000
    found = choose("rpi4", "mobilenetv1", max_latency="50ms", max_size="20MB", results=tmp_path)
    assert found.picked.path == "/files/1.tflite"
    assert found.rejected[0].reasons[0].startswith("as a file: size 30.0 MB")
    assert found.rejected[0].point.accuracy.value > found.picked.accuracy.value


def test_when_no_file_keeps_the_limits_it_says_why(files: dict[str, object], tmp_path: Path) -> None:
    files |= {"first": 30_000_000, "all": 30_000_000}
    with pytest.raises(Regression, match="no finalist keeps the limits once it is a file"):
        choose("rpi4", "mobilenetv1", max_latency="50ms", max_size="20MB", results=tmp_path)


def test_when_no_file_can_be_made_it_is_an_export_error(files: dict[str, object], tmp_path: Path) -> None:
    files |= {"first": "it broke", "all": "it broke"}
    with pytest.raises(ExportError, match="it broke"):
        choose("rpi4", "mobilenetv1", max_latency="50ms", results=tmp_path)
