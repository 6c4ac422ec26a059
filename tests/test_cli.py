"""The command line as a user meets it: real processes, exit codes, one sentence for bad input, and pure JSON."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import schemas

MODELS_KEYS = {"name", "family", "parameters", "macs", "resolution", "channels", "classes"}
DEVICES_KEYS = {"name", "title", "cpu", "memory_bytes", "runtimes", "sources", "processors"}
EXPORT_KEYS = {
    "model", "width", "depth", "resolution", "format", "precision", "path", "size_bytes", "sha256", "max_abs_error",
    "relative_l2_error", "quantization", "warnings", "convert_s", "cached", "status", "error",
}  # fmt: skip
PROFILE_KEYS = {
    "model", "width", "depth", "resolution", "format", "precision", "device", "runtime", "threads", "provenance",
    "latency_s", "calibrated_on", "first_s", "load_s", "peak_memory_bytes", "peak_memory", "instructions", "size_bytes",
    "parameters", "macs", "parity", "accuracy", "processor", "warnings", "status", "error", "operators",
}  # fmt: skip
FOCUS = ["mobilenetv1", "mobilenetv2", "efficientnet_lite0", "efficientnet_b0"]


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgebench.cli", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def rows(*arguments: str, cwd: Path | None = None) -> list[dict[str, Any]]:
    done = run(*arguments, "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    schemas.check(done.stdout, arguments[0])
    return found


def test_version_and_help() -> None:
    from edgebench.ground.version import __version__

    assert run("--version").stdout.strip() == f"edgebench {__version__}"
    helped = run("--help")
    assert helped.returncode == 0
    assert all(name in helped.stdout for name in ("models", "export", "profile", "devices", "doctor"))


def test_models_json() -> None:
    found = {row["name"]: row for row in rows("models")}
    assert found["mobilenetv2"].keys() >= MODELS_KEYS
    assert found["mobilenetv2"]["parameters"] == 3_504_872
    assert set(FOCUS) <= set(found)


def test_models_table_shows_every_network() -> None:
    shown = run("models").stdout
    assert all(row["name"] in shown for row in rows("models"))


def test_devices_json() -> None:
    found = {row["name"]: row for row in rows("devices")}
    assert found["rpi4"].keys() == DEVICES_KEYS
    able = {"runtime", "precision", "processor", "threads", "measured", "estimated", "error"}
    assert found["rpi4"]["cpu"].keys() == {"core", "cores", "clock_hz", "isa"}
    assert set(found["rpi4"]["runtimes"][0]) == able
    wanted = {"host", "rpizero2w", "rpi3bplus", "rpi4", "rpi5", "pixel1", "pixel3", "pixel4", "jetson_nano"}
    assert wanted | {"jetson_orin_nano", "n100"} <= set(found)
    assert [row["name"] for row in rows("devices", "rpi4")] == ["rpi4"]


def test_doctor_names_packages_commands_and_disturbances() -> None:
    shown = run("doctor")
    assert shown.returncode == 0
    assert "torch" in shown.stdout and "export --fmt tflite" in shown.stdout and "Timing" in shown.stdout


def test_export_writes_a_file_a_manifest_and_then_finds_it_cached(tmp_path: Path) -> None:
    arguments = ("export", "lenet5", "--fmt", "tflite,onnx", "--precision", "fp32,fp16", "-o", str(tmp_path))
    first = rows(*arguments)
    assert len(first) == 4
    for row in first:
        assert row.keys() == EXPORT_KEYS
        assert row["status"] == "ok" and not row["cached"]
        assert Path(row["path"]).stat().st_size == row["size_bytes"]
    assert all(row["cached"] for row in rows(*arguments))


def test_profile_estimates_the_focus_set_on_rpi4(tmp_path: Path) -> None:
    found = rows("profile", "--device", "rpi4", "--results", str(tmp_path))
    assert [row["model"] for row in found] == FOCUS
    for row in found:
        assert row.keys() == PROFILE_KEYS
        assert row["provenance"] == "estimated" and row["status"] == "ok"
        times = row["latency_s"]
        assert 0 < times["low"] < times["median"] < times["high"]
        assert times["p90"] is None and row["first_s"] is None
        assert row["parity"]["passed"]
    stored = [
        json.loads(line) for path in (tmp_path / "rpi4").glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    assert [record["model"]["name"] for record in stored] == FOCUS


def test_profile_measures_here_in_every_runtime(tmp_path: Path) -> None:
    found = rows(
        *("profile", "lenet5", "--quick", "--processes", "1", "--fmt", "tflite,onnx,torch", "--results", str(tmp_path))
    )
    assert {row["runtime"] for row in found} == {"litert", "onnxruntime", "torch"}
    for row in found:
        assert row.keys() == PROFILE_KEYS
        assert row["provenance"] == "measured" and row["status"] == "ok", row["error"]
        assert row["latency_s"]["median"] > 0 and row["first_s"] > 0 and row["load_s"] > 0
        assert row["latency_s"]["p95"] is None and row["latency_s"]["p99"] is None
        assert row["peak_memory_bytes"] > 0


def test_profile_takes_a_ready_file(tmp_path: Path) -> None:
    [exported] = rows("export", "lenet5", "--fmt", "onnx", "-o", str(tmp_path))
    foreign = tmp_path / "elsewhere" / "foreign.onnx"
    foreign.parent.mkdir()
    Path(exported["path"]).rename(foreign)
    [row] = rows("profile", str(foreign), "--quick", "--results", str(tmp_path / "results"))
    assert row["model"] == "foreign" and row["runtime"] == "onnxruntime" and row["latency_s"]["median"] > 0


def test_profile_on_coreml_is_skipped_with_a_reason_and_keeps_parity(tmp_path: Path) -> None:
    if sys.platform == "darwin":
        pytest.skip("this is about machines other than a Mac")
    [row] = rows("profile", "lenet5", "--fmt", "coreml", "--results", str(tmp_path))
    assert row["status"] == "skipped" and "Mac" in row["error"]
    assert row["parity"]["passed"] and row["latency_s"]["median"] is None


def test_the_table_says_where_each_number_comes_from(tmp_path: Path) -> None:
    shown = run("profile", "lenet5", "--device", "rpi4", "--results", str(tmp_path)).stdout
    assert "estimated" in shown and "--device host" in shown


NETS = """
import torch
from torch import nn

