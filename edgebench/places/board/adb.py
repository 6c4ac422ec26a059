"""An Android phone through adb, by the user's own adb.

Tested with a stand-in for adb that runs the commands on this machine. It has not met a phone yet.
"""

from __future__ import annotations

import re
from typing import Final

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.places.board.shell import Cut

HOME: Final = "/data/local/tmp/edgebench"  # where adb's user may write and execute
# As long as a file name; a phone in the network is "address:port", as `adb devices` prints it.
SERIAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_\[\]-]{0,254}")

# What adb says, what it means, and whether trying again may help. The first that fits is told.
COMPLAINTS: Final[tuple[tuple[str, str, bool], ...]] = (
    ("unauthorized", "{name} has not allowed this computer yet: unlock it and accept what its screen asks", False),
    ("more than one device", "several phones are connected: name one with `connect`, as `adb devices` lists it", False),
    ("no permissions", "this user may not use {name} over USB: see `adb devices` for its udev rule", False),
    (
        "no devices/emulators found|device '.*' not found|device not found",
        "{name} is not connected, or USB debugging is off: `adb devices` must list it",
        True,
    ),
    ("offline|protocol fault|closed|connection reset|transport error", "the connection to {name} was cut", True),
    ("cannot connect to daemon|failed to start daemon", "adb's server does not start: try `adb start-server`", False),
)


class AdbLink:
    """A phone by its serial number as `adb devices` lists it; the only one connected when there is none.

    Raises UsageError for what is not a serial number.
    """

    home = HOME

    def __init__(self, serial: str | None) -> None:
        if serial is not None and not SERIAL.fullmatch(serial):
            raise UsageError(f"'{serial}' is not a phone's serial number: `adb devices` lists them")
        self._serial = serial
        self.name = f"the phone {serial}" if serial else "the phone"

    def command(self, line: str) -> list[str]:
        """adb shell without a terminal."""
        return ["adb", *(["-s", self._serial] if self._serial else []), "shell", "-T", line]

    def complaint(self, stderr: str) -> DeviceError | None:
        """The sentence for what adb printed."""
        for pattern, sentence, again in COMPLAINTS:
            if re.search(pattern, stderr, re.IGNORECASE):
                text = sentence.format(name=self.name)
                return Cut(text) if again else DeviceError(text)
        return None

    def reset(self) -> None:
        """Nothing: adb's server keeps the connection, and makes it again by itself."""

    def close(self) -> None:
        """Nothing: adb's server is the user's."""
