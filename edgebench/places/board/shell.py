"""A POSIX shell on a device, over whatever link reaches it: one script in, its whole answer out; what a cut
connection interrupted is tried again, for a minute at most.

The answer is framed by a word of its own, so that a greeting printed by the device's shell is skipped, a connection
that was cut is told from a command that failed, and a device that answers something else is told from both.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import Final, Protocol, TypeVar

from edgebench.ground.errors import DeviceError, UsageError

ANSWER_S: Final = 60.0  # what any script but a measurement may take
WAITS_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # before each attempt to connect again
MOST_CUTS: Final = 5

T = TypeVar("T")


class Cut(DeviceError):
    """The connection failed or ended before the answer did; trying again may help."""


class Link(Protocol):
    """What carries a command line to a device. `name` is what messages call the device."""

    name: str
    home: str  # the folder on the device; empty for the user's own cache folder there

    def command(self, line: str) -> list[str]:
        """The local command that runs `line` in the device's shell."""

    def complaint(self, stderr: str) -> DeviceError | None:
        """What the link's own program says went wrong, in one sentence; None when it is not known."""

    def reset(self) -> None:
        """Forgets a connection that may be dead, so that the next command makes a new one."""

    def close(self) -> None:
        """Ends the connection and leaves nothing behind here."""


@dataclass(frozen=True)
class Answer:
    """What a script printed and how it ended."""

    status: int
    text: str
    errors: str

    @property
    def last_error(self) -> str:
        """The last line on standard error, or the exit status in words."""
        lines = self.errors.strip().splitlines()
        return lines[-1].strip()[:200] if lines else f"exit status {self.status}"


def ask(link: Link, script: str, *arguments: str, data: bytes = b"", limit_s: float = ANSWER_S) -> Answer:
    """Runs a script on the device, with `data` on its standard input, and blocks until its answer is here.

    The script finds `arguments` in $1 and so on. Raises Cut when the connection fails or nothing comes within
    `limit_s`, and DeviceError when trying again would not help.
    """
    word = f"edgebench-{token_hex(8)}"
    framed = f"printf '%s\\n' {word}\n(\n{script}\n)\nprintf '\\n%s %d\\n' {word} $?"
    code, out, errors = _carry(link, shlex.join(["sh", "-c", framed, "sh", *arguments]), data, limit_s)
    found = re.search(rf"^{word}\n(.*)\n{word} ([0-9]+)$", out, re.MULTILINE | re.DOTALL)
    if found:
        return Answer(int(found[2]), found[1], errors)
    raise _failure(link, code, out, errors, begun=word in out)


def _carry(link: Link, line: str, data: bytes, limit_s: float) -> tuple[int, str, str]:
    """The exit status, standard output and standard error of the link's program."""
    command = link.command(line)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C reaches the parent only, which then tells the device
        )
    except FileNotFoundError as error:
        raise UsageError(f"reaching {link.name} needs the program {command[0]}: install it first") from error
    with child:  # closes the pipes, whose other ends a shared connection may hold for longer
        try:
            out, errors = child.communicate(data, timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            raise Cut(f"{link.name} said nothing for {limit_s:.0f} s: is it on, and in this network?") from error
        finally:
            child.kill()
            child.wait()
    return child.returncode, out.decode("utf-8", "replace"), errors.decode("utf-8", "replace")


def _failure(link: Link, code: int, out: str, errors: str, *, begun: bool) -> DeviceError:
    """Why there is no whole answer."""
    if complaint := link.complaint(errors):
        return complaint
    if begun:
        return Cut(f"the connection to {link.name} was cut")
    if out.strip():
        shown = out.strip().splitlines()[0][:60]
        return DeviceError(f"{link.name} answered '{shown}' where a POSIX shell was expected: log in by hand and look")
    last = (errors.strip().splitlines() or [f"exit status {code}"])[-1].strip()[:200]
    return Cut(f"{link.name} cannot be reached: {last}")


class Gone(Cut):
    """The connection did not come back."""


class Reconnection:
    """Repeats what a cut connection interrupted. `cuts` counts what was survived, `gone` says that the device was lost.

    A device that was lost is asked once only, until it answers again: so the rest of a plan does not wait for it.
    """

    def __init__(self, link: Link, waits_s: tuple[float, ...] = WAITS_S) -> None:
        self.link = link
        self.cuts = 0
        self.gone = False
        self._waits_s = waits_s

    def __call__(self, action: Callable[[], T]) -> T:
        """Returns what `action` does, which may be started anew at any time. Raises Gone when it cannot be done."""
        for _ in range(MOST_CUTS):
            try:
                result = action()
            except Cut as cut:
                self._connect_again(cut)
            else:
                self.gone = False
                return result
        raise self._lost(f"the connection to {self.link.name} was cut {MOST_CUTS} times in a row")

    def _connect_again(self, cut: Cut) -> None:
        self.link.reset()
        if self.gone:
            raise self._lost(str(cut))
        for wait_s in self._waits_s:
            time.sleep(wait_s)
            try:
                ask(self.link, ":")
            except Cut as error:
                cut = error
                self.link.reset()
            else:
                self.cuts += 1
                return
        raise self._lost(f"{cut} (tried again for {sum(self._waits_s):.0f} s)")

    def _lost(self, reason: str) -> Gone:
        self.gone = True
        return Gone(reason)


def gone_for_now(error: DeviceError) -> DeviceError:
    """The error of a run that was cut, with what becomes of it."""
    return type(error)(f"{error}; what is finished stays on the device for an hour: run this again to go on from there")
