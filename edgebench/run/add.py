"""`edgebench device add`: a device file for a board that is connected, filled in by the board."""

from __future__ import annotations

import json
import os
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from edgebench.ground.errors import UsageError, unknown
from edgebench.machines import profiles
from edgebench.machines.device_files import user_folders
from edgebench.machines.profiles import DeviceProfile, Reach
from edgebench.places.board import facts
from edgebench.places.board.reach import link


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
        files = facts.read(connection)
    finally:
        connection.close()
    via = "over SSH" if way.via == "ssh" else "through adb"
    found = facts.profile(name, files, way, f"the device's own /proc and /sys, read {via} on {_today()}")
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


def place(name: str, *, here: bool) -> Path:
    """The file of a user's device. Raises UsageError for a name that cannot be one."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name) or name == "host":
        raise UsageError(f"'{name}' cannot name a device: use small letters, digits, - and _, and not host")
    current, configured = user_folders()
    return (current if here else configured) / f"{name}.toml"


def show(profile: DeviceProfile) -> str:
    """A profile as the TOML that `profiles.parse` reads, without calibrations."""
    cpu, held = profile.cpu, profile.cpu.caches
    lines = [f"name = {_text(profile.name)}", f"title = {_text(profile.title)}", *_size("memory", profile.memory_bytes)]
    lines += ["", "[cpu]", f"soc = {_text(cpu.soc)}", f"core = {_text(cpu.core)}", f"cores = {cpu.cores}"]
    lines += [f'clock = "{cpu.clock_hz / 1e6:g}MHz"'] if cpu.clock_hz else []
    lines += [f"isa = {_text(cpu.isa)}", "", "[cpu.caches]"]
    lines += [*_size("l1d", held.l1d_bytes), *_size("l2", held.l2_bytes), *_size("l3", held.l3_bytes)]
    if isinstance(profile.reach, Reach):
        values = {key: getattr(profile.reach, key) for key in profile.reach.__struct_fields__}
        lines += ["", "[reach]", *(f"{key} = {_text(value)}" for key, value in values.items() if value)]
    for source in profile.sources:
        lines += ["", "[[sources]]", f"field = {_text(source.field)}", f"source = {_text(source.source)}"]
    return "\n".join(lines) + "\n"


def _size(key: str, size_bytes: int | None) -> list[str]:
    if size_bytes is None:
        return []
    unit, factor = ("MiB", 2**20) if size_bytes % 2**20 == 0 else ("KiB", 2**10)
    return [f'{key} = "{size_bytes / factor:.15g}{unit}"']


def _text(value: str) -> str:
    """A basic string of TOML, which is written as one of JSON is."""
    return json.dumps("".join(letter for letter in value if letter.isprintable()), ensure_ascii=False)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def write(path: Path, text: str) -> None:
    """Writes beside the file and renames. Raises UsageError when the folder cannot be written to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as file:
            file.write(text)
        os.chmod(file.name, 0o644)
        Path(file.name).rename(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or type(error).__name__).lower()}") from error
