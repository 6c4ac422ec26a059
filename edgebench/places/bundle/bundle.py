"""The bundle: a folder with an aarch64 Python, numpy and the runtimes, and the QEMU that runs them on this machine.

`edgebench device setup` builds it (assemble.py), without root, from the host's own Debian or Ubuntu mirrors and PyPI.
It lies in the user's cache folder under its version and works offline:

    root/       the guest's own files, nothing of any device: root/usr, and root/site with the runtimes
    host/       QEMU and its libraries
    devices/    one root per device: links to root/, and proc/ and sys/ as the device has them
    bundle.json what is inside, written last
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from edgebench.ground.errors import UsageError
from edgebench.ground.paths import cache_folder
from edgebench.ground.records import Record, identity
from edgebench.places.bundle import debian
from edgebench.places.emulator import fakecpu
from edgebench.runtimes import bundled

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile

# Raise it when the building changes in a way that the tables below do not show.
REVISION: Final = 1

GUEST: Final = "arm64"
GUEST_PACKAGES: Final = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "libgcc-s1")
HOST_PACKAGES: Final = ("qemu-user",)
# Wheels without what they say they need: none of it is imported by a runtime that only runs a file. Pillow is for the
# scripts of `edgebench deploy`.
WHEELS: Final = ("numpy==2.4.6", "pillow==12.3.0", *(each.wheel for each in bundled()))
PLATFORMS: Final = (*(f"manylinux_2_{minor}_aarch64" for minor in (35, 28, 27)), "manylinux2014_aarch64")

# What nothing reads: two thirds of the packages' size.
WITHOUT: Final = ("etc", "var", "sbin", "usr/sbin", "usr/share", "usr/libexec", "usr/lib/*-linux-gnu/gconv")
GUEST_WITHOUT: Final = ("usr/bin/[!p]*", "usr/bin/pe*", "usr/lib/dpkg", "usr/lib/python3*/lib2to3", "usr/lib/systemd")
SITE_WITHOUT: Final = (
    "*/tests/*",
    "*.pyi",
    "numpy/_core/include/*",
    "numpy/f2py/*",
    *(pattern for each in bundled() for pattern in each.unneeded),
)

VERSION: Final = f"{REVISION}-" + identity(
    debian.RELEASE, GUEST_PACKAGES, HOST_PACKAGES, WHEELS, WITHOUT, GUEST_WITHOUT, SITE_WITHOUT
)


class Contents(Record, frozen=True, kw_only=True):
    """bundle.json: what a finished bundle holds. `packages` are the .deb files' names."""

    version: str
    python: str
    qemu: str
    wheels: tuple[str, ...]
    packages: tuple[str, ...]
    size_bytes: int
    setup_s: float


class Bundle:
    """A finished bundle in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contents = msgspec.json.decode((folder / "bundle.json").read_bytes(), type=Contents)

    @property
    def variables(self) -> dict[str, str]:
        """The whole environment of a guest process; nothing of the user's own reaches it."""
        root = self.folder / "root"
        return {
            "PYTHONHOME": str(root / "usr"),
            "PYTHONPATH": str(root / "site"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "ORT_DISABLE_TELEMETRY": "1",
            "OMP_NUM_THREADS": "1",
            "LC_ALL": "C.UTF-8",
            "PATH": "/usr/bin:/bin",
        }

    def qemu(self, machine: str) -> list[str]:
        """The start of a command that runs a program of `machine` ("aarch64", "x86_64"); QEMU has its own libraries.

        Where this system allows it, its memory has the same addresses in every process.
        """
        host = self.folder / "host" / "usr"
        loader = next(host.glob("lib*/ld-linux-*.so.*"))
        libraries = ":".join(map(str, (host / "lib").glob("*-linux-gnu")))
        return [*same_addresses(), str(loader), "--library-path", libraries, str(host / "bin" / f"qemu-{machine}")]

    def guest(self, device: DeviceProfile, *options: str) -> list[str]:
        """The start of a command that runs the guest's Python on `device`'s CPU; `options` go to QEMU.

        Python gets no site module: the host's own packages would lie on its path. Raises UsageError for a device whose
        core cannot be imitated.
        """
        core = fakecpu.core_of(device)
        python = self.folder / "root" / "usr" / "bin" / self.contents.python
        root = self.device_root(device)
        return [*self.qemu("aarch64"), "-L", str(root), "-cpu", core.qemu, *options, str(python), "-S", "-s"]

    def device_root(self, device: DeviceProfile) -> Path:
        """The guest's root with `device`'s CPU in it: links to root/, and files of its own; made when first asked for.

        Raises UsageError for a device whose core cannot be imitated.
        """
        files = fakecpu.files(device, fakecpu.core_of(device))
        root = self.folder / "devices" / f"{device.name}-{identity(files)[:8]}"
        if not root.is_dir():
            root.parent.mkdir(exist_ok=True)
            fresh = Path(tempfile.mkdtemp(dir=root.parent))
            for entry in (self.folder / "root").iterdir():
                (fresh / entry.name).symlink_to(Path("../../root") / entry.name)
            fakecpu.write(fresh, files)
            publish(fresh, root)
        return root


@cache
def same_addresses() -> tuple[str, ...]:
    """What starts a program without address randomisation, or nothing where that is not allowed.

    Hash tables and allocators count a few instructions more or less by the addresses they get: 0.1% of ncnn's
    MobileNetV2 at 96 pixels from process to process, and none at all without.
    """
    program = shutil.which("setarch")
    command = (program, "-R") if program else ()
    if command and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
        return command
    return ()


def publish(fresh: Path, folder: Path) -> None:
    """Gives a finished folder its name in one step; where another process was first, its folder stays."""
    try:
        fresh.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(fresh)


def folder() -> Path:
    """Where this version's bundle is, or will be: $XDG_CACHE_HOME/edgebench/bundle/VERSION."""
    return cache_folder() / "bundle" / VERSION


def find() -> Bundle | None:
    """The finished bundle of this version, or None."""
    return Bundle(folder()) if (folder() / "bundle.json").is_file() else None


def require() -> Bundle:
    """The finished bundle. Raises UsageError, with the command that makes it, when there is none."""
    found = find()
    if found is None:
        raise UsageError("there is no bundle to emulate with yet; make it with: edgebench device setup NAME")
    return found
