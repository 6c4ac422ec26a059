"""`edgebench device check` on a board that is connected: what it is, and which runtimes start there."""

from __future__ import annotations

import msgspec

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.progress import Tell, quiet
from edgebench.ground.records import Record
from edgebench.machines.profiles import DeviceProfile
from edgebench.places.board.reach import connected, link, way
from edgebench.places.board.remote import RemoteTarget
from edgebench.runtimes import bundled

# Imports each module=package it is given, and says the package's version or why not.
QUESTION = """
import json, sys
from importlib import import_module
from importlib.metadata import version
found = {}
for argument in sys.argv[1:]:
    module, name = argument.split("=")
    try:
        import_module(module)
        found[name] = [version(name), None]
    except Exception as error:
        found[name] = [None, "%s: %s" % (type(error).__name__, error)]
print(json.dumps(found))
"""


class Engine(Record, frozen=True, kw_only=True):
    """One runtime there: its version, or why it does not start."""

    runtime: str
    version: str | None
    reason: str | None


class Answer(Record, frozen=True, kw_only=True):
    """What a connected device said. `doubts` are what would disturb a measurement now."""

    name: str
    via: str
    machine: str
    cpu: str | None
    cores: int
    python: str
    memory_bytes: int | None
    available_bytes: int | None
    free_disk_bytes: int | None
    governor: str | None
    temperature_c: float | None
    throttled: int | None
    engines: tuple[Engine, ...]
    doubts: tuple[str, ...]


def check(
    device: DeviceProfile,
    via: str | None = None,
    connect: str | None = None,
    python: str | None = None,
    *,
    tell: Tell = quiet,
) -> Answer:
    """Connects to a device, sends what is missing there, and imports every runtime. Raises DeviceError, UsageError."""
    if via == "local" or device.name == "host":
        raise UsageError("this machine needs no connection: `edgebench doctor` says what works here")
    found = way(device, via, connect, python)
    with connected(link(found), found.python, tell=tell) as target:
        return _answer(device.name, found.via or "ssh", target)


def _answer(name: str, via: str, target: RemoteTarget) -> Answer:
    from edgebench.machines.environment import disturbances

    state = target.environment(threads=1)
    return Answer(
        name=name,
        via=via,
        machine=target.board.machine,
        cpu=state.get("cpu"),
        cores=state.get("cores") or 0,
        python=state.get("python") or "",
        memory_bytes=target.board.memory_bytes,
        available_bytes=target.board.available_bytes,
        free_disk_bytes=target.board.free_bytes,
        governor=state.get("governor"),
        temperature_c=state.get("temperature_c"),
        throttled=state.get("throttled"),
        engines=engines(target),
        doubts=tuple(disturbances(1, state)),
    )


def engines(target: RemoteTarget) -> tuple[Engine, ...]:
    """The runtimes that start there. Raises DeviceError when Python gives no answer."""
    answer = target.python("-c", QUESTION, *(each.probe for each in bundled()))
    try:
        found = msgspec.json.decode(answer.text.strip(), type=dict[str, tuple[str | None, str | None]])
    except msgspec.MsgspecError as error:
        raise DeviceError(f"{target.link.name} does not tell its runtimes: {answer.last_error}") from error
    return tuple(
        Engine(runtime=each.name, version=found[each.distribution][0], reason=found[each.distribution][1])
        for each in bundled()
        if each.distribution in found
    )
