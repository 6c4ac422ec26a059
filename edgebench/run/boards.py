"""Connected boards: `edgebench device add` writes their device file, `device check` asks what starts there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import asdict, replace

from edgebench.ground import toml
from edgebench.ground.errors import DeviceError, UsageError, unknown
from edgebench.ground.paths import write
from edgebench.ground.progress import Tell, quiet
from edgebench.ground.records import Record
from edgebench.machines import facts, profiles
from edgebench.machines.device_files import user_folders
from edgebench.machines.environment import disturbances, memory_total
from edgebench.machines.profiles import Caches, Cpu, DeviceProfile, Reach, Source
from edgebench.places.board import reach
from edgebench.places.board.remote import RemoteTarget
from edgebench.places.board.shell import ask
from edgebench.runtimes import PROBING, bundled

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
    file = place(name, here=here)
    if file.exists() and not force:
        raise UsageError(f"{file} is there already: write over it with `force`, or choose another name")
    connection = reach.link(way)
    try:
        parts = re.split(r"^== (\S+)\n", ask(connection, _READ).text, flags=re.MULTILINE)
    finally:
        connection.close()
    files = {path: text.strip() for path, text in zip(parts[1::2], parts[2::2], strict=True)}
    via, today = "over SSH" if way.via == "ssh" else "through adb", datetime.now(UTC).date().isoformat()
    found = profile(name, files, way, f"the device's own /proc and /sys, read {via} on {today}")
    text = show(found)
    profiles.parse(text, name, str(file))
    write(file, text)
    return file, found


def way(via: str | None, connect: str | None, python: str | None) -> Reach:
    """How to get to a device that has no file yet. Raises UsageError."""
    if via not in (None, "ssh", "adb"):
        raise unknown("way to a new device", via, ("ssh", "adb"))
    if via != "adb" and not connect:
        raise UsageError("an address is missing: add `connect='pi@host'`, or `via='adb'` for a phone")
    return Reach(via="adb" if via == "adb" else "ssh", address=connect, python=python)


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
            caches=msgspec.convert(facts.caches(files, big[0]), Caches),
        ),
    )
    held = told.cpu.caches
    quantities = {
        "memory": told.memory_bytes,
        "cpu.clock": told.cpu.clock_hz,
        "cpu.caches.l1d": held.l1d_bytes,
        "cpu.caches.l2": held.l2_bytes,
        "cpu.caches.l3": held.l3_bytes,
    }
    fields = [field for field, value in quantities.items() if value is not None]
    sources = [Source(field=field, source=source) for field in ("cpu.soc", "cpu.core", "cpu.isa", *fields)]
    return replace(told, sources=tuple(sources))


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


# Imports each module=package it is given, and says the package's version or why not.
QUESTION = (
    PROBING
    + """
for argument in sys.argv[1:]:
    module, name = argument.split("=")
    try:
        import_module(module)
        found[name] = [version(name), None]
    except Exception as error:
        found[name] = [None, "%s: %s" % (type(error).__name__, error)]
print(json.dumps(found), file=told)
"""
)


class Engine(Record, frozen=True, kw_only=True):
    """One runtime there: its version, or why it does not start."""

    runtime: str
    version: str | None
    reason: str | None


class Answer(Record, frozen=True, kw_only=True, tag="connected", tag_field="kind"):
    """What a connected device said. `doubts` are what would disturb a measurement now."""

    name: str
    via: str
    machine: str
    cpu: str | None
    cores: int
    python: str
    memory_bytes: int | None
    available_bytes: int | None
    free_disk_bytes: int | None
    governor: str | None
    temperature_c: float | None
    throttled: int | None
    engines: tuple[Engine, ...]
    doubts: tuple[str, ...]


def check(
    device: DeviceProfile,
    via: str | None = None,
    connect: str | None = None,
    python: str | None = None,
    *,
    tell: Tell = quiet,
) -> Answer:
    """Connects to a device, sends what is missing there, and imports every runtime. Raises DeviceError, UsageError."""
    if via == "local" or device.name == "host":
        raise UsageError("this machine needs no connection: `edgebench doctor` says what works here")
    found = reach.way(device, via, connect, python)
    with reach.connected(reach.link(found), found.python, tell=tell) as target:
        state = target.environment(threads=1)
        return Answer(
            name=device.name,
            via=found.via or "ssh",
            machine=target.board.machine,
            cpu=state.get("cpu"),
            cores=state.get("cores") or 0,
            python=state.get("python") or "",
            memory_bytes=target.board.memory_bytes,
            available_bytes=target.board.available_bytes,
            free_disk_bytes=target.board.free_bytes,
            governor=state.get("governor"),
            temperature_c=state.get("temperature_c"),
            throttled=state.get("throttled"),
            engines=engines(target),
            doubts=tuple(disturbances(1, state)),
        )


def engines(target: RemoteTarget) -> tuple[Engine, ...]:
    """The runtimes that start there. Raises DeviceError when Python gives no answer."""
    answer = target.python("-c", QUESTION, *(each.probe for each in bundled()))
    try:
        found = msgspec.json.decode(answer.text.strip(), type=dict[str, tuple[str | None, str | None]])
    except msgspec.MsgspecError as error:
        raise DeviceError(f"{target.link.name} does not tell its runtimes: {answer.last_error}") from error
    return tuple(
        Engine(runtime=each.name, version=found[each.distribution][0], reason=found[each.distribution][1])
        for each in bundled()
        if each.distribution in found
    )
