"""Debian packages of any architecture, fetched and unpacked into a folder by the host's own apt, without root.

apt runs with a private configuration: its own state, cache and package list, and the host's own mirrors, keys, proxies
and certificates. Nothing of the host's is changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgebench.errors import DeviceError, UsageError

# On Debian everything comes from this release, whichever the host's own is: its QEMU is the last that is linked
# dynamically, so that it can load a plugin, and one guest for everybody makes counts comparable.
DEBIAN_RELEASE: Final = "bookworm"
DEBIAN_ALIASES: Final = ("stable", "testing", "unstable", "sid")

# Ubuntu keeps the architectures that are not x86 on another server.
UBUNTU_PORTS: Final = "http://ports.ubuntu.com/ubuntu-ports"
UBUNTU_X86: Final = ("amd64", "i386")

POCKETS: Final = ("", "-updates", "-security")
COMPONENTS: Final = ("main", "universe")
KEPT_FIELDS: Final[tuple[str, ...]] = ("Signed-By", "Trusted", "Check-Valid-Until", "Check-Date")

Stanza = dict[str, str]


@dataclass(frozen=True)
class Host:
    """The distribution of this machine: "debian" or "ubuntu", its release's name, and its architecture as dpkg says."""

    family: str
    codename: str
    architecture: str


def host(os_release: Path = Path("/etc/os-release")) -> Host:
    """What this machine runs. Raises UsageError where there is no apt-get, no dpkg, or another family."""
    for tool in ("apt-get", "dpkg-deb", "dpkg"):
        if shutil.which(tool) is None:
            raise UsageError(
                f"setting up an emulated device needs Debian or Ubuntu, and there is no {tool} here; "
                "use a container of one of them, or take the estimate"
            )
    facts = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', os_release.read_text("utf-8"), re.MULTILINE))
    families = [facts.get("ID", ""), *facts.get("ID_LIKE", "").split()]
    family = next((name for name in families if name in ("ubuntu", "debian")), None)
    codename = facts.get("UBUNTU_CODENAME") or facts.get("DEBIAN_CODENAME") or facts.get("VERSION_CODENAME")
    if family is None or codename is None:
        raise UsageError(f"setting up an emulated device needs Debian or Ubuntu; {os_release} names neither")
    found = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    return Host(family, codename, found.stdout.strip())


def sources(host: Host, architectures: Iterable[str], folder: Path = Path("/etc/apt")) -> list[Stanza]:
    """The host's own mirrors as deb822 stanzas, narrowed to its distribution, for the wanted architectures.

    Raises UsageError when the host's sources name none of its distribution's suites.
    """
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    found: list[Stanza] = []
    for path in files:
        if path.is_file() and path.suffix in (".list", ".sources"):
            text = path.read_text("utf-8", "replace")
            parsed = deb822(text) if path.suffix == ".sources" else one_line(text)
            found += [each for stanza in parsed for each in narrowed(stanza, host, architectures)]
    if not found:
        raise UsageError(f"{folder} names no mirror of {host.family} {host.codename}; add one to sources.list")
    return found


def deb822(text: str) -> Iterator[Stanza]:
    """The enabled stanzas of a .sources file that hold binary packages."""
    for block in re.split(r"\n[ \t]*\n", text):
        lines = "\n".join(line for line in block.splitlines() if not line.startswith("#"))
        fields = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", lines, re.MULTILINE)
        stanza = {name.title(): value.rstrip() for name, value in fields}
        if "deb" in stanza.get("Types", "").split() and stanza.get("Enabled", "yes").lower() not in ("no", "false"):
            yield stanza


def one_line(text: str) -> Iterator[Stanza]:
    """The `deb [options] URI suite components` lines of a .list file."""
    for options, uri, suite, components in re.findall(
        r"^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)[ \t]*([^#\n]*)", text, re.MULTILINE
    ):
        named = (option.partition("=") for option in options.split())
        stanza = {name.title(): value for name, _, value in named}
        yield stanza | {"Uris": uri, "Suites": suite, "Components": components.strip()}


def narrowed(stanza: Stanza, host: Host, architectures: Iterable[str]) -> Iterator[Stanza]:
    """`stanza` for each place that serves the wanted architectures; nothing for another archive than the host's own."""
    suites = [suite for name in stanza.get("Suites", "").split() if (suite := _suite(name, host))]
    components = [name for name in stanza.get("Components", "").split() if name in COMPONENTS]
    uris = [uri for uri in stanza.get("Uris", "").split() if not uri.startswith("cdrom:")]
    if not (suites and components and uris):
        return
    kept = {name: stanza[name] for name in KEPT_FIELDS if name in stanza}
    for place, served in _places(uris, host, architectures).items():
        yield {
            "Types": "deb",
            "URIs": place,
            "Suites": " ".join(dict.fromkeys(suites)),
            "Components": " ".join(components),
            "Architectures": " ".join(served),
            **kept,
        }


