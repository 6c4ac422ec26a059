"""How a device gives its numbers: measured here or there, emulated, counted, or estimated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.records import Provenance

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile

VIA = ("local", "emulator", "ssh", "adb", "estimate")


class Mode(StrEnum):
    """Where a number comes from. PRETEND runs nothing: it exists to measure what drives many cells."""

    MEASURE = "measure"  # on this machine
    REACH = "reach"  # on a device at the end of a connection
    PAGE = "page"  # in a browser on this machine
    EMULATE = "emulate"  # the device's instructions and memory
    COUNT = "count"  # this machine's instructions
    ESTIMATE = "estimate"
    PRETEND = "pretend"

    @property
    def provenance(self) -> Provenance:
        """What a record of this mode says of its numbers."""
        return _PROVENANCE[self]


_PROVENANCE: dict[Mode, Provenance] = {
    Mode.MEASURE: "measured",
    Mode.REACH: "measured",
    Mode.PAGE: "measured",
    Mode.EMULATE: "emulated",
    Mode.COUNT: "emulated",
    Mode.ESTIMATE: "estimated",
    Mode.PRETEND: "measured",
}


@dataclass(frozen=True)
class Method:
    """A mode; `via`, `connect` and `python` say how the device is reached where it is not this machine.

    `operators`: whether one more process times every operator, or counts its instructions. `processor` is the one that
    an estimate is for; None is the CPU, or the one that there is an estimate for.
    """

    mode: Mode
    via: str | None = None
    connect: str | None = None
    python: str | None = None
    operators: bool = False
    processor: str | None = None


def method(
    device: DeviceProfile,
    via: str | None = None,
    *,
    connect: str | None = None,
    python: str | None = None,
    counts: bool = False,
    operators: bool = False,
    processor: str | None = None,
) -> Method:
    """How `device` gives its numbers: measured when it is this machine or has an address, else estimated.

    `via`, `connect` and `counts` say otherwise. Raises UsageError for a `via` that does not exist or does not fit, and
    for `operators` of a device that is neither this machine nor emulated.
    """
    if via is not None and via not in VIA:
        raise unknown("way to a device (`via`)", via, VIA)
    here = device.name == "host"
    if operators and (counts or not (here or via == "emulator")):
        raise UsageError(
            "`per_op` times operators on this machine (`device='host'`, without `counts`), or counts their instructions"
            " with `via='emulator'`"
        )
    if here or counts or via in ("local", "emulator"):
        _only_cpu(processor)
    if counts:
        if not here or via is not None:
            raise UsageError("`counts` is for `device='host'` alone; another device is counted by `via='emulator'`")
        return Method(Mode.COUNT)
    if here:
        if via not in (None, "local") or connect:
            raise UsageError("`device='host'` is this machine: name another `device` to reach one, or add it")
        return Method(Mode.MEASURE, operators=operators)
    if device.reach == "browser":
        if via is not None or connect:
            raise UsageError("`device='browser'` is Chromium on this machine: leave `via` and `connect` out")
        _only_cpu(processor)
        return Method(Mode.PAGE)
    if via == "local":
        raise UsageError(f"`via='local'` measures this machine, which is `device='host'` and not {device.name}")
    if via == "emulator":
        return Method(Mode.EMULATE, operators=operators)
    if via == "estimate" or (via is None and connect is None and device.reach is None):
        from edgebench.estimate.accelerated.known import check

        check(device, processor)
        return Method(Mode.ESTIMATE, processor=processor)
    _only_cpu(processor)
    return Method(Mode.REACH, via, connect, python)


def _only_cpu(processor: str | None) -> None:
    if processor not in (None, "cpu"):
        raise UsageError(
            f"`processor='{processor}'` is for estimates, and what runs here runs on the CPU: leave it out, or add"
            " `via='estimate'` with the name of a device"
        )
