"""For a browser: a page that opens from its folder, offline too; the engine is a package of npm, written into it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from edgebench.deployment.app import App
from edgebench.deployment.target import Target, Texts
from edgebench.formats.format import form
from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.paths import cache_folder, write_atomically

_PACKAGES: Final = "engine.json"  # beside engine.js: the package of npm, its version, and the files that are needed
_LONGEST_S: Final = 600


class Package(msgspec.Struct, frozen=True):
    """What a format's engine needs of npm."""

    name: str
    version: str
    files: tuple[str, ...]


def _made(app: App) -> Texts:
    """All that a page opened from a folder may not read by itself, as scripts: browsers let it load no other files."""
    folder = TARGET.snippet(form(app.artifact.export.format)).parent
    package = msgspec.json.decode((folder / _PACKAGES).read_bytes(), type=Package)
    runtime = {name: _text(held) for name, held in fetched(package).items()}
    told = {"MODEL": app.description, "EXPECTED": app.expected}
    lines = [f"const {name} = {msgspec.json.encode(each).decode()};\n" for name, each in told.items()]
    return {
        "model.js": "".join([*lines, _constant("TEST", app.test.read_bytes())]),
        "network.js": _constant("NETWORK", Path(app.artifact.path).read_bytes()),
        "runtime.js": f"const RUNTIME = {json.dumps(runtime)};\n",
    }


def _constant(name: str, content: bytes) -> str:
    return f'const {name} = "{_text(content)}";\n'


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


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


TARGET = Target(name="web", engine="engine.js", made=_made, run="open index.html in a browser")
