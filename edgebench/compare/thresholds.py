"""How much slower is too much: a percentage, or what a device's noise allows, as `edgebench noise` wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from edgebench.ground import toml
from edgebench.ground.errors import UsageError

DEFAULT: Final = 0.05
"""Without --fail-on: 5%."""

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
    noise = read_noise(Path(text))
    return Threshold(parse_percent(noise.threshold), noise.device, noise.machine)


def read_noise(path: Path) -> Noise:
    """Reads a noise file; UsageError when it is missing or is not one."""
    data = toml.read(path, "noise file")
    toml.check_keys(data, Noise.__struct_fields__, str(path))
    try:
        return msgspec.convert(data, Noise)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path} is not a noise file: {error}") from error
