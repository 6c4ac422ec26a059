"""A phone through a stand-in for adb, which runs what it is told on this machine: no phone has been here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, Scenario
from edgebench.machines.profiles import Reach, load
from edgebench.places.board import adb
from edgebench.places.board.adb import AdbLink
from edgebench.places.board.interpreter import LOADER
from edgebench.places.board.reach import connected, link
from edgebench.places.board.shell import Cut, ask
from edgebench.places.bundle.bundle import Bundle
from edgebench.run.devices import measure_there

SERIAL = "R58M12ABCDE"
SCENARIO = Scenario(processes=1, warmup_runs=1, warmup_s=0, min_runs=3, min_s=0, max_s=60)

# Behaves as adb does: options, a joined command line, exit status and streams apart, complaints on standard error.
STAND_IN = """#!{python}
import os, subprocess, sys
serial, arguments = None, sys.argv[1:]
if arguments[0] == "-s":
    serial, arguments = arguments[1], arguments[2:]
if os.path.exists({folder!r} + "/complaint"):
    sys.exit(open({folder!r} + "/complaint").read())
if serial not in (None, {serial!r}):
    sys.exit("adb: device '%s' not found" % serial)
if arguments[:2] != ["shell", "-T"]:
    sys.exit("adb: unknown command " + arguments[0])
line, data = " ".join(arguments[2:]), sys.stdin.buffer.read()
emulator, loader = {emulator!r}, {loader!r}
if emulator:  # the loader is a program for another CPU: started by QEMU, from a command line and from a worker's job
    line = line.replace(loader + " --library-path", " ".join(emulator) + " " + loader + " --library-path")
    data = data.replace(b'"%s"' % loader.encode(), ", ".join('"%s"' % word for word in (*emulator, loader)).encode())
    os.environ["PATH"] = {folder!r} + "/tools:" + os.environ["PATH"]
done = subprocess.run(["sh", "-c", line], input=data)
sys.exit(done.returncode)
"""


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The phone's folder; `install` in it makes adb."""
    monkeypatch.setattr(AdbLink, "home", str(tmp_path / "data" / "edgebench"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    install(tmp_path, [])
    return tmp_path


def install(folder: Path, emulator: list[str]) -> None:
    values = {"python": sys.executable, "folder": str(folder), "serial": SERIAL, "emulator": emulator}
    script = folder / "bin" / "adb"
    script.write_text(STAND_IN.format(**values, loader=f"{folder}/data/edgebench/bundle/{LOADER}"))
    script.chmod(0o755)


def fake(folder: Path) -> Artifact:
    path = folder / "net.json"
    path.write_text("{}")
    return Artifact(
        model=ModelSpec(name="net", family="fake"),
        export=ExportSpec(format="tflite"),
        path=str(path),
        sha256="0" * 64,
        size_bytes=2,
        inputs=(),
        outputs=(),
    )


def test_a_phone_is_measured_through_adb(phone: Path) -> None:
    with connected(AdbLink(SERIAL), sys.executable) as target:
        found = measure_there(fake(phone), "fake", SCENARIO, target=target, device="pixel4")
    assert (found.status, found.error) == ("ok", None)
    assert [len(samples) for samples in found.latency_s] == [3]
    assert sorted(path.name for path in (phone / "data" / "edgebench").iterdir()) == ["artifacts", "code", "runs"]


@pytest.mark.slow
def test_the_bundle_measures_where_nothing_is_installed(phone: Path, bundle: Bundle, exported) -> None:  # type: ignore[no-untyped-def]
    artifact = exported("lenet5", "tflite")
    root = str(bundle.device_root(load("rpi4")))
    install(phone, [*bundle.qemu("aarch64"), "-L", root, "-cpu", "cortex-a72"])
    (phone / "tools").mkdir()
    (phone / "tools" / "uname").write_text('#!/bin/sh\n[ "$1" = -m ] && echo aarch64 || echo Linux\n')
    (phone / "tools" / "uname").chmod(0o755)
    with connected(AdbLink(None), None) as target:
        found = measure_there(artifact, "litert", SCENARIO, target=target, device="pixel4")
    assert (found.status, found.error) == ("ok", None)
    assert found.environment["python_path"] == "bundle"
    assert found.environment["architecture"] == "aarch64"
    assert found.environment["versions"]["ai-edge-litert"] == "2.3.0"


@pytest.mark.parametrize(("complaint", "sentence", "again"), [
    ("error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", "not allowed this computer", False),
    ("error: more than one device/emulator", "several phones are connected: name one with `connect`", False),
    ("adb: no devices/emulators found", "is not connected, or USB debugging is off", True),
    ("error: device offline", "the connection to the phone was cut", True),
    ("something new", "the phone cannot be reached: something new", True),
])  # fmt: skip
def test_what_adb_complains_of_is_told(phone: Path, complaint: str, sentence: str, again: bool) -> None:
    (phone / "complaint").write_text(complaint)
    with pytest.raises(DeviceError, match=sentence) as caught:
        ask(AdbLink(None), ":")
    assert isinstance(caught.value, Cut) is again


def test_another_phone_is_not_taken_for_this_one(phone: Path) -> None:
    with pytest.raises(DeviceError, match="the phone OTHER is not connected"):
        ask(AdbLink("OTHER"), ":")


def test_without_adb_the_program_is_named(phone: Path) -> None:
    (phone / "bin" / "adb").unlink()
    with pytest.raises(UsageError, match="reaching the phone needs the program adb: install it first"):
        ask(AdbLink(None), ":")


def test_what_is_no_serial_number_is_refused() -> None:
    with pytest.raises(UsageError, match="is not a phone's serial number"):
        link(Reach(via="adb", address="-s x"))


def test_a_phone_has_its_own_folder() -> None:
    assert adb.HOME == "/data/local/tmp/edgebench"
