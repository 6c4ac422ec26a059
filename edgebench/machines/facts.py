"""What this machine says of itself, for the host's device profile. Anything that cannot be read is left out."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any


def facts(root: Path = Path("/")) -> dict[str, Any]:
    """The profile keys `cpu` and `memory` of this machine, in base units; `root` is where /proc and /sys lie."""
    cpuinfo = _read(root / "proc/cpuinfo")
    cpu = {
        "soc": platform.system(),
        "core": _field(cpuinfo, "model name") or _field(cpuinfo, "CPU part") or platform.processor() or "unknown",
        "cores": os.cpu_count() or 1,
        "clock": _clock_hz(root, cpuinfo),
        "isa": platform.machine() or "unknown",
        "caches": _caches(root / "sys/devices/system/cpu/cpu0/cache"),
    }
    found = {"cpu": {key: value for key, value in cpu.items() if value is not None}, "memory": _memory_bytes()}
    return {key: value for key, value in found.items() if value is not None}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _field(cpuinfo: str, name: str) -> str | None:
    match = re.search(rf"^{re.escape(name)}\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return match[1].strip() if match else None


def _clock_hz(root: Path, cpuinfo: str) -> float | None:
    """The highest clock that the kernel allows, else the clock of the moment."""
    highest = _read(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").strip()
    if highest.isdigit():
        return int(highest) * 1e3
    moment = _field(cpuinfo, "cpu MHz")
    return float(moment) * 1e6 if moment and re.fullmatch(r"\d+(\.\d+)?", moment) else None


def _caches(folder: Path) -> dict[str, int]:
    """Data and unified caches by level, from sysfs's "32K" and "1M"."""
    found = {}
    for index in sorted(folder.glob("index*")):
        size = re.fullmatch(r"(\d+)([KM])", _read(index / "size").strip())
        level = _read(index / "level").strip()
        if size and level in {"1", "2", "3"} and _read(index / "type").strip() != "Instruction":
            found["l1d" if level == "1" else f"l{level}"] = int(size[1]) * (2**10 if size[2] == "K" else 2**20)
    return found


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
