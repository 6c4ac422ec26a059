"""`edgebench device add`: a device file for a board that is connected, filled in by the board."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import convert
from msgspec.structs import asdict, replace

from edgebench.ground import toml
from edgebench.ground.errors import DeviceError, UsageError, unknown
from edgebench.ground.paths import write
from edgebench.machines import facts, profiles
from edgebench.machines.device_files import user_folders
from edgebench.machines.environment import memory_total
from edgebench.machines.profiles import Caches, Cpu, DeviceProfile, Reach, Source
from edgebench.places.board.reach import link
from edgebench.places.board.shell import Link, ask

_READ: Final = f"""
cd /
printf '== machine\\n%s\\n' "$(uname -m)"
for file in {" ".join(facts.FILES)}
do
  if [ -r "$file" ]; then printf '\\n== %s\\n' "$file"; tr '\\000' '\\n' < "$file" 2> /dev/null; fi
done
"""


def add(name: str, way: Reach, *, here: bool = False, force: bool = False) -> tuple[Path, DeviceProfile]:
    """Asks a connected device what it is and writes its profile; returns the file and the profile.

    The file goes to the user's configuration folder, or to ./devices when `here`. Raises UsageError for a name that
    cannot be one or is taken (unless `force`), DeviceError when the device cannot be reached.
    """
    path = place(name, here=here)
    if path.exists() and not force:
        raise UsageError(f"{path} is there already: write over it with `force`, or choose another name")
    connection = link(way)
    try:
        files = _files(connection)
    finally:
        connection.close()
    via = "over SSH" if way.via == "ssh" else "through adb"
    found = profile(name, files, way, f"the device's own /proc and /sys, read {via} on {_today()}")
    text = show(found)
    profiles.parse(text, name, str(path))
    write(path, text)
    return path, found


def way(via: str | None, connect: str | None, python: str | None) -> Reach:
    """How to get to a device that has no file yet. Raises UsageError."""
    if via not in (None, "ssh", "adb"):
        raise unknown("way to a new device", via, ("ssh", "adb"))
    if via != "adb" and not connect:
        raise UsageError("an address is missing: add `connect='pi@host'`, or `via='adb'` for a phone")
    return Reach(via="adb" if via == "adb" else "ssh", address=connect, python=python)


def _files(link: Link) -> dict[str, str]:
    """The files of a device that tell what it is, by their path from its root; "machine" is what uname says."""
    parts = re.split(r"^== (\S+)\n", ask(link, _READ).text, flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def profile(name: str, files: facts.Files, reach: Reach, source: str) -> DeviceProfile:
    """The profile of a device with these `files`; `source` is said to be where each figure was read.

    Raises DeviceError when they do not tell its cores.
    """
    big = facts.biggest(files)
    if not big:
        raise DeviceError(f"the device of '{name}' does not list its cores in /proc/cpuinfo")
    told = DeviceProfile(
        name=name,
        title=facts.title(files) or name,
        memory_bytes=memory_total(files.get("proc/meminfo", "")),
        reach=reach,
        cpu=Cpu(
            soc=facts.soc(files),
            core=facts.core(files, big[0]) or "unknown",
            cores=len(big),
            clock_hz=facts.clock_hz(files, big[0]),
            isa=facts.isa(files),
            caches=convert(facts.caches(files, big[0]), Caches),
        ),
    )
    fields = [field for field, value in _quantities(told).items() if value is not None]
    sources = [Source(field=field, source=source) for field in ("cpu.soc", "cpu.core", "cpu.isa", *fields)]
    return replace(told, sources=tuple(sources))


def _quantities(profile: DeviceProfile) -> dict[str, float | None]:
    """The figures of a profile that have a unit, by their dotted key."""
    held = profile.cpu.caches
    return {
        "memory": profile.memory_bytes,
        "cpu.clock": profile.cpu.clock_hz,
        "cpu.caches.l1d": held.l1d_bytes,
        "cpu.caches.l2": held.l2_bytes,
        "cpu.caches.l3": held.l3_bytes,
    }


def place(name: str, *, here: bool) -> Path:
    """The file of a user's device. Raises UsageError for a name that cannot be one."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name) or name == "host":
        raise UsageError(f"'{name}' cannot name a device: use small letters, digits, - and _, and not host")
    current, configured = user_folders()
    return (current if here else configured) / f"{name}.toml"


def show(profile: DeviceProfile) -> str:
    """A profile as the TOML that `profiles.parse` reads, without calibrations."""
    cpu, held, reach = profile.cpu, profile.cpu.caches, profile.reach
    caches = {"l1d": _size(held.l1d_bytes), "l2": _size(held.l2_bytes), "l3": _size(held.l3_bytes)}
    clock = f"{cpu.clock_hz / 1e6:g}MHz" if cpu.clock_hz else ""
    return toml.show(
        _told(
            {
                "name": profile.name,
                "title": profile.title,
                "memory": _size(profile.memory_bytes),
                "cpu": {"soc": cpu.soc, "core": cpu.core, "cores": cpu.cores, "clock": clock, "isa": cpu.isa}
                | {"caches": caches},
                "reach": asdict(reach) if isinstance(reach, Reach) else {},
                "sources": [{"field": each.field, "source": each.source} for each in profile.sources],
            }
        )
    )


def _told(value: Any) -> Any:
    """A value without what the board does not tell, and its texts without what a terminal cannot show."""
    if isinstance(value, dict):
        return {key: _told(held) for key, held in value.items() if held not in (None, "", {}, [])}
    if isinstance(value, list):
        return [_told(held) for held in value]
    return "".join(letter for letter in value if letter.isprintable()) if isinstance(value, str) else value


def _size(size_bytes: int | None) -> str:
    if size_bytes is None:
        return ""
    unit, factor = ("MiB", 2**20) if size_bytes % 2**20 == 0 else ("KiB", 2**10)
    return f"{size_bytes / factor:.15g}{unit}"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
