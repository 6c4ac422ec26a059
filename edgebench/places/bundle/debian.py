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

from edgebench.ground.errors import DeviceError, UsageError

# Everything comes from this release of Debian, whichever the host's own is: its QEMU is the last that is linked
# dynamically, so that it can load a plugin (Ubuntu's cannot), and one guest for everybody makes counts comparable.
RELEASE: Final = "bookworm"
ALIASES: Final = ("stable", "testing", "unstable", "sid")

# Where Debian is to be had on Ubuntu and its like, whose own packages hold the keys to it.
MIRRORS: Final = {
    "http://deb.debian.org/debian": f"{RELEASE} {RELEASE}-updates",
    "http://deb.debian.org/debian-security": f"{RELEASE}-security",
}
KEYRING: Final = "debian-archive-keyring"

POCKETS: Final = ("", "-updates", "-security")
COMPONENTS: Final = ("main", "universe")
KEPT_FIELDS: Final[tuple[str, ...]] = ("Signed-By", "Trusted", "Check-Valid-Until", "Check-Date")

Stanza = dict[str, str]


@dataclass(frozen=True)
class Host:
    """The distribution of this machine ("debian", or one made from it), its release's name, and dpkg's architecture."""

    family: str
    codename: str
    architecture: str


def host(os_release: Path = Path("/etc/os-release")) -> Host:
    """What this machine runs. Raises UsageError where there is no apt-get or dpkg, and on other systems."""
    for tool in ("apt-get", "dpkg-deb", "dpkg"):
        if shutil.which(tool) is None:
            raise UsageError(
                f"setting up an emulated device needs Debian or Ubuntu, and there is no {tool} here; "
                "use a container of one of them, or take the estimate"
            )
    facts = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', os_release.read_text("utf-8"), re.MULTILINE))
    families = [facts.get("ID", ""), *facts.get("ID_LIKE", "").split()]
    codename = facts.get("UBUNTU_CODENAME") or facts.get("DEBIAN_CODENAME") or facts.get("VERSION_CODENAME")
    if not {"debian", "ubuntu"} & set(families) or codename is None:
        raise UsageError(f"setting up an emulated device needs Debian or Ubuntu; {os_release} names neither")
    found = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    return Host(families[0], codename, found.stdout.strip())


def sources(host: Host, folder: Path = Path("/etc/apt")) -> list[Stanza]:
    """The host's own mirrors as deb822 stanzas, narrowed to its distribution; on Debian, to RELEASE there.

    Raises UsageError when the host's sources name none of its distribution's suites.
    """
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    found: list[Stanza] = []
    for path in files:
        if path.is_file() and path.suffix in (".list", ".sources"):
            text = path.read_text("utf-8", "replace")
            parsed = deb822(text) if path.suffix == ".sources" else one_line(text)
            found += [own for stanza in parsed if (own := narrowed(stanza, host))]
    if not found:
        raise UsageError(f"{folder} names no mirror of {host.family} {host.codename}; add one to sources.list")
    return found


def debian_sources(host: Host, folder: Path) -> list[Stanza]:
    """Where RELEASE is to be had: on Debian the host's mirrors, elsewhere Debian's, with the host's copy of its keys.

    What that takes is downloaded into `folder`. Raises UsageError as `sources` does, and DeviceError.
    """
    own = sources(host)
    if host.family == "debian":
        return own
    apt = Apt(folder, own, [host.architecture])
    apt.update()
    shutil.rmtree(folder / "keys", ignore_errors=True)
    unpack(apt.fetch([KEYRING]), folder / "keys")
    key = str(folder / "keys" / "usr" / "share" / "keyrings" / f"{KEYRING}.gpg")
    common = {"Types": "deb", "Components": "main", "Signed-By": key}
    return [{"URIs": uri, "Suites": suites, **common} for uri, suites in MIRRORS.items()]


def deb822(text: str) -> Iterator[Stanza]:
    """The enabled stanzas of a .sources file that hold binary packages."""
    from debian.deb822 import Deb822

    for paragraph in Deb822.iter_paragraphs(text.splitlines(), use_apt_pkg=False):
        stanza = {name.title(): value for name, value in paragraph.items()}
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


def narrowed(stanza: Stanza, host: Host) -> Stanza | None:
    """What a stanza offers of the host's own distribution, or None for another archive."""
    suites = [suite for name in stanza.get("Suites", "").split() if (suite := _suite(name, host))]
    components = [name for name in stanza.get("Components", "").split() if name in COMPONENTS]
    uris = [uri for uri in stanza.get("Uris", "").split() if not uri.startswith("cdrom:")]
    if not (suites and components and uris):
        return None
    kept = {name: stanza[name] for name in KEPT_FIELDS if name in stanza}
    texts = {"URIs": uris, "Suites": dict.fromkeys(suites), "Components": components}
    return {"Types": "deb", **{name: " ".join(words) for name, words in texts.items()}, **kept}


def _suite(name: str, host: Host) -> str | None:
    """The suite to read in place of the host's `name`, or None when that is not one of its distribution's own."""
    debian = host.family == "debian"
    for alias in (host.codename, *(ALIASES if debian else ())):
        if name.startswith(alias) and name.removeprefix(alias) in POCKETS:
            return (RELEASE if debian else alias) + name.removeprefix(alias)
    return None


class Apt:
    """A private apt that lives in one folder. What it has downloaded stays there, so a second run is short."""

    def __init__(self, folder: Path, stanzas: Sequence[Stanza], architectures: Sequence[str]) -> None:
        self._folder = folder
        self._configuration = folder / "apt.conf"
        for part in ("state/lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        served = " ".join(architectures)
        text = "\n\n".join(
            "\n".join(f"{name}: {value}" for name, value in {**stanza, "Architectures": served}.items())
            for stanza in stanzas
        )
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
        command = ["dpkg-deb", "-x", str(package), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DeviceError(f"{package.name} cannot be unpacked: {done.stderr.strip()[-200:]}")
    for name in ("bin", "sbin", "lib", "lib64"):
        apart = folder / name
        if apart.is_dir() and not apart.is_symlink():
            shutil.copytree(apart, folder / "usr" / name, symlinks=True, dirs_exist_ok=True, copy_function=os.replace)
            shutil.rmtree(apart)
            apart.symlink_to(f"usr/{name}")
    remove(folder, without)


def remove(folder: Path, patterns: Iterable[str]) -> None:
    """Removes what the glob patterns match below `folder`."""
    for found in [path for pattern in patterns for path in folder.glob(pattern)]:
        if found.is_dir() and not found.is_symlink():
            shutil.rmtree(found)
        else:
            found.unlink(missing_ok=True)
