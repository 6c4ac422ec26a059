"""Engines for web pages: packages of npm, of which a page gets the files that it needs."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.paths import cache_folder, write_atomically

_LONGEST_S: Final = 600


class Package(msgspec.Struct, frozen=True):
    """What an engine needs of npm; `types` are the only ones that it takes, where it does not take all."""

    name: str
    version: str
    files: tuple[str, ...]
    types: tuple[str, ...] = ()


@dataclass(frozen=True)
class WebEngine:
    """What runs files of a format in a page.

    `script` defines `load(model, network)`, whose `RUNTIME` are the files of `package` by their names; `content` is
    what of a file goes into the page.
    """

    script: Path
    package: Package
    content: Callable[[Path], bytes]


def fetched(package: Package) -> Mapping[str, bytes]:
    """The files of a package, by their names, from the cache or else through npm.

    Raises UsageError where npm is not installed, DeviceError where it does not get the package.
    """
    kept = cache_folder() / "npm" / f"{package.name}-{package.version}"
    if not all((kept / Path(name).name).is_file() for name in package.files):
        kept.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory() as folder, tarfile.open(_packed(package, Path(folder))) as archive:
            for name in package.files:
                file = archive.extractfile(f"package/{name}")
                if file is None:
                    raise DeviceError(f"{package.name} {package.version} of npm has no {name}")
                write_atomically(kept / Path(name).name, file.read())
    return {Path(name).name: (kept / Path(name).name).read_bytes() for name in package.files}


def _packed(package: Package, folder: Path) -> Path:
    wanted = f"{package.name}@{package.version}"
    npm = shutil.which("npm")
    if npm is None:
        raise UsageError(f"a page needs {wanted} of npm once, and npm is not installed: apt-get install npm")
    command = [npm, "pack", wanted, "--pack-destination", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, cwd=folder)
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"npm did not get {wanted} within {_LONGEST_S} s") from error
    found = next(iter(folder.glob("*.tgz")), None)
    if done.returncode or found is None:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise DeviceError(f"npm did not get {wanted}: {said[0] if said else f'exit code {done.returncode}'}")
    return found
