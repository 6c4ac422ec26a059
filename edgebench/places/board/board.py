"""What a device says of itself before anything is sent to it, and the reasons not to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from edgebench.ground.errors import DeviceError
from edgebench.ground.units import show_bytes
from edgebench.places.board.shell import Link, ask

# The bundle's programs are for these, by the kernel's name.
ARM64: Final = ("aarch64", "arm64")
# A Python with numpy and a runtime imported, and the two that watch over it.
PYTHON_BYTES: Final = 70_000_000

# $1 the folder for edgebench's files; empty for the user's cache folder.
PROBE: Final = """
home=$1
[ -n "$home" ] || home="${XDG_CACHE_HOME:-$HOME/.cache}/edgebench"
mkdir -p "$home" && cd "$home" || exit
printf 'home %s\\n' "$(pwd -P)"
printf 'machine %s\\n' "$(uname -m)"
printf 'system %s\\n' "$(uname -s)"
printf 'locks %s\\n' "${1:-${TMPDIR:-/tmp}}"
printf 'disk %s\\n' "$(df -Pk . | tail -n 1)"
grep -E '^Mem(Total|Available):' /proc/meminfo
"""


@dataclass(frozen=True)
class Board:
    """A device's own answers. `home` is the folder for edgebench's files there, `locks` the one for its lock."""

    name: str
    home: str
    locks: str
    machine: str
    system: str
    free_bytes: int | None
    memory_bytes: int | None
    available_bytes: int | None

    def require_arm64(self) -> None:
        """Raises DeviceError where the bundle cannot run."""
        if self.system != "Linux" or not re.match(r"aarch64|arm64|arm|i.86|x86", self.machine):
            raise DeviceError(f"{self.name} runs {self.system} on {self.machine}, and Linux on 64-bit Arm is needed")
        if self.machine in ARM64:
            return
        if self.machine.startswith("arm"):
            raise DeviceError(
                f"{self.name} runs a 32-bit system ({self.machine}), and the runtimes need a 64-bit one:"
                " install a 64-bit system, or name a Python there that has the runtime with `python`"
            )
        raise DeviceError(
            f"{self.name} is {self.machine}, and the bundle is for 64-bit Arm: name a Python there that has the"
            " runtime with `python`"
        )

    def require_memory(self, network_bytes: int, network: str) -> None:
        """Raises DeviceError when a network that takes `network_bytes`, beside Python and the runtime, cannot fit."""
        needed = network_bytes + PYTHON_BYTES
        if self.available_bytes is not None and needed > self.available_bytes:
            raise DeviceError(
                f"{network} needs about {show_bytes(needed)} of memory, and {self.name} has"
                f" {show_bytes(self.available_bytes)} available: choose a smaller network or resolution"
            )


def probe(link: Link) -> Board:
    """Asks the device what it is, and makes edgebench's folder there. Raises DeviceError when it cannot be made."""
    answer = ask(link, PROBE, link.home)
    words = dict(line.partition(" ")[::2] for line in answer.text.splitlines())
    if "home" not in words:
        hint = "its disk is full or read-only" if "space" in answer.errors or "Read-only" in answer.errors else ""
        raise DeviceError(f"edgebench has no folder on {link.name}: {hint or answer.last_error}")
    return Board(
        name=link.name,
        home=words["home"],
        locks=words.get("locks", words["home"]),
        machine=words.get("machine", ""),
        system=words.get("system", ""),
        free_bytes=_free(words.get("disk", "")),
        memory_bytes=_kib(words.get("MemTotal:")),
        available_bytes=_kib(words.get("MemAvailable:")),
    )


def _free(line: str) -> int | None:
    """The fourth number of a line of POSIX df; a file system's name may hold spaces."""
    found = re.search(r"\s(\d+)\s+(\d+)\s+(-?\d+)\s+\d+%\s", f"{line} ")
    return max(0, int(found[3])) * 1024 if found else None


def _kib(text: str | None) -> int | None:
    found = re.fullmatch(r"\s*(\d+) kB\s*", text or "")
    return int(found[1]) * 1024 if found else None
