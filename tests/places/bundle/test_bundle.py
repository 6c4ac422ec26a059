"""The bundle: what it holds, that nothing of the host reaches the guest, and what becomes of a build that fails."""

import json
import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.progress import Step
from edgebench.machines import profiles
from edgebench.places.bundle import assemble, bundle, debian
from edgebench.places.bundle.assemble import setup
from edgebench.places.bundle.bundle import Bundle
from edgebench.places.emulator import readiness

RPI4 = profiles.load("rpi4")


def ask(bundle: Bundle, device: str, program: str, **variables: str) -> dict[str, object]:
    """What a Python program prints as JSON in the guest."""
    command = [*bundle.guest(profiles.load(device)), "-c", program]
    environment = {**bundle.variables, **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=120)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_the_guest_is_what_the_device_is(bundle: Bundle) -> None:
    program = """
import json, os, platform, sys
print(json.dumps({"machine": platform.machine(), "path": sys.path, "cpu": open("/proc/cpuinfo").read(),
                  "online": open("/sys/devices/system/cpu/online").read(), "environment": sorted(os.environ)}))
"""
    found = ask(bundle, "rpi5", program)
    assert found["machine"] == "aarch64"
    assert "0xd0b" in str(found["cpu"])
    assert found["online"] == "0-3\n"
    inside = str(bundle.folder / "root")
    assert [path for path in list(found["path"]) if path and not str(path).startswith(inside)] == []  # type: ignore[call-overload]
    assert set(found["environment"]) <= {*bundle.variables, "LC_CTYPE"}  # type: ignore[call-overload]


def test_checking_a_device_reports_the_engines(bundle: Bundle) -> None:
    found = readiness.check(RPI4)
    wheels = dict(wheel.split("==") for wheel in bundle.contents.wheels)
    assert found.versions == {name: of for name, of in wheels.items() if name != "pillow"}  # which is for scripts
    assert found.machine == "aarch64"
    assert found.counts, found.reason
    assert found.seconds < 60


def test_it_runs_through_its_own_loader_as_on_a_board(bundle: Bundle) -> None:
    root = bundle.folder / "root"
    libraries = f"{root}/lib/aarch64-linux-gnu:{root}/usr/lib/aarch64-linux-gnu"
    python = str(root / "usr/bin" / bundle.contents.python)
    loader = [str(root / "lib/ld-linux-aarch64.so.1"), "--library-path", libraries, python]
    command = [
        *bundle.qemu("aarch64"),
        "-cpu",
        "cortex-a72",
        *loader,
        "-S",
        "-c",
        "import numpy; print(numpy.ones(3).sum())",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=bundle.variables, check=True, timeout=120)
    assert done.stdout == "3.0\n"


def test_it_says_what_is_inside_and_is_small(bundle: Bundle) -> None:
    assert bundle.contents.version == bundle.folder.name
    assert any(name.startswith("qemu-user_") for name in bundle.contents.packages)
    assert 50e6 < bundle.contents.size_bytes < 330e6


def test_a_second_setup_starts_nothing(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    steps: list[Step] = []
    assert setup(profiles.load("rpi3bplus"), steps.append).folder == bundle.folder
    assert steps == []


def test_a_devices_root_is_made_once_and_holds_no_copies(bundle: Bundle) -> None:
    root = bundle.device_root(RPI4)
    before = root.stat().st_mtime_ns
    assert bundle.device_root(RPI4) == root
    assert root.stat().st_mtime_ns == before
    assert sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink()) < 100_000
    assert (root / "usr/bin" / bundle.contents.python).exists()
    assert list(root.parent.glob("tmp*")) == []


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("empty_cache")
def test_without_a_bundle_the_command_is_named() -> None:
    assert bundle.find() is None
    with pytest.raises(UsageError, match="edgebench device setup NAME"):
        bundle.require()
    assert not readiness.readiness(RPI4).ready


@pytest.mark.usefixtures("empty_cache")
def test_a_device_that_cannot_be_emulated_is_refused_before_anything() -> None:
    with pytest.raises(UsageError, match="n100 cannot be emulated"):
        setup(profiles.load("n100"))
    assert not bundle.folder().parent.exists()
    assert readiness.readiness(profiles.load("n100")).qemu_cpu is None


# ---- building, with stand-ins for the network ----


