"""How to get to a device, and what keeps it from being measured there."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.records import Artifact, ExportSpec, Scenario
from edgebench.machines import profiles
from edgebench.machines.profiles import DeviceProfile, Reach
from edgebench.models import resolve
from edgebench.models.sketch import sketch
from edgebench.places.board import board, interpreter
from edgebench.places.board.adb import AdbLink
from edgebench.places.board.reach import connected, link, reach, way
from edgebench.places.board.shell import Cut, ask
from edgebench.places.board.ssh import SshLink
from edgebench.places.local import LocalTarget
from edgebench.run.devices import measure_there

if TYPE_CHECKING:
    from edgebench.places.board.shell import Link

RPI4 = profiles.load("rpi4")
SCENARIO = Scenario(processes=1, warmup_runs=1, warmup_s=0, min_runs=3, min_s=0, max_s=60)


def at(**values: str) -> DeviceProfile:
    """A device with a [reach] of its own."""
    fields = {name: getattr(RPI4, name) for name in RPI4.__struct_fields__}
    return DeviceProfile(**{**fields, "reach": Reach(**values)})  # type: ignore[arg-type]


@pytest.mark.parametrize(("device", "asked", "expected"), [
    (RPI4, (None, "pi@x", None), Reach(via="ssh", address="pi@x")),
    (RPI4, ("adb", None, None), Reach(via="adb")),
    (at(address="pi@x", python="/p"), (None, None, None), Reach(via="ssh", address="pi@x", python="/p")),
    (at(address="pi@x", python="/p"), (None, "pi@y", "/q"), Reach(via="ssh", address="pi@y", python="/q")),
    (at(via="adb", address="R5"), (None, None, None), Reach(via="adb", address="R5")),
    (at(via="adb", address="R5", python="/p"), ("ssh", "pi@x", None), Reach(via="ssh", address="pi@x")),
    (profiles.load("host"), (None, None, None), Reach(via="local")),
    (profiles.load("host"), ("ssh", "pi@x", None), Reach(via="ssh", address="pi@x")),
])  # fmt: skip
def test_what_is_asked_goes_before_what_the_file_says(
    device: DeviceProfile, asked: tuple[str | None, str | None, str | None], expected: Reach
) -> None:
    assert way(device, *asked) == expected


@pytest.mark.parametrize(("device", "asked", "sentence"), [
    (RPI4, (None, None), "rpi4 has no address: give `connect='pi@host'`"),
    (RPI4, ("ssh", None), "an SSH address is missing: add `connect="),
    (at(via="adb", address="R5"), ("ssh", None), "an SSH address is missing"),
    (RPI4, ("shh", None), "unknown way to a device 'shh'; did you mean ssh"),
])  # fmt: skip
def test_no_way_is_told(device: DeviceProfile, asked: tuple[str | None, str | None], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        way(device, *asked, None)


def test_a_way_is_a_link() -> None:
    found = link(Reach(via="ssh", address="pi@x"))
    found.close()
    assert isinstance(found, SshLink)
    assert isinstance(link(Reach(via="adb")), AdbLink)


def test_this_machine_is_a_device_too() -> None:
    with reach(profiles.load("host")) as target:
        assert isinstance(target, LocalTarget)


@pytest.mark.parametrize(("machine", "system", "sentence"), [
    ("armv7l", "Linux", r"runs a 32-bit system \(armv7l\), and the runtimes need a 64-bit one"),
    ("x86_64", "Linux", "is x86_64, and the bundle is for 64-bit Arm: name a Python there"),
    ("aarch64", "FreeBSD", "runs FreeBSD on aarch64, and Linux on 64-bit Arm is needed"),
    ("riscv64", "Linux", "runs Linux on riscv64, and Linux on 64-bit Arm is needed"),
])  # fmt: skip
def test_what_the_bundle_cannot_run_on_is_told(machine: str, system: str, sentence: str) -> None:
    found = board.Board("pi", "/h", "/tmp", machine, system, None, None, None)
    with pytest.raises(DeviceError, match=sentence):
        found.require_arm64()


def test_a_network_that_does_not_fit_is_told_before_anything_is_sent(shell_link: Link, tmp_path: Path) -> None:
    spec = resolve("vgg16")
    artifact = Artifact(
        model=spec,
        export=ExportSpec(format="tflite"),
        path=str(tmp_path / "none.tflite"),
        sha256="0" * 64,
        size_bytes=550_000_000,
        inputs=(),
        outputs=(),
    )
    with connected(shell_link, sys.executable) as target:
        target.board = board.Board("pi", target.board.home, "/tmp", "aarch64", "Linux", None, 2**29, 400_000_000)
        with pytest.raises(
            DeviceError, match=r"vgg16-.* needs about [0-9.]+ GB of memory, and pi has 400 MB available"
        ):
            measure_there(artifact, "litert", SCENARIO, target=target, device="pi", graph=sketch(spec))
        with pytest.raises(DeviceError, match="needs about 620 MB of memory"):
            measure_there(artifact, "litert", SCENARIO, target=target, device="pi")


def test_a_board_says_what_it_has(shell_link: Link, tmp_path: Path) -> None:
    found = board.probe(shell_link)
    assert (found.home, found.locks) == (str(tmp_path / "cache" / "edgebench"), str(tmp_path / "tmp"))
    assert found.free_bytes and found.memory_bytes and found.available_bytes
    assert found.available_bytes < found.memory_bytes


def test_a_folder_that_cannot_be_made_is_told(shell_link: Link, tmp_path: Path) -> None:
    (tmp_path / "cache" / "edgebench").write_text("a file")
    with pytest.raises(DeviceError, match=r"edgebench has no folder on the board: mkdir: .*File exists"):
        board.probe(shell_link)


def test_a_device_that_says_nothing_is_not_waited_for(shell_link: Link) -> None:
    began = time.monotonic()
    with pytest.raises(Cut, match="the board said nothing for 0 s: is it on, and in this network"):
        ask(shell_link, "sleep 20 & sleep 20", limit_s=0.3)  # what runs on holds the other end of the pipe
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("line", ["/dev/root 100 90 10 90% /", "a disk of mine 1 2 10 3% /mnt/a b"])
def test_free_room_is_read_from_df(line: str) -> None:
    assert board._free(line) == 10 * 1024
    assert board._free("df: nothing") is None


def test_without_a_bundle_the_command_that_makes_it_is_named(shell_link: Link) -> None:
    arm = board.Board("pi", "/h", "/tmp", "aarch64", "Linux", None, None, None)
    with pytest.raises(DeviceError, match="there is no bundle to send to the board yet: make it with edgebench device"):
        interpreter.bundled(shell_link, arm, lambda tree, files: None)


@pytest.mark.parametrize(("printed", "sentence"), [
    ("error while loading: ELF load command address/offset not page-aligned", "has larger memory pages"),
    ("sh: ld-linux-aarch64.so.1: Permission denied", "mounted noexec"),
    ("FATAL: kernel too old", "its kernel is too old"),
    ("something else", "does not start on the board: something else; name a Python there with `python`"),
])  # fmt: skip
def test_a_bundle_that_does_not_start_is_told(
    shell_link: Link, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, printed: str, sentence: str
) -> None:
    (tmp_path / "bundle" / "root").mkdir(parents=True)
    monkeypatch.setattr(interpreter, "find", lambda: Bundle(tmp_path / "bundle"))
    monkeypatch.setattr(interpreter, "bundle_interpreter", lambda *_: interpreter.Interpreter(("false",), "x"))
    monkeypatch.setattr(interpreter, "RUN", f"echo '{printed}' >&2; exit 1")
    arm = board.Board("pi", "/h", "/tmp", "aarch64", "Linux", None, None, None)
    with pytest.raises(DeviceError, match=sentence):
        interpreter.bundled(shell_link, arm, lambda tree, files: None)


class Bundle:
    """A bundle's folder, which is never started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder


