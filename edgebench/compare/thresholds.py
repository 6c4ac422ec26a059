"""How much slower is too much: a percentage, or what a device's noise allows, learned from A/A runs."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from edgebench.compare.statistics import effect, process_values
from edgebench.compare.verdicts import percent
from edgebench.ground import paths, toml
from edgebench.ground.errors import DeviceError, Inconclusive, UsageError
from edgebench.ground.progress import Tell, quiet
from edgebench.ground.records import Artifact, Measurement, Scenario

DEFAULT: Final = 0.05
"""Without --fail-on: 5%."""

SAMPLES: Final = ".jsonl"  # what the file of samples beside a noise file ends in
_PERCENT: Final = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*%\s*")


class Noise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What A/A runs taught about one device: the smallest slowdown that a comparison there can honestly report."""

    device: str
    threshold: str
    machine: str | None = None
    model: str = ""
    processes: int = 0
    compared: int = 0
    between_processes: str = ""
    learned: str = ""


@dataclass(frozen=True)
class Threshold:
    """The share above which a change counts, on every device or on the one that it was learned on."""

    share: float
    device: str | None = None
    machine: str | None = None

    def of(self, device: str) -> float:
        """The share for `device`; UsageError when it was learned on another."""
        if self.device not in (None, device):
            raise UsageError(
                f"the noise file was learned on {self.device} and says nothing of {device}: "
                f"run `edgebench noise --device {device}`, or give `fail_on` a percentage such as 5%"
            )
        return self.share


def parse_percent(text: str) -> float:
    """Parses "5%" to 0.05. A bare number is refused, since 5 could mean 5% or 5x."""
    match = _PERCENT.fullmatch(text)
    if match is None or not 0 < float(match[1]) <= 1000:
        raise UsageError(f"'{text}' is not a percentage above zero: write for example 5%")
    return float(match[1]) / 100


def parse(text: str | None) -> Threshold:
    """Reads --fail-on: a percentage such as 5%, or a noise file such as noise-host.toml."""
    if text is None:
        return Threshold(DEFAULT)
    if not text.endswith(".toml"):
        return Threshold(parse_percent(text))
    data = toml.read(Path(text), "noise file")
    toml.check_keys(data, Noise.__struct_fields__, text)
    try:
        noise = msgspec.convert(data, Noise)
    except msgspec.ValidationError as error:
        raise UsageError(f"{text} is not a noise file: {error}") from error
    return Threshold(parse_percent(noise.threshold), noise.device, noise.machine)


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


def check_output(path: Path) -> None:
    """Raises UsageError, before anything is measured, for a noise file that `fail_on` would not take or nobody can
    write."""
    if path.suffix != ".toml":
        raise UsageError(f"`output` is {path}, and `fail_on` takes a noise file by its ending: give a name in .toml")
    for each in (path, path.with_suffix(SAMPLES)):
        paths.check_writable(each)


def learn_noise(artifact: Artifact, runtime: str, scenario: Scenario, path: Path, *, tell: Tell = quiet) -> Noise:
    """Measures a file over and over, learns its noise and writes it to `path`, with the samples beside it.

    Raises DeviceError when the runtime fails, Inconclusive when the machine throttled meanwhile.
    """
    from edgebench.measure import measure

    check_enough(scenario.processes)
    measured = measure(artifact, runtime, scenario, on_progress=tell)
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
    values = process_values(measured.samples_s)
    check_enough(len(values), side)
    ratios = [
        effect(values[i : i + side], values[j : j + side]).ratio
        for i, j in combinations(range(len(values) - side + 1), 2)
        if j - i >= side
    ]
    worst = max(max(ratio, 1 / ratio) for ratio in ratios) - 1
    return Noise(
        device=measured.device,
        threshold=percent(max(LEAST, math.ceil(worst / STEP) * STEP)),
        machine=measured.environment.get("machine"),
        model=f"{measured.model.key} {measured.export.key}",
        processes=len(values),
        compared=len(ratios),
        between_processes=percent(float(np.std(np.log(values), ddof=1))),
        learned=measured.time[:10],
    )


def sentence(noise: Noise, path: Path) -> str:
    """What was learned of a device's noise, and where it is."""
    return (
        f"{noise.device} can honestly report slowdowns of {noise.threshold} and more: {noise.compared} comparisons of "
        f"one file with itself, over {noise.processes} processes that varied by {noise.between_processes}, all "
        f"stayed below it.\nWritten to {path}; use it as --fail-on {path}"
    )


def write(noise: Noise, measured: Measurement, path: Path) -> None:
    """Writes the noise file and, beside it, the samples it was learned from; each whole or not at all.

    Raises UsageError when that is not possible.
    """
    lines = [
        "# The smallest slowdown that a comparison on this device can honestly report: no two stretches of",
        f"# {SIDE} successive processes of one file differed by more. Learned by `edgebench noise`; use it as",
        f"# `edgebench compare BASE NEW --fail-on {path.name}`. Learn it again when the machine or its use changes.",
        *(
            f"{name} = {json.dumps(value, ensure_ascii=False)}"
            for name, value in msgspec.structs.asdict(noise).items()
            if value is not None
        ),
    ]
    paths.write(path.with_suffix(SAMPLES), msgspec.json.encode(measured) + b"\n")
    paths.write(path, "\n".join(lines) + "\n")
