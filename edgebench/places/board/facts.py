"""A device profile from what a Linux board says of itself in /proc and /sys, read with nothing but its shell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from edgebench.ground.errors import DeviceError
from edgebench.machines.environment import ARM_PARTS, cpu_model, memory_total
from edgebench.machines.profiles import Caches, Cpu, DeviceProfile, Reach, Source
from edgebench.places.board.shell import Link, ask

READ: Final = """
cd /
printf '== machine\\n%s\\n' "$(uname -m)"
for file in proc/cpuinfo proc/meminfo proc/device-tree/model proc/device-tree/compatible \\
  sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq \\
  sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*/level sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*/type \\
  sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*/size
do
  if [ -r "$file" ]; then printf '\\n== %s\\n' "$file"; tr '\\000' '\\n' < "$file" 2> /dev/null; fi
done
"""
CPU: Final = "sys/devices/system/cpu/cpu"

Files = Mapping[str, str]


def read(link: Link) -> dict[str, str]:
    """The files of a device that tell what it is, by their path from its root; "machine" is what uname says."""
    parts = re.split(r"^== (\S+)\n", ask(link, READ).text, flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def profile(name: str, files: Files, reach: Reach, source: str) -> DeviceProfile:
    """The profile of a device with these `files`; `source` is said to be where each figure was read.

    Raises DeviceError when they do not tell its cores.
    """
    big = biggest(files)
    if not big:
        raise DeviceError(f"the device of '{name}' does not list its cores in /proc/cpuinfo")
    found = DeviceProfile(
        name=name,
        title=title(files) or name,
        memory_bytes=memory_total(files.get("proc/meminfo", "")),
        reach=reach,
        cpu=Cpu(
            soc=soc(files),
            core=core(files, big[0]),
            cores=len(big),
            clock_hz=clock_hz(files, big[0]),
            isa=isa(files),
            caches=caches(files, big[0]),
        ),
    )
    fields = [field for field, value in quantities(found).items() if value is not None]
    sources = [Source(field=field, source=source) for field in ("cpu.soc", "cpu.core", "cpu.isa", *fields)]
    values = {each: getattr(found, each) for each in found.__struct_fields__}
    return DeviceProfile(**{**values, "sources": tuple(sources)})


def quantities(profile: DeviceProfile) -> dict[str, float | None]:
    """The figures of a profile that have a unit, by their dotted key."""
    held = profile.cpu.caches
    return {
        "memory": profile.memory_bytes,
        "cpu.clock": profile.cpu.clock_hz,
        "cpu.caches.l1d": held.l1d_bytes,
        "cpu.caches.l2": held.l2_bytes,
        "cpu.caches.l3": held.l3_bytes,
    }


def title(files: Files) -> str:
    """The board's name in its device tree, or the processor's in /proc/cpuinfo."""
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
    """The highest clock of a core."""
    khz = files.get(f"{CPU}{number}/cpufreq/cpuinfo_max_freq", "")
    return int(khz) * 1e3 if khz.isdecimal() else None


def core(files: Files, number: int) -> str:
    """The name of one core."""
    entry = next(part for part in _entries(files) if re.match(rf"processor\s*:\s*{number}$", part, re.M))
    part = re.search(r"^CPU part\s*:\s*(\S+)", entry, re.M)
    if part:
        return ARM_PARTS.get(part[1].lower(), f"Arm part {part[1]}")
    return cpu_model(entry) or "unknown"


def isa(files: Files) -> str:
    """The instruction set, spelled as for gcc -march, from what /proc/cpuinfo lists."""
    if files.get("machine") not in ("aarch64", "arm64"):
        return files.get("machine") or "unknown"
    found = re.search(r"^Features\s*:(.*)$", files.get("proc/cpuinfo", ""), re.M)
    features = found[1].split() if found else []
    extensions = [name for feature, name in (("asimdhp", "+fp16"), ("asimddp", "+dotprod")) if feature in features]
    return ("armv8.2-a" if extensions else "armv8-a") + "".join(extensions)


def caches(files: Files, number: int) -> Caches:
    """A core's data and unified caches, from sysfs's "32K" and "1M"."""
    found: dict[str, int] = {}
    for path in sorted(files):
        folder, _, name = path.rpartition("/")
        if not (folder.startswith(f"{CPU}{number}/cache/") and name == "size"):
            continue
        size, level = re.fullmatch(r"(\d+)([KM])", files[path]), files.get(f"{folder}/level", "")
        if size and level in ("1", "2", "3") and files.get(f"{folder}/type") != "Instruction":
            field = "l1d_bytes" if level == "1" else f"l{level}_bytes"
            found[field] = int(size[1]) * (2**10 if size[2] == "K" else 2**20)
    return Caches(**found)


def _entries(files: Files) -> list[str]:
    """One text a core."""
    return re.split(r"\n(?=processor\s*:)", files.get("proc/cpuinfo", ""))
