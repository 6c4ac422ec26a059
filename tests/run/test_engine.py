"""One engine: how a device gives its numbers, and one cell through every face."""

import errno
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

import edgebench
from edgebench.choose.confirm import confirm
from edgebench.choose.records import Point
from edgebench.cli import app
from edgebench.ground import store
from edgebench.ground.errors import NotKept, UsageError
from edgebench.ground.paths import cache_folder
from edgebench.ground.records import Interval, Measurement, Result
from edgebench.machines import profiles
from edgebench.machines.profiles import Reach
from edgebench.run import engine, mode, resume
from edgebench.run.sweep.cells import read, run_cell

HOST, RPI4 = profiles.load("host"), profiles.load("rpi4")
ON_THE_DESK = replace(RPI4, reach=Reach(via="ssh", address="pi@raspberrypi.local"))


@pytest.mark.parametrize(
    ("device", "asked", "kind"),
    [
        (HOST, {}, "measure"),
        (HOST, {"via": "local"}, "measure"),
        (HOST, {"counts": True}, "count"),
        (RPI4, {}, "estimate"),
        (RPI4, {"via": "emulator"}, "emulate"),
        (RPI4, {"connect": "pi@board"}, "reach"),
        (RPI4, {"via": "adb"}, "reach"),
        (ON_THE_DESK, {}, "reach"),
        (ON_THE_DESK, {"via": "estimate"}, "estimate"),
        (ON_THE_DESK, {"via": "emulator"}, "emulate"),
    ],
)
def test_method(device: profiles.DeviceProfile, asked: dict[str, object], kind: str) -> None:
    assert mode.method(device, **asked).mode == kind  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("device", "asked", "expected"),
    [
        (RPI4, {"via": "telnet"}, "emulator"),
        (RPI4, {"via": "local"}, "`device=.host.`"),
        (RPI4, {"counts": True}, "`via=.emulator.`"),
        (HOST, {"via": "emulator"}, "another `device`"),
        (HOST, {"connect": "pi@board"}, "another `device`"),
    ],
)
def test_a_method_that_does_not_fit_is_refused(
    device: profiles.DeviceProfile, asked: dict[str, object], expected: str
) -> None:
    with pytest.raises(UsageError, match=expected):
        mode.method(device, **asked)  # type: ignore[arg-type]


def test_scenario_keeps_the_methodology_unless_told() -> None:
    full, quick = engine.scenario(), engine.scenario(quick=True, threads=2, processes=10)
    assert (full.processes, full.min_runs, full.min_s, full.warmup_runs, full.warmup_s) == (5, 100, 10.0, 10, 0.5)
    assert (quick.processes, quick.threads, quick.quick) == (10, 2, True)


def without_times(record: Result) -> Result:
    """What two runs of one cell have in common: all but clocks, ids, and the state of the machine."""
    common = {"id": "", "time": "", "warnings": ()}
    if not isinstance(record, Measurement):
        return replace(record, **common)
    samples = {"latency_s": (), "load_s": (), "first_s": (), "memory_bytes": {}, "environment": {}, "counts": {}}
    return replace(record, **common, **samples)


def swept(folder: Path, text: str) -> Result:
    file = folder / "sweep.toml"
    file.write_text(f"[sweep]\n{text}")
    [cell] = read(file)
    return run_cell(cell, cache_folder() / "artifacts")


def test_one_cell_gives_equal_records_through_profile_sweep_scale_and_python(tmp_path: Path) -> None:
    """Quickly measured on this machine; times aside."""
    command = ["profile", "lenet5", "--fmt", "tflite", "--quick", "--results", str(tmp_path / "cli")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    [typed] = store.read(tmp_path / "cli")
    [called] = edgebench.profile("lenet5", format="tflite", quick=True, results=tmp_path / "api")
    from_sweep = swept(tmp_path, 'models = ["lenet5"]\nformats = ["tflite"]\ndevices = ["host"]')
    guess = Interval(value=1.0, low=0.0, high=2.0)
    point = Point(
        model=called.model, export=called.export, threads=1, latency_s=guess, accuracy=guess, size_bytes=1, macs=1
    )
    [_] = confirm([point], HOST, tmp_path / "files", tmp_path / "scale", scenario=engine.scenario(quick=True))
    [confirmed] = store.read(tmp_path / "scale")
    assert len({str(without_times(each)) for each in (typed, called, from_sweep, confirmed)}) == 1
    assert len({resume.address_of(each) for each in (typed, called, from_sweep, confirmed)}) == 1


def test_an_estimate_of_a_sweep_with_files_is_the_one_of_profile(tmp_path: Path) -> None:
    asked = 'models = ["lenet5"]\nformats = ["ncnn"]\ndevices = ["rpi4"]\n'
    [profiled] = edgebench.profile("lenet5", device="rpi4", format="ncnn", results=tmp_path)
    with_file, without = swept(tmp_path, f"{asked}files = true"), swept(tmp_path, asked)
    assert without_times(with_file) == without_times(profiled)
    unknown = {"artifact_sha256": None, "parity": None, "size_bytes": without.size_bytes}
    assert without_times(without) == replace(without_times(profiled), **unknown)
    stored = resume.Stored((without,))
    assert stored.find(resume.address_of(profiled)) is without
    assert stored.find(resume.address_of(profiled), of_a_file=True) is None


def test_a_networks_estimate_needs_neither_a_converter_nor_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [exported] = edgebench.profile("mobilenetv2", device="rpi4", format="ncnn", results=tmp_path)
    monkeypatch.setattr("edgebench.formats.format.installed_version", lambda package: None)
    [estimated] = edgebench.profile("mobilenetv2", device="rpi4", format="ncnn", results=tmp_path)
    assert estimated.latency_s == exported.latency_s
    assert (estimated.parity, estimated.artifact_sha256) == (None, None)
    assert any("its parity is not known" in warning for warning in estimated.warnings)
    assert estimated.parameters == exported.parameters


def test_numbers_that_the_disk_does_not_take_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder can be written to before the work, and is full after it."""

    def full(descriptor: int, line: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("edgebench.ground.store.os.write", full)
    done = CliRunner().invoke(app, ["profile", "lenet5", "--device", "rpi4", "--results", str(tmp_path), "--json"])
    assert isinstance(done.exception, NotKept) and done.exception.exit_code == 74
    [row] = json.loads(done.stdout)
    assert row["latency_s"]["median"] > 0
    assert "these numbers were not kept: cannot write results to" in row["warnings"][-1]
    assert "1 of 1 results are shown here only" in str(done.exception)
