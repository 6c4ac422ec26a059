"""Budgets: what a network may cost on a device, absolutely, and until when an overrun is waived. Read from TOML:

[[budget]]
device = "rpi4"
model = "mobilenetv2"             # a name, or a key such as mobilenetv2-w1-d1-r192
format = "tflite"                 # format, precision, runtime and threads narrow it down, and may be left out
latency = ["40ms", "60ms"]        # a band: faster than expected is news too
memory = "30MB"                   # or the most that is allowed
size = "15MB"
parity = 1e-4
instructions = 130_000_000

[[waiver]]
device = "rpi4"
model = "mobilenetv2"
metric = "memory"
until = 2027-01-31
reason = "the arena planner's fix is in review"
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec

from edgebench.compare.metrics import METRICS
from edgebench.ground import toml, units
from edgebench.ground.errors import UsageError

_PARSERS: Final[dict[str, Callable[[str], float]]] = {"s": units.seconds, "B": units.size_bytes}


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Leave to exceed one budget until a day, that day included."""

    device: str
    model: str
    metric: str
    until: date
    reason: str


@dataclass(frozen=True)
class Band:
    """Bounds in base units, both included; 0 and infinity where a side is open."""

    low: float
    high: float


class Selector(msgspec.Struct, frozen=True):
    """What a budget is for; None matches any format, precision, runtime or thread count."""

    device: str
    model: str
    format: str | None = None
    precision: str | None = None
    runtime: str | None = None
    threads: int | None = None


class Budget(Selector, frozen=True, kw_only=True):
    """The bands of one network on one device, by metric."""

    bands: dict[str, Band]

    @property
    def label(self) -> str:
        """mobilenetv2 tflite fp32 on rpi4."""
        narrowed = [part for part in (self.format, self.precision, self.runtime) if part]
        threads = f" with {self.threads} threads" if self.threads else ""
        return f"{' '.join((self.model, *narrowed))} on {self.device}{threads}"


_SELECTORS: Final = Selector.__struct_fields__


def load(path: Path, today: date) -> tuple[list[Budget], list[Waiver]]:
    """Reads a budgets file.

    Raises UsageError for a file that is no TOML, an unknown key, a quantity without its unit, a waiver that has expired
    or belongs to no budget, and a file without budgets.
    """
    data = toml.read(path, "budgets file")
    toml.check_keys(data, ("budget", "waiver"), str(path))
    budgets = [_budget(each, where) for where, each in _tables(data, "budget", path)]
    if not budgets:
        raise UsageError(f"{path} holds no budget: write a [[budget]] with device, model and for example latency")
    waivers = []
    for where, each in _tables(data, "waiver", path):
        toml.check_keys(each, Waiver.__struct_fields__, where)
        try:
            waivers.append(msgspec.convert(each, Waiver))
        except msgspec.ValidationError as error:
            raise UsageError(f"{where}: {error}; `until` is a date such as 2027-01-31") from error
    bounded = {(each.device, each.model, metric) for each in budgets for metric in each.bands}
    for waiver in waivers:
        name = f"the waiver in {path} for {waiver.metric} of {waiver.model} on {waiver.device}"
        if waiver.until < today:
            raise UsageError(f"{name} expired on {waiver.until}: keep the budget again, or renew it with a new reason")
        if not waiver.reason.strip():
            raise UsageError(f"{name} has no reason: say why the overrun is accepted")
        if (waiver.device, waiver.model, waiver.metric) not in bounded:
            raise UsageError(f"{name} belongs to no budget: its device, model and metric must be those of one")
    return budgets, waivers


def _tables(data: dict[str, Any], name: str, path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The tables of an array of tables, each with what messages call it."""
    tables = data.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise UsageError(f"{path}: write [[{name}]] with two brackets, once for each")
    return [(f"{path}, {name} {number}", each) for number, each in enumerate(tables, 1)]


def _budget(data: dict[str, Any], where: str) -> Budget:
    toml.check_keys(data, (*_SELECTORS, *METRICS), where)
    try:
        selector = msgspec.convert({name: data[name] for name in _SELECTORS if name in data}, Selector)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}") from error
    bands = {name: _band(data[name], name, where) for name in METRICS if name in data}
    if not bands:
        raise UsageError(f"{where} bounds nothing: give one of {', '.join(METRICS)}")
    return Budget(**msgspec.structs.asdict(selector), bands=bands)


def _band(value: Any, metric: str, where: str) -> Band:
    bounds = value if isinstance(value, list) else [None, value]
    if len(bounds) != 2:
        raise UsageError(f"{where}: {metric} is a most, or a band of two values such as ['40ms', '60ms']")
    low, high = (None if bound is None else _quantity(bound, metric, where) for bound in bounds)
    band = Band(low or 0.0, math.inf if high is None else high)
    if band.low > band.high:
        raise UsageError(f"{where}: the band of {metric} begins above its end: write the lower value first")
    return band


def _quantity(value: Any, metric: str, where: str) -> float:
    """A value with its unit as text, or a bare number for a metric that has none."""
    parse = _PARSERS.get(METRICS[metric].unit)
    if parse and isinstance(value, str):
        try:
            return parse(value)
        except UsageError as error:
            raise UsageError(f"{where}: {metric}: {error}") from error
    if parse:
        example = "'60ms'" if METRICS[metric].unit == "s" else "'15MB'"
        raise UsageError(f"{where}: {metric} = {value!r} lacks its unit: write for example {example}")
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
        return float(value)
    raise UsageError(f"{where}: {metric} = {value!r} is not a number above zero")
