"""A device over SSH, by the user's own OpenSSH client: their configuration, agent and known_hosts hold.

OpenSSH and not a library: only it reads the whole of ~/.ssh/config (jump hosts, hardware keys, certificates), and one
connection of its own (ControlMaster) carries every command. Nothing is sent while a board measures, so the client
sends no keep-alives; a connection that died in silence is found by the limit of the job.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.places.board.shell import Cut

ADDRESS: Final = re.compile(
    r"(?:(?P<user>[\w.][\w.+-]*)@)?(?P<host>[\w][\w.-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?"
)
CONNECT_S: Final = 15
OPTIONS: Final = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": str(CONNECT_S),
    "ControlMaster": "auto",
    "ControlPersist": "60",
    "ServerAliveInterval": "0",
    "TCPKeepAlive": "no",
    "ClearAllForwardings": "yes",
    "RemoteCommand": "none",
    "LogLevel": "ERROR",
}

# What OpenSSH's client says, what it means, and whether trying again may help. The first that fits is told.
COMPLAINTS: Final[tuple[tuple[str, str, bool], ...]] = (
    (
        "IDENTIFICATION HAS CHANGED",
        "the host key of {name} is not the one in known_hosts, so nothing was sent: if the board was installed anew,"
        " forget the old key with ssh-keygen -R '{known}', otherwise something else answers at its address",
        False,
    ),
    (
        "host key is known for|Host key verification failed",
        "the host key of {name} is not known here: connect once by hand with {by_hand}, compare the fingerprint,"
        " and accept it",
        False,
    ),
    (
        "Permission denied|Too many authentication failures",
        "{name} accepts none of your SSH keys: copy one there with {copy}, or name the user as in pi@{host}",
        False,
    ),
    ("Could not resolve hostname", "the name {host} is not known in this network: check it, or give an address", False),
    (
        "Bad configuration option|terminating, .* bad configuration",
        "your SSH configuration has an error: {last}",
        False,
    ),
    ("Connection refused", "nothing answers SSH at {name}: is the board on, and its SSH server enabled?", True),
    ("timed out|No route to host|Network is unreachable", "{name} does not answer: is it on, in this network?", True),
    ("closed|[Bb]roken pipe|reset by peer|mux_client", "the connection to {name} was cut", True),
)


class SshLink:
    """A device at [user@]host[:port]; a host may be an alias of ~/.ssh/config, an IPv6 address is in brackets.

    Raises UsageError for an address that is none.
    """

    home = ""

    def __init__(self, address: str) -> None:
        found = ADDRESS.fullmatch(address)
        if found is None or int(found["port"] or 1) not in range(1, 65536):
            raise UsageError(f"'{address}' is not an SSH address: write it as pi@raspberrypi.local or pi@10.0.0.7:2222")
        self.name = address
        self._host = found["host"].strip("[]")
        self._user, self._port = found["user"], found["port"]
        self._folder = Path(tempfile.mkdtemp(prefix="edgebench-"))  # short: a socket's path has 104 characters

    def command(self, line: str) -> list[str]:
        """ssh with one connection for all commands, no terminal, no forwarding."""
        return [*self._client(), "-T", "-a", "-x", "--", self._where, line]

    def complaint(self, stderr: str) -> DeviceError | None:
        """The sentence for what OpenSSH printed."""
        for pattern, sentence, again in COMPLAINTS:
            if re.search(pattern, stderr):
                port = f"-p {self._port} " if self._port else ""
                text = sentence.format(
                    name=self.name,
                    host=self._host,
                    known=f"[{self._host}]:{self._port}" if self._port not in (None, "22") else self._host,
                    by_hand=f"ssh {port}{self._where}",
                    copy=f"ssh-copy-id {port}{self._where}",
                    last=stderr.strip().splitlines()[-1][:200],
                )
                return Cut(text) if again else DeviceError(text)
        return None

    def reset(self) -> None:
        """Ends the shared connection."""
        with suppress(OSError, subprocess.SubprocessError):
            command = [*self._client(), "-O", "exit", "--", self._where]
            subprocess.run(command, capture_output=True, timeout=5, check=False)
        (self._folder / "s").unlink(missing_ok=True)

    def close(self) -> None:
        """Ends the shared connection and removes its socket."""
        self.reset()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _where(self) -> str:
        return f"{self._user}@{self._host}" if self._user else self._host

    def _client(self) -> list[str]:
        options = [f"-o{name}={value}" for name, value in {**OPTIONS, "ControlPath": self._folder / "s"}.items()]
        return ["ssh", *options, *(["-p", self._port] if self._port else [])]
