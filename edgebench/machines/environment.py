"""What may influence a timing on a machine: CPU, clocks, governor, temperature, load, system, library versions, commit.

Uses the standard library only, so that it can be copied to a device like the worker. Nothing here fails: what a
system does not tell is None, and a file in /proc or /sys that does not hold what it should counts as not told.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

CPU, THERMAL = "sys/devices/system/cpu", "sys/class/thermal"
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"

# Part numbers in Arm's Main ID Register, from the cores' Technical Reference Manuals; implementer 0x41 is Arm.
ARM_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd40": "Neoverse-V1",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
    "0xd44": "Cortex-X1",
    "0xd46": "Cortex-A510",
    "0xd47": "Cortex-A710",
}


def capture(threads: int = 1, libraries: Iterable[str] = (), root: Path = Path("/")) -> dict[str, Any]:
    """Returns the machine's state as JSON-able values; None for what this system does not tell.

    `machine` names this machine by its CPU model, cores and memory, so that results of another are told apart.
    `versions` are those of the `libraries` that are installed. Files are read under `root`.
    """
    mac = platform.system() == "Darwin"
    fixed = _sysctl() if mac else _linux(root)
    cores = os.cpu_count()
    return {
        "machine": machine_id(fixed["cpu"], cores, fixed["memory_bytes"]),
        **fixed,
        "cores": cores,
        "affinity": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "threads": threads,
        **_changing(root),
        "kernel": f"{platform.system()} {platform.release()}",
        "os": f"macOS {platform.mac_ver()[0]}" if mac else os_name(read(root / "etc/os-release") or ""),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "versions": _versions(libraries),
        "commit": _commit(),
    }


def usable_cores(root: Path = Path("/")) -> int:
    """The cores that this process may keep busy: by its affinity mask, and by the quota of its cgroup or one above."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    home = root / "sys/fs/cgroup"
    quotas = [read(home / "cpu/cpu.cfs_quota_us"), read(home / "cpu/cpu.cfs_period_us")]  # version 1
    limits = [" ".join(filter(None, quotas))]
    for line in (read(root / "proc/self/cgroup") or "").splitlines():
        own = Path(line.rpartition(":")[2].lstrip("/"))
        limits += [read(home / each / "cpu.max") or "" for each in (own, *own.parents)]  # version 2
    for limit in limits:
        quota, _, period = limit.partition(" ")
        if quota.isdecimal() and period.isdecimal() and int(period):
            cores = min(cores, -(-int(quota) // int(period)))
    return max(cores, 1)


def _changing(root: Path) -> dict[str, Any]:
    """The part that changes while a machine measures."""
    cores = sorted(_glob(root / CPU, "cpu[0-9]*/cpufreq"))
    governors = {text for core in cores if (text := read(core / "scaling_governor"))}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "governor": ", ".join(sorted(governors)) or None,
        "frequency_hz": _highest((core / "scaling_cur_freq" for core in cores), 1e3),
        "frequency_max_hz": _highest((core / "cpuinfo_max_freq" for core in cores), 1e3),
        "temperature_c": _highest(_glob(root / THERMAL, "thermal_zone*/temp"), 1e-3),
        "load_1m": load,
        "throttled": parse_hex(read(root / THROTTLED)),
    }


def disturbances(threads: int = 1, state: dict[str, Any] | None = None) -> list[str]:
    """What in a machine's state (as captured; this machine's unless given) disturbs timings with `threads` threads.

    Each is one sentence that says what to do about it.
    """
    state = capture(threads) if state is None else state
    governor, load, cores = state.get("governor"), state.get("load_1m"), state.get("affinity") or state.get("cores")
    found = []
    if governor and governor != "performance":
        found.append(f"the CPU governor is {governor}, so the clock varies: sudo cpupower frequency-set -g performance")
    if cores == 1:
        found.append("the network shares the only usable core with the rest of the system: expect slow outliers")
    elif cores and threads + 1 > cores:
        found.append(
            f"{threads} threads on {cores} usable cores leave none for the rest of the system:"
            f" measure with --threads {cores - 1}"
        )
    if cores and load is not None and load > cores / 2:
        found.append(f"the load average was {load:.1f} on {cores} cores: close other programs and measure again")
    return found


def machine_id(cpu: str | None, cores: int | None, memory_bytes: int | None) -> str:
    """Eight digits that stay while CPU, cores and memory (to the GiB, since kernels keep varying shares) stay."""
    gibibytes = round(memory_bytes / 2**30) if memory_bytes else None
    return hashlib.sha256(repr((cpu, cores, gibibytes)).encode()).hexdigest()[:8]


def cpu_model(cpuinfo: str) -> str | None:
    """The CPU's name in the text of /proc/cpuinfo: x86's "model name", or the cores that an Arm part number means."""
    pairs = (line.partition(":") for line in cpuinfo.splitlines())
    fields = [(name.strip(), value.strip()) for name, _, value in pairs]
    for name, value in fields:
        if name == "model name" and value:
            return value
    parts = dict.fromkeys(value.lower() for name, value in fields if name == "CPU part" and value)
    cores = " + ".join(ARM_PARTS.get(part, f"Arm part {part}") for part in parts)
    board = next((value for name, value in fields if name in ("Model", "Hardware") and value), "")
    return f"{board} ({cores})" if board and cores else board or cores or None


def memory_total(meminfo: str) -> int | None:
    """MemTotal in bytes from the text of /proc/meminfo."""
    found = re.search(r"^MemTotal:\s*([0-9]+) kB", meminfo, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def os_name(release: str) -> str | None:
    """PRETTY_NAME from the text of /etc/os-release."""
    found = re.search(r"^PRETTY_NAME=(.*)$", release, re.MULTILINE)
    return found[1].strip().strip("\"'") or None if found else None


def parse_hex(text: str | None) -> int | None:
    """A Raspberry Pi's throttle bits: bits 0-3 are now, 16-19 since boot."""
    try:
        return int(text or "", 16)
    except ValueError:
        return None


def read(path: Path) -> str | None:
    """The stripped text of a small file, or None where it cannot be read."""
    try:
        return path.read_text("utf-8", "replace").replace("\0", "").strip()
    except OSError:
        return None


def _linux(root: Path) -> dict[str, Any]:
    cpuinfo = read(root / "proc/cpuinfo") or ""
    board = read(root / "proc/device-tree/model")
    cpu = cpu_model(cpuinfo)
    if board and cpu and board not in cpu:
        cpu = f"{board} ({cpu})"
    return {"cpu": cpu or platform.processor() or None, "memory_bytes": memory_total(read(root / "proc/meminfo") or "")}


def _sysctl() -> dict[str, Any]:
    memory = _output("sysctl", "-n", "hw.memsize")
    cpu = _output("sysctl", "-n", "machdep.cpu.brand_string")
    return {"cpu": cpu, "memory_bytes": int(memory) if memory and memory.isdecimal() else None}


def _versions(libraries: Iterable[str]) -> dict[str, str]:
    """Versions of those that are installed, from their metadata; none is imported."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import, and a listing needs it not

    found = {}
    for library in libraries:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def _commit() -> str | None:
    """The commit of the working tree around the current folder, with -dirty where tracked files differ from it."""
    return _output("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _output(*command: str) -> str | None:
    """What a command prints, or None where it is missing, fails, or takes longer than five seconds."""
    import subprocess

    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True, errors="replace")
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _highest(paths: Iterable[Path], unit: float) -> float | None:
    """The largest whole number in files that hold one each, times `unit`."""
    texts = (read(path) for path in paths)
    numbers = [int(text) * unit for text in texts if text is not None and re.fullmatch(r"-?[0-9]{1,18}", text)]
    return max(numbers, default=None)


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except OSError:
        return []
