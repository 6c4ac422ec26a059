"""Devices as rows for `--json`, without Rich or numpy."""

from __future__ import annotations

from typing import TypedDict

from edgebench.machines.profiles import DeviceProfile, Processor, Source
from edgebench.places.emulator.readiness import Readiness
from edgebench.run.capabilities import Capability, capabilities


class CpuRow(TypedDict):
    """The cores that inference runs on."""

    core: str
    cores: int
    clock_hz: float | None
    isa: str


class Device(TypedDict):
    """A device: its facts, and for each runtime and precision whether it is measured or estimated."""

    name: str
    title: str
    cpu: CpuRow
    processors: tuple[Processor, ...]
    memory_bytes: int | None
    runtimes: list[Capability]
    sources: tuple[Source, ...]


def row(profile: DeviceProfile) -> Device:
    """One device for `--json`."""
    cpu = profile.cpu
    return {
        "name": profile.name,
        "title": profile.title,
        "cpu": {"core": cpu.core, "cores": cpu.cores, "clock_hz": cpu.clock_hz, "isa": cpu.isa},
        "processors": profile.processors,
        "memory_bytes": profile.memory_bytes,
        "runtimes": capabilities(profile),
        "sources": profile.sources,
    }


class Shown(Device):
    """A device and what emulates it."""

    emulator: Readiness


def in_full(profile: DeviceProfile, emulator: Readiness) -> Shown:
    """One device and its emulator for `--json`."""
    return {**row(profile), "emulator": emulator}
