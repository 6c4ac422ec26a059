"""An emulated file with the time that its counts stand for."""

from __future__ import annotations

from msgspec.structs import replace

from edgebench.ground.progress import Tell
from edgebench.ground.records import Artifact, Measurement
from edgebench.machines.profiles import DeviceProfile
from edgebench.places.emulator import emulator


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