def good():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))

def waves():
    class Waves(nn.Module):
        def forward(self, x):
            return torch.fft.rfft(x).abs()
    return Waves()

number = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that are wrong, each in its own way, and some networks of a user's own."""
    root = tmp_path_factory.mktemp("bad")
    (root / "text.onnx").write_text("this is not a model\n")
    (root / "text.tflite").write_text("this is not a model\n")
    (root / "nets.py").write_text(NETS)
    (root / "file").write_text("")
    import pickle

    import torch

    (root / "pickle.pth").write_bytes(pickle.dumps({"weights": Path("/")}))
    torch.save({"features.0.0.weight": torch.zeros(3)}, root / "keys.pth")
    return root


def test_a_users_own_network(folder: Path) -> None:
    [row] = rows("export", "nets.py:good", "--input", "3x24x40", "-o", "out", cwd=folder)
    assert row["status"] == "ok" and row["resolution"] == 40


def test_one_failing_export_does_not_stop_the_others_and_leaves_nothing(folder: Path) -> None:
    done = run("export", "nets.py:waves", "lenet5", "--input", "1x32x32", "-o", "partly", "--json", cwd=folder)
    assert done.returncode == 4
    failed, good = json.loads(done.stdout)
    assert failed["status"] == "failed" and "fft" in failed["error"]
    assert good["status"] == "ok"
    assert all("waves" not in path.name for path in (folder / "partly").iterdir())


