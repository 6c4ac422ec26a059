"""What a CPU says of itself in files: the /proc and /sys entries from which runtimes on aarch64 choose their kernels.

Without them the runtimes crash while they look for the CPU's caches, or choose kernels for the host. The identity is
what `lscpu` and /proc/cpuinfo print on such a core (Arm's MIDR_EL1 fields; part numbers as in Linux's
arch/arm64/include/asm/cputype.h); the caches and the clock are the device profile's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgebench.ground.errors import UsageError

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile

KIB: Final = 1024
ARM: Final = 0x41  # the implementer
_V8_0: Final = "fp asimd evtstrm crc32 cpuid"
_V8_0_CRYPTO: Final = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
_V8_2: Final = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Core:
    """One of Arm's cores, and QEMU's nearest model of it.

    `features` are Linux's names of its HWCAPs. `l1i_bytes` is only shown, never used. `l2_shared` says whether the
    cores of a cluster share one L2.
    """

    name: str
    part: int
    variant: int
    revision: int
    features: str
    qemu: str
    l1i_bytes: int
    l1d_bytes: int
    l2_shared: bool

    @property
    def midr(self) -> int:
        """The main identification register, as /sys/devices/system/cpu/cpu*/regs/identification/midr_el1 has it."""
        return ARM << 24 | self.variant << 20 | 0xF << 16 | self.part << 4 | self.revision

    @property
    def note(self) -> str:
        """That QEMU has no model of it, in words; empty where it has one."""
        same = self.qemu == self.name.lower()
        return "" if same else f"QEMU has no {self.name}: run as a {self.qemu.title()}"


# The Pi 3 and the Pi 4 leave the cryptography extension out; no kernel of a CNN uses it.
_CORES: Final = (
    Core("Cortex-A53", 0xD03, 0, 4, _V8_0, "cortex-a53", 32 * KIB, 32 * KIB, True),
    Core("Cortex-A57", 0xD07, 1, 1, _V8_0_CRYPTO, "cortex-a57", 48 * KIB, 32 * KIB, True),
    Core("Cortex-A72", 0xD08, 0, 3, _V8_0, "cortex-a72", 48 * KIB, 32 * KIB, True),
    Core("Cortex-A73", 0xD09, 0, 2, _V8_0_CRYPTO, "cortex-a72", 64 * KIB, 32 * KIB, True),
    Core("Cortex-A75", 0xD0A, 2, 1, _V8_2, "cortex-a76", 64 * KIB, 64 * KIB, False),
    Core("Cortex-A76", 0xD0B, 4, 1, _V8_2, "cortex-a76", 64 * KIB, 64 * KIB, False),
    Core("Cortex-A78AE", 0xD42, 0, 1, _V8_2, "cortex-a76", 64 * KIB, 64 * KIB, False),
)
CORES: Final = {core.name: core for core in _CORES}


def core_of(device: DeviceProfile) -> Core:
    """The core to imitate. Raises UsageError, naming the known ones, for a device whose core is not among them."""
    core = CORES.get(device.cpu.core)
    if core is None:
        raise UsageError(
            f"{device.name} cannot be emulated: its core is {device.cpu.core}, and known are {', '.join(CORES)}"
        )
    return core


def write(root: Path, files: dict[str, str]) -> None:
    """Writes `files` below `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", "utf-8")


def files(device: DeviceProfile, core: Core) -> dict[str, str]:
    """Every file by its path below the root; without the line end that each gets."""
    cores = range(device.cpu.cores)
    every = f"0-{len(cores) - 1}" if len(cores) > 1 else "0"
    system = "sys/devices/system/cpu"
    found = {"proc/cpuinfo": "\n\n".join(_cpuinfo(number, core) for number in cores) + "\n"}
    found |= {f"{system}/{name}": every for name in ("possible", "present", "online")}
    found[f"{system}/kernel_max"] = "255"
    if device.memory_bytes:
        kib = device.memory_bytes // KIB
        found["proc/meminfo"] = f"MemTotal: {kib:>14} kB\nMemFree: {kib:>15} kB\nMemAvailable: {kib:>10} kB"
    for number in cores:
        own = _core_files(number, every, device, core) | _cache_files(number, every, device, core)
        found |= {f"{system}/cpu{number}/{name}": text for name, text in own.items()}
    return found


def _cpuinfo(number: int, core: Core) -> str:
    lines = {
        "processor\t": number,
        "BogoMIPS\t": "108.00",
        "Features\t": core.features,
        "CPU implementer\t": f"0x{ARM:02x}",
        "CPU architecture": 8,
        "CPU variant\t": f"0x{core.variant:x}",
        "CPU part\t": f"0x{core.part:03x}",
        "CPU revision\t": core.revision,
    }
    return "\n".join(f"{name}: {value}" for name, value in lines.items())


def _core_files(number: int, every: str, device: DeviceProfile, core: Core) -> dict[str, str]:
    own = str(number)
    khz = round((device.cpu.clock_hz or 1e9) / 1e3)
    return {
        "cpufreq/cpuinfo_max_freq": str(khz),
        "cpufreq/cpuinfo_min_freq": str(khz),
        "topology/physical_package_id": "0",
        "topology/cluster_id": "0",
        "topology/core_id": own,
        "topology/core_siblings_list": every,
        "topology/package_cpus_list": every,
        "topology/cluster_cpus_list": every,
        "topology/thread_siblings_list": own,
        "topology/core_cpus_list": own,
        "regs/identification/midr_el1": f"0x{core.midr:016x}",
    }


def _cache_files(number: int, every: str, device: DeviceProfile, core: Core) -> dict[str, str]:
    """The cache levels that the profile knows: a core's own, or shared by all."""
    own, caches = str(number), device.cpu.caches
    levels = [
        (1, "Data", caches.l1d_bytes or core.l1d_bytes, own),
        (1, "Instruction", core.l1i_bytes, own),
        (2, "Unified", caches.l2_bytes, every if core.l2_shared else own),
        (3, "Unified", caches.l3_bytes, every),
    ]
    known = [level for level in levels if level[2]]
    return {
        f"cache/index{index}/{name}": text
        for index, (level, kind, size, sharers) in enumerate(known)
        for name, text in {
            "level": str(level),
            "type": kind,
            "size": f"{size // KIB}K" if size else "",
            "shared_cpu_list": sharers,
            "coherency_line_size": "64",
        }.items()
    }
