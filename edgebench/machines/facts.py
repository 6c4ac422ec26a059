"""What a machine says of itself in /proc and /sys, for its device profile: this one's files, or a board's.

Anything that is not told is left out. What changes while a machine measures is in environment.py.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from edgebench.ground.errors import UsageError
from edgebench.machines.environment import ARM_PARTS, cpu_model, usable_cores
from edgebench.machines.environment import read as read_text

CPU: Final = "sys/devices/system/cpu/cpu"
FILES: Final = (
    *("proc/cpuinfo", "proc/meminfo", "proc/device-tree/model", "proc/device-tree/compatible"),
    f"{CPU}[0-9]*/cpufreq/cpuinfo_max_freq",
    *(f"{CPU}[0-9]*/cache/index[0-9]*/{name}" for name in ("level", "type", "size")),
)
"""Patterns of the files that tell what a machine is, from its root."""

Files = Mapping[str, str]
"""Their texts by their path from the root; "machine" is what uname -m says."""


def facts(root: Path = Path("/")) -> dict[str, Any]:
    """The profile keys `cpu` and `memory` of this machine, in base units; `root` is where /proc and /sys lie."""
    files = {path.relative_to(root).as_posix(): read_text(path) or "" for each in FILES for path in root.glob(each)}
    moment = re.search(r"^cpu MHz\s*:\s*(\d+(?:\.\d+)?)$", files.get("proc/cpuinfo", ""), re.M)
    cpu = {
        "soc": platform.system(),
        "core": core(files, 0) or platform.processor() or "unknown",
        "cores": os.cpu_count() or 1,
        "clock": clock_hz(files, 0) or (float(moment[1]) * 1e6 if moment else None),
        "isa": platform.machine() or "unknown",
        "caches": caches(files, 0),
    }
    told: dict[str, Any] = {"cpu": {key: value for key, value in cpu.items() if value is not None}}
    with suppress(AttributeError, ValueError, OSError):
        told["memory"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return told


def check_threads(threads: int) -> None:
    """Raises UsageError for more threads than this process may keep busy: they would only wait for each other."""
    cores = usable_cores()
    if threads > cores:
        held = "its number of cores" if cores == os.cpu_count() else "what this process may use of its cores"
        raise UsageError(f"{threads} threads on this machine: give 1 to {cores}, {held}")


def title(files: Files) -> str:
    """A board's name in its device tree, or the processor's in /proc/cpuinfo."""
    return files.get("proc/device-tree/model", "") or cpu_model(files.get("proc/cpuinfo", "")) or ""


def soc(files: Files) -> str:
    """The last name in the device tree's list, which is the chip's: "brcm,bcm2711" is BCM2711."""
    names = files.get("proc/device-tree/compatible", "").split()
    return names[-1].rpartition(",")[2].upper() if names else "unknown"


def biggest(files: Files) -> list[int]:
    """The numbers of the cores with the highest clock; all where clocks are not told."""
    numbers = [int(number) for number in re.findall(r"^processor\s*:\s*(\d+)", files.get("proc/cpuinfo", ""), re.M)]
    clocks = {number: clock_hz(files, number) or 0.0 for number in numbers}
    return [number for number in numbers if clocks[number] == max(clocks.values())]


def clock_hz(files: Files, number: int) -> float | None:
    """The highest clock that the kernel allows a core."""
    khz = files.get(f"{CPU}{number}/cpufreq/cpuinfo_max_freq", "")
    return int(khz) * 1e3 if khz.isdecimal() else None


def core(files: Files, number: int) -> str | None:
    """The name of one core."""
    entries = re.split(r"\n(?=processor\s*:)", files.get("proc/cpuinfo", ""))
    entry = next((each for each in entries if re.search(rf"^processor\s*:\s*{number}$", each, re.M)), "")
    part = re.search(r"^CPU part\s*:\s*(\S+)", entry, re.M)
    return ARM_PARTS.get(part[1].lower(), f"Arm part {part[1]}") if part else cpu_model(entry)


def isa(files: Files) -> str:
    """The instruction set, spelled as for gcc -march, from what /proc/cpuinfo lists."""
    if files.get("machine") not in ("aarch64", "arm64"):
        return files.get("machine") or "unknown"
    listed = re.search(r"^Features\s*:(.*)$", files.get("proc/cpuinfo", ""), re.M)
    features = listed[1].split() if listed else []
    extensions = [name for feature, name in (("asimdhp", "+fp16"), ("asimddp", "+dotprod")) if feature in features]
    return ("armv8.2-a" if extensions else "armv8-a") + "".join(extensions)


def caches(files: Files, number: int) -> dict[str, int]:
    """A core's data and unified caches by level, from sysfs's "32K" and "1M"."""
    sizes: dict[str, int] = {}
    for path in sorted(files):
        folder, _, name = path.rpartition("/")
        if not (folder.startswith(f"{CPU}{number}/cache/") and name == "size"):
            continue
        size, level = re.fullmatch(r"(\d+)([KM])", files[path]), files.get(f"{folder}/level", "")
        if size and level in ("1", "2", "3") and files.get(f"{folder}/type") != "Instruction":
            sizes["l1d" if level == "1" else f"l{level}"] = int(size[1]) * (2**10 if size[2] == "K" else 2**20)
    return sizes
