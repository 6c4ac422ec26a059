"""`edgebench device calibrate`: on this machine as a board behind a real SSH server, and what it refuses."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from edgebench import api
from edgebench.cli import app
from edgebench.estimate import grid, user_calibration
from edgebench.estimate.calibrations import calibration
from edgebench.ground import store
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Artifact, Measurement, Scenario
from edgebench.machines import profiles
from edgebench.machines.profiles import Cpu, DeviceProfile, Reach
from edgebench.places.bundle.bundle import Bundle
from edgebench.run import boards, engine, mode
from edgebench.run import calibrate as calibrating
from edgebench.run.calibrate import Request, calibrate
from edgebench.run.capabilities import capabilities
from edgebench.run.mode import Method, Mode

if TYPE_CHECKING:
    from .conftest import Server

RPI4, HOST = profiles.load("rpi4"), profiles.load("host")
SHORT = Scenario(processes=1, warmup_runs=1, warmup_s=0, min_runs=3, min_s=0, max_s=5, quick=True)
TINY = (
    ("lenet5", {}),
    *(("mobilenetv1", {"width": 0.25, "resolution": size}) for size in (32, 64)),
    *(("mobilenetv2", {"width": 0.35, "resolution": size}) for size in (32, 64)),
    *(("efficientnet_lite0", {"width": 0.35, "resolution": size}) for size in (32, 64)),
    ("resnet18", {"width": 0.25, "resolution": 64}),
)


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(grid, "GRID", TINY)


@pytest.fixture
def board(server: "Server") -> Iterator[DeviceProfile]:
    """This machine as a board that tells neither clock nor copy rate."""
    reach = Reach(via="ssh", address=server.address, python=sys.executable)
    made = DeviceProfile(name="bench", title="A bench", cpu=Cpu(soc="x", core="y", cores=2, isa="z"), reach=reach)
    folder = profiles.device_files.user_folders()[1]
    boards.write(folder / "bench.toml", boards.show(made))
    yield profiles.load("bench")


def test_a_board_is_calibrated_from_what_is_measured_on_it_and_a_cut_run_goes_on(
    board: DeviceProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_calibration, "ALONE", 4)
    monkeypatch.setattr(grid, "GRID", TINY[:4])
    method, request = mode.method(board), Request(("tflite",), ("fp32",), scenario=SHORT)
    found = calibrate(board, method, request)
    [made] = found.calibrations
    assert (made.runtime, made.precision, made.threads, made.networks) == ("litert", "fp32", 1, 4)
    assert made.error.median < 1
    assert made.sources[0].startswith("4 latencies measured on the device itself, ")
    assert found.path.name == "bench.calibrations.toml"

    loaded = profiles.load("bench")
    assert loaded.calibrations == found.device.calibrations
    assert loaded.cpu.clock_hz == calibrating.CLOCK_HZ
    assert 1e8 < (loaded.cpu.bandwidth_bytes_per_s or 0) < 1e12
    assert "bench.calibrations" not in profiles.names()
    command = ["profile", "mobilenetv2", "--device", "bench", "--via", "estimate", "--resolution", "64", "--json"]
    estimated = CliRunner().invoke(app, [*command, "--results", str(tmp_path / "results")])
    [row] = json.loads(estimated.stdout)
    assert row["latency_s"]["low"] < row["latency_s"]["median"] < row["latency_s"]["high"]

    ran = []
    monkeypatch.setattr(engine.Engine, "record", lambda *asked: ran.append(asked))
    again = calibrate(loaded, method, request)
    assert ran == []
    assert user_calibration.toml(again.calibrations) == user_calibration.toml(found.calibrations)


def test_emulated_counts_become_constants(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts are made up, so that nothing is emulated here; test_emulator.py shows that the real ones are right."""
    counted: list[str] = []

    def emulate(artifact: Artifact, device: DeviceProfile, **_: object) -> Measurement:
        counted.append(artifact.model.key)
        macs = artifact.macs or 0
        names = ("scalar", "branch", "load", "store", "vector_load", "vector_store", "float_fma", "float_other")
        counts = dict.fromkeys(names, macs // 50 + 20_000) | {"float_fma": macs // 4}
        failed = "lite0" in artifact.model.key and artifact.model.resolution == 32
        return Measurement(
            id=f"{len(counted)}",
            time="2026-11-21T00:00:00+00:00",
            model=artifact.model,
            export=artifact.export,
            device=device.name,
            runtime="litert",
            runtime_version="1",
            provenance="emulated",
            scenario=SHORT,
            artifact_sha256=artifact.sha256,
            counts={**counts, "instructions": sum(counts.values())},
            status="failed" if failed else "ok",
            error="it stopped" if failed else None,
        )

    monkeypatch.setattr("edgebench.run.devices.emulate", emulate)
    monkeypatch.setattr(grid, "GRID", (*TINY, ("mobilenetv1", {"width": 0.25, "resolution": 96})))
    monkeypatch.setattr("edgebench.run.calibrate.cache_folder", lambda: tmp_path / "cache")
    printed = CliRunner().invoke(app, ["device", "calibrate", "rpi4", "--via", "emulator"])
    assert printed.exit_code == 0, printed.output
    assert "left out: efficientnet_lite0-w0.35-d1-r32 tflite-fp32: it stopped" in printed.output
    assert "not measured: counted instructions, with ncnn fp32's constants of rpi4" in printed.output
    assert len(counted) == 9
    made = profiles.load("rpi4").calibration("litert", "fp32", 1)
    assert made is not None
    assert made.networks == 8
    assert calibration(profiles.load("rpi4"), "litert", "fp32", 1) == made != calibration(RPI4, "litert", "fp32", 1)
    assert calibration(profiles.load("rpi4"), "litert", "fp32", 4) == calibration(RPI4, "litert", "fp32", 4)
    folder = tmp_path / "cache" / "calibrate" / "emulate" / "tflite-fp32-x1" / "rpi4"
    assert len(store.read(folder)) == 9

    calibrate(RPI4, Method(Mode.EMULATE), Request(("tflite",), ("fp32",)))
    assert counted[9:] == ["efficientnet_lite0-w0.35-d1-r32"]
    calibrate(RPI4, Method(Mode.EMULATE), Request(("tflite",), ("fp32",), fresh=True))
    assert len(counted) == 19


def test_this_machine_is_calibrated_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it measures is made up: test_runner.py and the board above are about measuring."""

    def measure(artifact: Artifact, *_: object, **__: object) -> Measurement:
        latency_s = 1e-4 + (artifact.macs or 0) / 1e10
        return Measurement(
            id=artifact.sha256[:8],
            time="2026-11-21T00:00:00+00:00",
            model=artifact.model,
            export=artifact.export,
            device="host",
            runtime="litert",
            runtime_version="1",
            scenario=engine.scenario(quick=True),
            latency_s=((latency_s,),),
            artifact_sha256=artifact.sha256,
        )

    monkeypatch.setattr("edgebench.measure.measure", measure)
    monkeypatch.setattr("edgebench.run.calibrate.cache_folder", lambda: tmp_path / "cache")
    printed = CliRunner().invoke(app, ["device", "calibrate", "host", "--json"])
    assert printed.exit_code == 0, printed.output
    [made] = json.loads(printed.stdout)["calibrations"]
    assert (made["runtime"], made["networks"]) == ("litert", 8)
    assert made["median"] < 0.5
    able = {(each.runtime, each.precision): each.estimated for each in capabilities(profiles.load("host"))}
    assert able["litert", "fp32"]
    assert not able["onnxruntime", "fp32"]


@pytest.mark.parametrize(
    ("device", "method", "request_", "words"),
    [
        (HOST, Method(Mode.COUNT), Request(("tflite",), ("fp32",)), "leave `counts` out"),
        (RPI4, Method(Mode.ESTIMATE), Request(("tflite",), ("fp32",)), "needs figures"),
        (RPI4, Method(Mode.EMULATE), Request(("tflite",), ("fp32",), threads=(1, 4)), "counts on one thread"),
        (RPI4, Method(Mode.REACH), Request(("tflite",), ("fp32",), threads=(8,)), "8 threads on rpi4: give 1 to 4"),
        (
            replace(RPI4, cpu=replace(RPI4.cpu, bandwidth_bytes_per_s=None)),
            Method(Mode.EMULATE),
            Request((), ()),
            "bandwidth",
        ),
    ],
)
def test_what_cannot_be_calibrated_is_refused(
    device: DeviceProfile, method: Method, request_: Request, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        calibrate(device, method, request_)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "rpi5"\ncalibrations = []', 'must be the device\'s name, "rpi4"'),
        ("calibrations = [", "is not TOML"),
        ('name = "rpi4"\nspeed = 3\ncalibrations = []', "unknown key 'speed'"),
    ],
)
def test_a_file_of_calibrations_that_is_none_is_refused(text: str, words: str) -> None:
    boards.write(profiles.device_files.calibrations_file(profiles.device_files.user_folders()[1], "rpi4"), text)
    with pytest.raises(UsageError, match=words):
        profiles.load("rpi4")


def test_threads_are_whole_numbers() -> None:
    printed = CliRunner().invoke(app, ["device", "calibrate", "rpi4", "--threads", "1,x"])
    assert printed.exit_code != 0
    assert "must be whole numbers" in str(printed.exception or printed.output)


def test_typed_figures_are_a_calibration_and_the_interval_narrows(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("model,latency,width\nmobilenetv2,30ms,\nmobilenetv1,0.012s,0.5\n")
    printed = CliRunner().invoke(app, ["device", "calibrate", "pixel3", "--figures", str(file)])
    assert printed.exit_code == 0, printed.output
    assert "the 90% interval spans" in printed.output and "before: " in printed.output
    made = profiles.load("pixel3").calibration("litert", "fp32", 1)
    assert made is not None
    assert made.rows == 2 and made.basis.startswith("2 latencies from mine.csv")
    assert made.note == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,latency\nmobilenetv2,33\n", "line 2: '33' is not a duration"),
        ("model,latency\nmobilenetv2,-3ms\n", "line 2: "),
        ("model,latency\nmobilenetv9,3ms\n", "line 2: unknown"),
        ("model,speed\nmobilenetv2,3ms\n", "the columns are model and latency"),
        ("model;latency\nmobilenetv2;3ms\n", "with commas between them, not 'model;latency'"),
        ("\ufeffmodel,latency\nmobilenetv2,33s\n", "no board is so far off: look at the unit of 1 latency from"),
        ("model,latency\n", "holds no figure"),
    ],
)
def test_a_file_of_figures_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=re.escape(message)):
        api.device_calibrate("pixel3", figures=file)


def test_figures_that_contradict_the_facts_say_so(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("model,latency\nmobilenetv2,900ms\n")
    printed = CliRunner().invoke(app, ["device", "calibrate", "pixel3", "--figures", str(file)])
    assert printed.exit_code == 0, printed.output
    assert "look at its governor" in printed.output.replace("\n", " ")
