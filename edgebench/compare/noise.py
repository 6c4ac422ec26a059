"""Learns from A/A runs which slowdown a device can honestly report, and writes it as the threshold of --fail-on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from edgebench.compare.statistics import Array, effect, process_values
from edgebench.compare.thresholds import Noise
from edgebench.compare.verdicts import percent
from edgebench.formats.staging import publish, staging
from edgebench.ground.errors import DeviceError, Inconclusive, UsageError
from edgebench.ground.records import Artifact, Measurement, Scenario
from edgebench.measure import measure

# Processes a side of the comparisons that the threshold is for: what the methodology asks of a gate.
SIDE: Final = 10

# Thresholds are told in steps of half a percent, and none below one: that is as fine as a median over ten holds.
STEP: Final = 0.005
LEAST: Final = 0.01

# One process of an A/A run; as many of them as asked for.
SCENARIO: Final = Scenario(warmup_s=0.3, min_runs=30, min_s=1.0, max_s=30.0, quick=True)


def check_enough(processes: int, side: int = SIDE) -> None:
    """Raises UsageError for fewer processes than noise can be learned from: four stretches of `side`."""
    if processes < 4 * side:
        raise UsageError(f"{processes} processes are too few to learn noise from: run {4 * side} or more")


def run(
    artifact: Artifact,
    runtime: str,
    scenario: Scenario,
    path: Path,
    *,
    on_progress: Callable[[str], None] | None = None,
) -> Noise:
    """Measures a file over and over, learns its noise and writes it to `path`, with the samples beside it.

    Raises DeviceError when the runtime fails, Inconclusive when the machine throttled meanwhile.
    """
    check_enough(scenario.processes)
    measured = measure(artifact, runtime, scenario, on_progress=on_progress)
    if measured.status == "failed":
        raise DeviceError(measured.error or f"{runtime} failed without a message")
    if measured.status == "invalid":
        raise Inconclusive(f"no noise can be learned from this run: {measured.error}")
    learned = learn(measured)
    write(learned, measured, path)
    return learned


def learn(measured: Measurement, side: int = SIDE) -> Noise:
    """The threshold that no comparison of two stretches of `side` successive processes of `measured` would exceed.

    All processes ran the same file, so whatever two stretches differ by is noise and drift; every pair of stretches
    that do not overlap is compared, as a base and a later run would be. Raises UsageError for too few processes.
    """
    values = process_values(measured.latency_s)
    check_enough(len(values), side)
    ratios = [effect(values[i : i + side], values[j : j + side]).ratio for i, j in _stretches(len(values), side)]
    worst = max(max(ratio, 1 / ratio) for ratio in ratios) - 1
    return Noise(
        device=measured.device,
        threshold=percent(max(LEAST, math.ceil(worst / STEP) * STEP)),
        machine=measured.environment.get("machine"),
        model=f"{measured.model.key} {measured.export.key}",
        processes=len(values),
        compared=len(ratios),
        between_processes=percent(_spread(values)),
        learned=measured.time[:10],
    )


def write(noise: Noise, measured: Measurement, path: Path) -> None:
    """Writes the noise file and, beside it, the samples it was learned from; each whole or not at all.

    Raises UsageError when that is not possible.
    """
    lines = [
        "# The smallest slowdown that a comparison on this device can honestly report: no two stretches of",
        f"# {SIDE} successive processes of one file differed by more. Learned by `edgebench noise`; use it as",
        f"# `edgebench compare BASE NEW --fail-on {path.name}`. Learn it again when the machine or its use changes.",
        *(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in _fields(noise)),
    ]
    samples = path.with_suffix(".jsonl")
    with staging(path.parent) as folder:
        (folder / samples.name).write_bytes(msgspec.json.encode(measured) + b"\n")
        (folder / path.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        publish(folder, path.parent, [samples.name, path.name])


def _fields(noise: Noise) -> list[tuple[str, str | int]]:
    return [(name, value) for name in noise.__struct_fields__ if (value := getattr(noise, name)) is not None]


def _stretches(count: int, side: int) -> list[tuple[int, int]]:
    """Starts of all pairs of stretches that do not overlap."""
    return [(i, j) for i, j in combinations(range(count - side + 1), 2) if j - i >= side]


def _spread(values: Array) -> float:
    """Standard deviation of ln(value) between processes."""
    return float(np.std(np.log(values), ddof=1))