BAD = {
    "unknown model": (["export", "mobilnetv2"], "mobilenetv2"),
    "unknown model for profile": (["profile", "resnet19", "--device", "rpi4"], "resnet18"),
    "unknown format": (["export", "lenet5", "--fmt", "tflight"], "tflite"),
    "unknown precision": (["export", "lenet5", "--precision", "fp8"], "fp16"),
    "unknown device": (["profile", "--device", "rpi44"], "rpi4"),
    "unknown device to show": (["devices", "pixel44"], "pixel4"),
    "width zero": (["export", "mobilenetv2", "--width", "0"], "width"),
    "resolution below the minimum": (["export", "mobilenetv2", "--resolution", "8"], "resolution"),
    "no threads": (["profile", "lenet5", "--threads", "0"], "--threads"),
    "text as onnx": (["profile", "text.onnx"], "text.onnx"),
    "text as tflite": (["profile", "text.tflite"], "text.tflite"),
    "no such file": (["profile", "gone.onnx"], "gone.onnx"),
    "pickle payload": (["export", "mobilenetv2", "--weights", "pickle.pth", "-o", "out"], "pickle.pth"),
    "wrong keys": (["export", "mobilenetv2", "--weights", "keys.pth", "-o", "out"], "features.0.0.weight"),
    "weights not there": (["export", "mobilenetv2", "--weights", "gone.pth"], "gone.pth"),
    "not a factory": (["export", "nets.py:number", "--input", "3x8x8"], "number"),
    "factory not there": (["export", "nets.py:gone", "--input", "3x8x8"], "gone"),
    "own network without input": (["export", "nets.py:good"], "--input"),
    "bad input size": (["export", "nets.py:good", "--input", "3x8"], "3x8"),
    "results is a file": (["profile", "lenet5", "--quick", "--results", "file"], "file"),
    "unknown converter": (["export", "lenet5", "--converter", "onnx2tf"], "litert-torch"),
    "unknown option": (["export", "lenet5", "--widht", "1"], "--width"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_sentence(case: str, folder: Path) -> None:
    arguments, expected = BAD[case]
    done = run(*arguments, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("edgebench: ")]) <= 1


def test_interrupt_keeps_finished_cells_and_exits_130(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgebench.cli", "profile", "lenet5", "lenet5", "--fmt", "tflite"]
    command += ["--results", str(tmp_path), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[1/2]"):
            break
    time.sleep(2)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == "" and "interrupted" in err


UNRULY = """
import os, sys
from torch import nn


class Net(nn.Module):
    def __init__(self, quits):
        super().__init__()
        self.quits, self.layer = quits, nn.Conv2d(3, 4, 3)

    def forward(self, x):
        if self.quits:
            sys.exit(0)
        return self.layer(x).mean((2, 3))


def quits():
    return Net(True).eval()


def loud():
    os.write(1, b"past Python")
    print("through Python")
    return Net(False).eval()
"""


@pytest.fixture
def unruly(tmp_path: Path) -> Path:
    (tmp_path / "unruly.py").write_text(UNRULY)
    return tmp_path


def test_what_a_network_prints_never_reaches_the_document(unruly: Path) -> None:
    command = ("export", "unruly.py:loud", "--input", "3x16x16", "--fmt", "torch", "-o", "out")
    [row] = rows(*command, cwd=unruly)
    assert row["status"] == "ok"


@pytest.mark.parametrize("command", ["export", "profile"])
def test_a_network_that_ends_the_process_is_a_failure(unruly: Path, command: str) -> None:
    done = run(command, "unruly.py:quits", "--input", "3x16x16", "--fmt", "torch", cwd=unruly)
    assert done.returncode == 4
    assert "called sys.exit" in done.stdout + done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_cannot_be_written_has_a_code_of_its_own() -> None:
    command = [sys.executable, "-m", "edgebench.cli", "models"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        74,
        "edgebench: the output could not be written: no space left on device\n",
    )
    closed = subprocess.run(
        ["sh", "-c", '"$0" -m edgebench.cli models >&-', sys.executable], stderr=-1, text=True, timeout=60, check=False
    )
    assert (closed.returncode, closed.stderr.count("\n")) == (74, 1)


@pytest.mark.parametrize("command", [["models", "--json"], ["doctor"]])  # as it is, and by Rich
def test_a_reader_that_has_gone_is_no_fault(command: list[str]) -> None:
    """The pipe is closed before anything is written to it."""
    command = [sys.executable, "-m", "edgebench.cli", *command]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child.stdout.close()
    assert (child.stderr.read(), child.wait(timeout=60)) == ("", 74)
    child.stderr.close()


def test_a_fault_is_one_sentence_and_a_file(tmp_path: Path) -> None:
    script = (
        "import sys; from edgebench import cli; import edgebench.commands.networks as networks\n"
        "networks.models.callback = lambda **_: 1 / 0\n"
        "sys.argv = ['edgebench', 'models']; cli.main()"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 70
    assert done.stderr.startswith("edgebench: this is a fault of edgebench (ZeroDivisionError")
    [kept] = (tmp_path / "edgebench" / "faults").iterdir()
    assert str(kept) in done.stderr
    assert "ZeroDivisionError: division by zero" in kept.read_text() and "Traceback" not in done.stderr


def test_a_termination_removes_what_was_half_made(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgebench.cli", "export", "vgg16", "--fmt", "onnx", "-o", str(tmp_path / "out")]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("out/.edgebench-*")) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    child.terminate()
    assert child.wait(timeout=120) == 143
    assert not (tmp_path / "out").exists()
