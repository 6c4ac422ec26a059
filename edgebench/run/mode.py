"""How a device is profiled: measured here or there, emulated, counted, or estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgebench.ground.errors import UsageError, unknown

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile

Kind = Literal["measure", "estimate", "emulate", "count", "reach"]
VIA = ("local", "emulator", "ssh", "adb", "estimate")


@dataclass(frozen=True)
class Way:
    """How a device is profiled; `via`, `connect` and `python` say how it is reached where it is not this machine.

    `operators`: whether one more process times every operator, or counts its instructions.
    """

    kind: Kind
    via: str | None = None
    connect: str | None = None
    python: str | None = None
    operators: bool = False


def way(
    device: DeviceProfile,
    via: str | None = None,
    *,
    connect: str | None = None,
    python: str | None = None,
    counts: bool = False,
    operators: bool = False,
) -> Way:
    """How `device` is profiled: measured when it is this machine or has an address, else estimated.

    `via`, `connect` and `counts` say otherwise. Raises UsageError for a `via` that does not exist or does not fit, and
    for `operators` of a device that is neither this machine nor emulated.
    """
    if via is not None and via not in VIA:
        raise unknown("way to a device (--via)", via, VIA)
    here = device.name == "host"
    if operators and (counts or not (here or via == "emulator")):
        raise UsageError(
            "--per-op times operators on this machine (--device host, without --counts), or counts their instructions"
            " with --via emulator"
        )
    if counts:
        if not here or via is not None:
            raise UsageError("--counts is for --device host alone; another device is counted by --via emulator")
        return Way("count")
    if here:
        if via not in (None, "local") or connect:
            raise UsageError("--device host is this machine: name another device with --device to reach one, or add it")
        return Way("measure", operators=operators)
    if via == "local":
        raise UsageError(f"--via local measures this machine, which is --device host and not {device.name}")
    if via == "emulator":
        return Way("emulate", operators=operators)
    if via == "estimate" or (via is None and connect is None and device.reach is None):
        return Way("estimate")
    return Way("reach", via, connect, python)
