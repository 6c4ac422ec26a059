"""From a device profile to the place where it is measured, and a measurement there that throttling did not spoil."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.progress import Tell, quiet
from edgebench.machines.profiles import DeviceProfile, Reach
from edgebench.places.board.adb import AdbLink
from edgebench.places.board.interpreter import Interpreter
from edgebench.places.board.remote import RemoteTarget
from edgebench.places.board.shell import WAITS_S, Link
from edgebench.places.board.ssh import SshLink
from edgebench.places.local import LocalTarget
from edgebench.places.target import Target

VIAS: Final = ("local", "ssh", "adb")


@contextmanager
def reach(
    device: DeviceProfile,
    via: str | None = None,
    connect: str | None = None,
    python: str | None = None,
    *,
    tell: Tell = quiet,
) -> Iterator[Target]:
    """Connects to a device and yields the target that `measure` and `measure_there` take; nobody else measures it then.

    What is None is the profile's own `[reach]`; `connect` alone means SSH. `tell` hears what is being sent.
    Raises UsageError for an unknown way or an address that is none, DeviceError when the device cannot be reached, is
    in use, or cannot run a worker.
    """
    found = way(device, via, connect, python)
    if found.via == "local":
        yield LocalTarget(python=[python]) if python else LocalTarget()
        return
    with connected(link(found), found.python, tell=tell) as target:
        yield target


def way(device: DeviceProfile, via: str | None, connect: str | None, python: str | None) -> Reach:
    """How to get to a device: what was asked for, and for the rest what its profile says. Raises UsageError."""
    own = device.reach
    if via is not None and via not in VIAS:
        raise unknown("way to a device", via, VIAS)
    if own == "local" and via is None and connect is None:
        return Reach(via="local", python=python)
    known = own if isinstance(own, Reach) else Reach(via="ssh" if connect else None)
    chosen = via or known.via or ("ssh" if known.address else None)
    if chosen is None:
        raise UsageError(f"{device.name} has no address: give `connect='pi@host'`, or write [reach] in its file")
    same = chosen == (known.via or "ssh")
    address = connect or (known.address if same else None)
    if chosen == "ssh" and not address:
        raise UsageError(f"an SSH address is missing: add `connect='pi@{device.name}.local'`, or [reach] in its file")
    return Reach(via=chosen, address=address, python=python or (known.python if same else None))  # type: ignore[arg-type]


def link(way: Reach) -> Link:
    """What carries commands there. Raises UsageError for an address that is none."""
    return AdbLink(way.address) if way.via == "adb" else SshLink(way.address or "")


@contextmanager
def connected(
    link: Link, python: str | Interpreter | None, *, tell: Tell = quiet, waits_s: tuple[float, ...] = WAITS_S
) -> Iterator[RemoteTarget]:
    """A target at the other end of a link, ready to run workers; the link is closed with it.

    `waits_s` are the pauses between attempts to connect again when the connection was cut.
    """
    with closing(link):
        target = RemoteTarget(link, tell=tell, waits_s=waits_s)
        try:
            target.prepare(python)
            yield target
        finally:
            target.release()
