"""Trying again when a connection was cut, for a minute at most."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from edgebench.ground.errors import DeviceError
from edgebench.places.board.shell import Cut, Link, ask

WAITS_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # before each attempt to connect again
MOST_CUTS: Final = 5

T = TypeVar("T")


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