def _suite(name: str, host: Host) -> str | None:
    """The suite to read in place of the host's `name`, or None when that is not one of its distribution's own."""
    aliases = (host.codename, *(DEBIAN_ALIASES if host.family == "debian" else ()))
    for alias in aliases:
        if name.startswith(alias) and name.removeprefix(alias) in POCKETS:
            return (DEBIAN_RELEASE if host.family == "debian" else alias) + name.removeprefix(alias)
    return None


def _places(uris: list[str], host: Host, architectures: Iterable[str]) -> dict[str, list[str]]:
    """URIs -> the architectures served there."""
    own = " ".join(uris)
    places: dict[str, list[str]] = {}
    for architecture in architectures:
        moved = host.family == "ubuntu" and (architecture in UBUNTU_X86) != (host.architecture in UBUNTU_X86)
        places.setdefault(UBUNTU_PORTS if moved else own, []).append(architecture)
    return places


class Apt:
    """A private apt that lives in one folder. What it has downloaded stays there, so a second run is short."""

    def __init__(self, folder: Path, stanzas: Sequence[Stanza], architectures: Sequence[str]) -> None:
        self._folder = folder
        self._configuration = folder / "apt.conf"
        for part in ("state/lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        text = "\n\n".join("\n".join(f"{name}: {value}" for name, value in stanza.items()) for stanza in stanzas)
        (folder / "own.sources").write_text(text + "\n", "utf-8")
        self._configuration.write_text(_configuration(folder, architectures), "utf-8")

    def update(self) -> None:
        """Reads the package lists. Raises DeviceError with apt's own reason."""
        self._run("update", "-o", "APT::Update::Error-Mode=any")

    def fetch(self, packages: Sequence[str]) -> list[Path]:
        """Downloads packages, such as "libc6:arm64", with all they depend on; returns their .deb files."""
        options = ["install", "--yes", "--no-install-recommends"]
        plan = self._run(*options, "--simulate", *packages)
        self._run(*options, "--download-only", *packages)
        found = re.findall(r"^Inst ([^\s:]+)\S* \((\S+) .*\[(\w+)\]\)", plan, re.MULTILINE)
        names = [f"{name}_{version.replace(':', '%3a')}_{architecture}.deb" for name, version, architecture in found]
        return [self._folder / "cache" / "archives" / name for name in names]

    def _run(self, *arguments: str) -> str:
        command = ["apt-get", "-c", str(self._configuration), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False)
        if done.returncode:
            reasons = re.findall(r"^E: (.*)$", done.stderr, re.MULTILINE) or [done.stderr.strip()[-200:]]
            raise DeviceError(f"apt-get {arguments[0]} failed: {reasons[0]}; is the network there? Then run it again")
        return done.stdout


def _configuration(folder: Path, architectures: Sequence[str]) -> str:
    """apt.conf, read after the host's own: what the host says of proxies and certificates stays."""
    settings = {
        "APT::Architecture": architectures[0],
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "APT::Keep-Downloaded-Packages": "true",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Dir::State": str(folder / "state"),
        "Dir::State::status": str(folder / "status"),
        "Dir::Cache": str(folder / "cache"),
        "Dir::Cache::archives": str(folder / "cache" / "archives"),
        "Dir::Cache::pkgcache": "pkgcache.bin",
        "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
        "Dir::Etc::sourcelist": str(folder / "own.sources"),
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
    }
    # A container's hooks would clean the host's cache after each run; and a list has to be emptied before it is set.
    cleared = ["APT::Architectures", "APT::Update", "APT::Default-Release", "DPkg", "Acquire::Languages"]
    lines = [f"#clear {name};" for name in cleared]
    lines += [f'{name} "{value}";' for name, value in settings.items()]
    lines += [f'APT::Architectures:: "{name}";' for name in architectures]
    return "\n".join(lines) + "\n"


def unpack(packages: Iterable[Path], folder: Path, *, without: Iterable[str] = ()) -> None:
    """Unpacks .deb files into `folder`, less the paths that the patterns `without` match. Raises DeviceError.

    The layout is the merged one, /lib a link to usr/lib, whichever way the release has it.
    """
    folder.mkdir(parents=True)
    for package in packages:
        done = subprocess.run(
            ["dpkg-deb", "-x", str(package), str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DeviceError(f"{package.name} cannot be unpacked: {done.stderr.strip()[-200:]}")
    for name in ("bin", "sbin", "lib", "lib64"):
        _merge(folder, name)
    remove(folder, without)


def _merge(folder: Path, name: str) -> None:
    apart = folder / name
    if apart.is_dir() and not apart.is_symlink():
        shutil.copytree(apart, folder / "usr" / name, symlinks=True, dirs_exist_ok=True, copy_function=os.replace)
        shutil.rmtree(apart)
        apart.symlink_to(f"usr/{name}")


def remove(folder: Path, patterns: Iterable[str]) -> None:
    """Removes what the glob patterns match below `folder`."""
    for found in [path for pattern in patterns for path in folder.glob(pattern)]:
        if found.is_dir() and not found.is_symlink():
            shutil.rmtree(found)
        else:
            found.unlink(missing_ok=True)
