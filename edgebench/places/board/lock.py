"""The lock on a device: one edgebench at a time, the holder named, stale locks broken.

It is a symbolic link whose target is the holder, since a shell makes one in a single step, contents and all. A lease
in the device's own uptime makes it stale when its holder is gone, whatever its wall clock does; a reboot does too.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
import time
from dataclasses import dataclass
from secrets import token_hex
from typing import Final

from edgebench.ground.errors import DeviceError
from edgebench.places.board.shell import Link, ask

_held: Final[set[str]] = set()  # the tokens of this process's own locks
LEASE_S: Final = 180  # beyond what is about to run; between two commands of one edgebench lies less

_STATE: Final = """
read -r up rest < /proc/uptime
boot=$(cat /proc/sys/kernel/random/boot_id 2> /dev/null)
"""
_TELL: Final = """
printf '%s\\n' "${up%%.*}" "$boot" "$(readlink "$1")"
"""
# $1 the lock, $2 its holder, $3 the lease
TAKE: Final = _STATE + 'ln -sn "$2,${up%%.*},$((${up%%.*} + $3)),$boot" "$1"' + _TELL
# $1 the lock, $2 what it says, $3 the holder's first fields, $4 the lease
RENEW: Final = (
    _STATE
    + 'if [ "$(readlink "$1")" = "$2" ]; then\n'
    + 'ln -sn "$3,$((${up%%.*} + $4)),$boot" "$1.$$" && mv -f "$1.$$" "$1"\nfi'
    + _TELL
)
# $1 the lock, $2 what it says, $3 its token: whoever makes the folder breaks the lock, so that nobody breaks the next
BREAK: Final = 'mkdir "$1.broken-$3" && if [ "$(readlink "$1")" = "$2" ]; then rm -f "$1"; fi'
RELEASE: Final = 'if [ "$(readlink "$1")" = "$2" ]; then rm -f "$1"; fi'


@dataclass(frozen=True)
class Holder:
    """What a lock says. `since_s` and `until_s` are the device's uptime, `boot` names that boot."""

    token: str
    who: str
    pid: int
    since_s: int
    until_s: int
    boot: str

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """Reads a lock; None when something else made it."""
        parts = text.split(",")
        if len(parts) != 6 or not all(part.isdigit() for part in parts[2:5]):
            return None
        return cls(parts[0], parts[1], int(parts[2]), int(parts[3]), int(parts[4]), parts[5])

    def stale(self, now_s: int, boot: str) -> bool:
        """Whether its lease is over, the device was started since, or its process here is gone."""
        rebooted = bool(boot and self.boot) and boot != self.boot
        if rebooted or now_s >= self.until_s or now_s < self.since_s:
            return True
        if self.who != _me():
            return False
        if self.pid == os.getpid():
            return self.token not in _held
        try:
            os.kill(self.pid, 0)
        except OSError as error:  # it is there where its signals are refused
            return isinstance(error, ProcessLookupError)
        return False


class Lock:
    """The lock of one edgebench on one device; `path` is the link."""

    def __init__(self, link: Link, path: str) -> None:
        self._link, self._path = link, path
        self._token = token_hex(8)
        self._says = ""
        self._until = 0.0  # by this machine's clock

    def take(self) -> None:
        """Takes the lock. Raises DeviceError, with the holder's name, when another edgebench has it."""
        _held.add(self._token)
        for _ in range(3):  # after a stale lock was broken, another may have been faster
            began = time.monotonic()
            now_s, boot, says = self._ask(TAKE, f"{self._token},{_me()},{os.getpid()}", str(LEASE_S))
            holder = Holder.parse(says)
            if holder and holder.token == self._token:
                self._says, self._until = says, began + LEASE_S
                return
            if holder is None or not holder.stale(now_s, boot):
                break
            ask(self._link, BREAK, self._path, says, holder.token)
        _held.discard(self._token)
        raise self._refusal(holder, now_s, says)

    def renew(self, for_s: float = 0) -> None:
        """Keeps the lock while something runs that takes `for_s`. Raises DeviceError when another has taken it."""
        began = time.monotonic()
        if began + for_s + LEASE_S / 2 < self._until:
            return
        fields = ",".join(self._says.split(",")[:4])
        _, _, says = self._ask(RENEW, self._says, fields, str(LEASE_S + round(for_s)))
        if says.startswith(f"{self._token},"):
            self._says, self._until = says, began + for_s + LEASE_S
        else:
            self.take()

    def release(self) -> None:
        """Gives the lock back."""
        _held.discard(self._token)
        if self._says:
            ask(self._link, RELEASE, self._path, self._says)
            self._says = ""

    def _ask(self, script: str, *arguments: str) -> tuple[int, str, str]:
        """The device's uptime and boot, and what the lock says now."""
        answer = ask(self._link, script, self._path, *arguments)
        lines = answer.text.splitlines()
        if len(lines) < 2 or not lines[0].isdigit():
            raise DeviceError(f"{self._link.name} does not tell its uptime: {answer.last_error}")
        if len(lines) < 3 or not lines[2]:
            raise DeviceError(f"{self._path} on {self._link.name} cannot be made: {answer.last_error}")
        return int(lines[0]), lines[1], lines[2]

    def _refusal(self, holder: Holder | None, now_s: int, says: str) -> DeviceError:
        where = f"{self._path} on {self._link.name}"
        if holder is None:
            return DeviceError(f"{where} is not a lock of edgebench, it says '{says[:60]}': remove it")
        who = f"{holder.who} (process {holder.pid})"
        if now_s >= holder.until_s:
            return DeviceError(f"{where} is a stale lock of {who} that your user there may not remove: sudo rm it")
        seconds = now_s - holder.since_s
        since = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
        return DeviceError(
            f"{self._link.name} is in use by {who} since {since}, and two measurements at"
            " once would disturb each other: try again when it is done"
        )


def _me() -> str:
    """user@host, in letters that a lock may hold."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        user = str(os.getuid())
    return re.sub(r"[^A-Za-z0-9@._-]", "_", f"{user}@{socket.gethostname()}")[:80]
