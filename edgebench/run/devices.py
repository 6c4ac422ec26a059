"""A file on a device that is not this machine: measured at the end of a connection, or emulated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from edgebench.estimate.footprint import peak_memory_bytes
from edgebench.ground.progress import Tell, quiet
from edgebench.ground.records import Artifact, Measurement, Scenario
from edgebench.machines.profiles import DeviceProfile
from edgebench.measure.runner import COOL_ENOUGH_C, measure
from edgebench.places.board.remote import RemoteTarget
from edgebench.places.emulator import emulator
from edgebench.places.target import Target

if TYPE_CHECKING:
    from edgebench.graph import Graph

REPEATS: Final = 2  # of a cell that was throttled
COOL_DOWN_S, LOOK_S = 300, 10


def measure_there(
    artifact: Artifact,
    runtime: str,
    scenario: Scenario,
    *,
    target: Target,
    device: str,
    graph: Graph | None = None,
    tell: Tell = quiet,
    sleep: Callable[[float], None] = time.sleep,
) -> Measurement:
    """Measures one cell on a reached device, again after a cool-down when it throttled, at most three times in all.

    `graph` tells how much memory the network needs; without it the file's size has to do. Raises DeviceError when the
    device has less, before anything is sent, and when it cannot be reached; otherwise as `measure`, whose warnings get
    what happened on the way: cut connections, processes of a run that was cut, a wall clock that was set.
    """
    if isinstance(target, RemoteTarget):
        known = peak_memory_bytes(graph, runtime, artifact.export.precision) if graph else None
        target.board.require_memory(artifact.size_bytes if known is None else known, artifact.model.key)
    spoilt: list[str] = []
    while True:
        found = measure(artifact, runtime, scenario, device=device, on_progress=tell, target=target)
        if found.status != "invalid" or len(spoilt) == REPEATS:
            notes: list[str] = []
            if isinstance(target, RemoteTarget):
                notes, target.notes = target.notes, []
            return replace(found, warnings=(*found.warnings, *spoilt, *dict.fromkeys(notes)))
        spoilt.append(f"measured again after a cool-down: {found.error}")
        _cool_down(found, target, scenario.threads, tell, sleep)


def _cool_down(found: Measurement, target: Target, threads: int, tell: Tell, sleep: Callable[[float], None]) -> None:
    """Waits until the device is about as cool as it was and throttles no more, five minutes at most."""
    start_c = found.environment.get("temperature_c")
    for _ in range(COOL_DOWN_S // LOOK_S):
        tell("cooling down after throttling")
        sleep(LOOK_S)
        now = target.environment(threads)
        warm = start_c is not None and (now.get("temperature_c") or 0) > start_c + COOL_ENOUGH_C
        if not warm and not (now.get("throttled") or 0) & 0xF:
            return


def emulate(
    artifact: Artifact,
    device: DeviceProfile,
    *,
    runs: int = emulator.RUNS,
    counts: bool = True,
    on_progress: Tell | None = None,
) -> Measurement:
    """As places.emulator.emulate, with `estimated_latency_s` where the estimator has constants for what ran."""
    found = emulator.emulate(artifact, device, runs=runs, counts=counts, on_progress=on_progress)
    return timed(found, device) if found.status == "ok" else found


def timed(found: Measurement, device: DeviceProfile) -> Measurement:
    """The record with the time that its counts, or the network's graph, stand for; unchanged where none is known."""
    from edgebench import models
    from edgebench.estimate.emulated import emulated_time
    from edgebench.models.sketch import sketch

    graph = sketch(found.model) if found.model.name in models.names() else None
    time = emulated_time(found.counts, device, found.runtime, found.export.precision, graph)
    if time is None:
        return found
    warnings = tuple(dict.fromkeys((*found.warnings, *time.warnings)))  # a stored record may have been timed before
    return replace(found, estimated_latency_s=time.latency_s, calibrated_on=time.rests_on, warnings=warnings)