def test_a_module_that_is_missing_there_is_told_with_its_command(shell_link: Link, tmp_path: Path) -> None:
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "ai_edge_litert.py").write_text("raise ModuleNotFoundError('x', name='ai_edge_litert')")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/shadow exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    path = tmp_path / "net.tflite"
    path.write_bytes(b"x")
    artifact = Artifact(
        model=resolve("lenet5"),
        export=ExportSpec(format="tflite"),
        path=str(path),
        sha256="0" * 64,
        size_bytes=1,
        inputs=(),
        outputs=(),
    )
    with connected(shell_link, str(python)) as target:
        found = measure_there(artifact, "litert", SCENARIO, target=target, device="pi")
    assert found.error == (
        "runtime litert needs the package ai-edge-litert on the board: "
        f"{python} -m pip install ai-edge-litert, on the device"
    )


def test_notes_are_kept_by_the_record_they_belong_to(shell_link: Link, tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text("{}")
    artifact = Artifact(
        model=replace(resolve("lenet5")),
        export=ExportSpec(format="tflite"),
        path=str(path),
        sha256="0" * 64,
        size_bytes=1,
        inputs=(),
        outputs=(),
    )
    with connected(shell_link, sys.executable) as target:
        target.notes.append("something happened")
        assert "something happened" in _warnings(artifact, target)
        assert "something happened" not in _warnings(artifact, target)


def _warnings(artifact: Artifact, target) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
    return measure_there(artifact, "fake", SCENARIO, target=target, device="pi").warnings