@pytest.fixture
def fakes(empty_cache: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], None]]:
    """Building without a network: `fail[step]()` may raise; what was done is in `done`."""
    fail: dict[str, Callable[[], None]] = {}
    monkeypatch.setattr(debian, "host", lambda: debian.Host("debian", "bookworm", "amd64"))

    def step(name: str) -> Callable[[assemble._Build], None]:
        def run(build: assemble._Build) -> None:
            fail.get(name, lambda: None)()
            (build.work / "root" / "usr").mkdir(parents=True, exist_ok=True)
            (build.work / "downloads" / name).touch()
            build.python = "python3.11"

        return run

    for name in ("fetch_packages", "unpack", "fetch_wheels", "unpack_wheels"):
        monkeypatch.setattr(assemble._Build, name, step(name))

    def tried(bundle: Bundle, device: object) -> None:
        fail.get("start", lambda: None)()

    monkeypatch.setattr(assemble, "try_engines", tried)
    return fail


def test_a_build_gets_its_name_last(fakes: dict[str, Callable[[], None]]) -> None:
    seen: list[tuple[str, bool]] = []
    made = setup(RPI4, lambda step: seen.append((step.title, bundle.folder().exists())))
    assert [there for _, there in seen] == [False] * 5
    assert made.folder == bundle.folder()
    assert not (made.folder / "downloads").exists()
    assert [path.name for path in made.folder.parent.iterdir() if path.suffix == ".partial"] == []


@pytest.mark.parametrize("step", ["fetch_packages", "unpack", "fetch_wheels", "unpack_wheels", "start"])
@pytest.mark.parametrize("error", [DeviceError("the network went away"), KeyboardInterrupt()])
def test_an_interrupted_build_is_taken_up_again(
    fakes: dict[str, Callable[[], None]], step: str, error: BaseException
) -> None:
    def fail() -> None:
        raise error

    fakes[step] = fail
    with pytest.raises(type(error)):
        setup(RPI4)
    assert bundle.find() is None
    partial = bundle.folder().with_name(bundle.folder().name + ".partial")
    kept = set(os.listdir(partial / "downloads"))
    (partial / "root" / "usr").mkdir(parents=True, exist_ok=True)
    (partial / "root" / "usr" / "torn").touch()
    fakes.clear()

    def downloads_are_still_there() -> None:
        assert kept <= set(os.listdir(partial / "downloads"))

    fakes["fetch_packages"] = downloads_are_still_there
    made = setup(RPI4)
    assert not (made.folder / "root" / "usr" / "torn").exists()
    assert not partial.exists()


def test_a_full_disk_is_told_before_the_download(
    fakes: dict[str, Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5_000_000))
    with pytest.raises(UsageError, match=r"has 5 MB free and the bundle needs 700 MB"):
        setup(RPI4)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"cannot be written to .*; set XDG_CACHE_HOME"):
        setup(RPI4)


def test_two_setups_at_once_build_one_bundle(fakes: dict[str, Callable[[], None]], tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    def once() -> None:
        begun.open("a").write("x")

    fakes["fetch_packages"] = once
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=setup, args=(RPI4,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert begun.read_text() == "x"


def test_publishing_second_keeps_the_first(tmp_path: Path) -> None:
    first, second, name = tmp_path / "a", tmp_path / "b", tmp_path / "name"
    for folder in (first, second):
        folder.mkdir()
        (folder / "who").write_text(folder.name)
    bundle.publish(first, name)
    bundle.publish(second, name)
    assert (name / "who").read_text() == "a"
    assert not second.exists()


def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str) -> assemble._Build:
    """A build whose Python is a script that fails with `message`."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{message}' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(assemble.sys, "executable", str(python))
    monkeypatch.setattr(debian, "host", lambda: debian.Host("debian", "bookworm", "amd64"))
    build = assemble._Build(tmp_path / "bundle", RPI4, lambda step: None)
    build.python = "python3.11"
    return build


def test_a_python_without_pip_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"needs pip in .*-m ensurepip"):
        pip(tmp_path, monkeypatch, "/usr/bin/python3: No module named pip").fetch_wheels()


def test_pips_own_reason_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "WARNING: slow\nERROR: No matching distribution found for numpy==2.4.6"
    with pytest.raises(DeviceError, match=r"pip download failed: No matching distribution found for numpy"):
        pip(tmp_path, monkeypatch, message).fetch_wheels()
