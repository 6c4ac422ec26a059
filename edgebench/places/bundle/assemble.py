"""Builds the bundle: Debian packages, wheels and QEMU, unpacked into a folder that gets its name when it has run once.

An interrupted build leaves <version>.partial behind; the next one uses its downloads and nothing else of it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.progress import OnProgress, Step, silent
from edgebench.places.bundle import debian
from edgebench.places.bundle.bundle import (
    GUEST,
    GUEST_PACKAGES,
    GUEST_WITHOUT,
    HOST_PACKAGES,
    PLATFORMS,
    SITE_WITHOUT,
    VERSION,
    WHEELS,
    WITHOUT,
    Bundle,
    Contents,
    find,
    folder,
    publish,
)
from edgebench.places.emulator import fakecpu
from edgebench.runtimes import bundled

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile

ROOM_BYTES: Final = 700_000_000  # the finished bundle, and its downloads until it is finished
ENGINES: Final = ("numpy", *(each.starts or each.package for each in bundled()))


def setup(device: DeviceProfile, on_progress: OnProgress = silent) -> Bundle:
    """Builds the bundle unless it is there, and the root of `device`; a minute and 310 MB the first time.

    Raises UsageError where this machine or the device cannot (not Debian or Ubuntu, no pip, another CPU), DeviceError
    when a download or the first start fails.
    """
    fakecpu.core_of(device)
    with _alone(folder()):
        bundle = find() or _Build(folder(), device, on_progress).run()
    bundle.device_root(device)
    return bundle


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Holds the lock of one version, so that two setups at once make one bundle. The second waits."""
    import fcntl  # not on Windows, where debian.host() has not been asked yet

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = (target.parent / f"{target.name}.lock").open("w")
    except OSError as error:
        raise UsageError(f"{target.parent} cannot be written to ({error.strerror}); set XDG_CACHE_HOME") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _Build:
    """One build, step by step."""

    def __init__(self, target: Path, device: DeviceProfile, on_progress: OnProgress) -> None:
        self.host = debian.host()
        self.target = target
        self.device = device
        self.on_progress = on_progress
        self.work = target.with_name(f"{target.name}.partial")
        self.packages: list[Path] = []
        self.own_packages: list[Path] = []
        self.python = ""
        self.began = time.monotonic()

    def run(self) -> Bundle:
        """Builds beside the target and renames."""
        steps: list[tuple[str, Callable[[], None]]] = [
            ("fetching Debian packages", self.fetch_packages),
            ("unpacking them", self.unpack),
            ("fetching numpy and the runtimes", self.fetch_wheels),
            ("unpacking them", self.unpack_wheels),
            ("starting the guest for the first time", self.start),
        ]
        self.prepare()
        for number, (title, step) in enumerate(steps):
            self.on_progress(Step(number, len(steps), title))
            step()
        shutil.rmtree(self.work / "downloads")
        publish(self.work, self.target)
        return Bundle(self.target)

    def prepare(self) -> None:
        """Leaves the downloads of an interrupted build and nothing else of it."""
        downloads = self.work / "downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        debian.remove(self.work, ("root", "host", "devices", "bundle.json"))
        free = shutil.disk_usage(self.work).free
        if free < ROOM_BYTES:
            raise UsageError(
                f"{self.target.parent} has {free / 1e6:.0f} MB free and the bundle needs {ROOM_BYTES / 1e6:.0f} MB "
                "while it is built; make room or set XDG_CACHE_HOME"
            )

    def fetch_packages(self) -> None:
        """The guest's Debian packages and the host's QEMU, with all they depend on."""
        architectures = list(dict.fromkeys((GUEST, self.host.architecture)))
        downloads = self.work / "downloads"
        apt = debian.Apt(downloads, debian.debian_sources(self.host, downloads / "keyring"), architectures)
        apt.update()
        self.packages = apt.fetch([f"{name}:{GUEST}" for name in GUEST_PACKAGES])
        self.own_packages = apt.fetch([f"{name}:{self.host.architecture}" for name in HOST_PACKAGES])

    def unpack(self) -> None:
        """root/usr and host/usr; of QEMU's forty machines, the guest's and this one stay."""
        debian.unpack(self.packages, self.work / "root", without=(*WITHOUT, *GUEST_WITHOUT))
        debian.unpack(self.own_packages, self.work / "host", without=WITHOUT)
        for program in (self.work / "host" / "usr" / "bin").iterdir():
            if program.name not in ("qemu-aarch64", "qemu-x86_64"):
                program.unlink()
        pythons = (self.work / "root" / "usr" / "bin").glob("python3.*")
        self.python = next((path.name for path in pythons), "")
        if not self.python:
            raise DeviceError(f"the packages of Debian {debian.RELEASE} hold no Python for the guest")

    def fetch_wheels(self) -> None:
        """The wheels for the guest's Python and architecture, by pip."""
        platforms = [option for name in PLATFORMS for option in ("--platform", name)]
        version = self.python.removeprefix("python")
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--implementation=cp", f"--python-version={version}"]
        command = [sys.executable, "-m", "pip", "download", *options, *platforms]
        command += [f"--dest={self.work / 'downloads' / 'wheels'}", *WHEELS]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "No module named pip" in done.stderr:
            raise UsageError(f"setting up an emulated device needs pip in {sys.prefix}: {sys.executable} -m ensurepip")
        if done.returncode:
            reasons = re.findall(r"^ERROR: (.*)$", done.stderr, re.MULTILINE) or [done.stderr.strip()[-200:]]
            raise DeviceError(f"pip download failed: {reasons[-1]}; is the network there? Then run it again")

    def unpack_wheels(self) -> None:
        """root/site, less what only serves training, testing or other machines."""
        for wheel in (self.work / "downloads" / "wheels").glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                kept = [name for name in archive.namelist() if not any(fnmatch(name, each) for each in SITE_WITHOUT)]
                archive.extractall(self.work / "root" / "site", kept)

    def start(self) -> None:
        """Starts the guest and imports every engine, which also leaves their bytecode: imports are then 3x faster."""
        contents = Contents(
            version=VERSION,
            python=self.python,
            qemu=_qemu_version(self.own_packages),
            wheels=WHEELS,
            packages=tuple(sorted(path.name for path in {*self.packages, *self.own_packages})),
            size_bytes=sum(path.lstat().st_size for part in ("root", "host") for path in (self.work / part).rglob("*")),
            setup_s=round(time.monotonic() - self.began, 1),
        )
        (self.work / "bundle.json").write_bytes(msgspec.json.format(msgspec.json.encode(contents)))
        try_engines(Bundle(self.work), self.device)


def try_engines(bundle: Bundle, device: DeviceProfile, engines: Sequence[str] = ENGINES) -> None:
    """Imports the engines in the guest. Raises DeviceError with the guest's last words when that fails."""
    variables = {name: value for name, value in bundle.variables.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [*bundle.guest(device), "-c", f"import {', '.join(engines)}"]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise DeviceError(f"the guest of {device.name} does not start: {last}")


def _qemu_version(packages: Sequence[Path]) -> str:
    """The version in qemu-user's file name, without its epoch: qemu-user_1%3a7.2+dfsg-7+deb12u18+b3_amd64.deb."""
    from debian.debian_support import Version

    for name in (path.name for path in packages):
        if name.startswith("qemu-user_"):
            version = Version(unquote(name.split("_")[1]))
            return "-".join(filter(None, (version.upstream_version, version.debian_revision)))
    return "unknown"
