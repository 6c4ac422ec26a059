"""Budgets: what the chosen network may take, how it is parsed, and what to say when nothing fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from edgebench.choose.prior import Floats, Mask
from edgebench.ground import units
from edgebench.ground.errors import Regression, UsageError
from edgebench.ground.records import Record

Quantity = str | float | None


class Budget(Record, frozen=True, kw_only=True):
    """Limits in base units; None does not limit. `min_accuracy` is top-1 in percent."""

    max_latency_s: float | None = None
    max_memory_bytes: int | None = None
    max_size_bytes: int | None = None
    min_accuracy: float | None = None

    def limits(self) -> dict[str, float]:
        """The limits that are set, by the names in SHOW."""
        values = {
            "latency": self.max_latency_s,
            "memory": self.max_memory_bytes,
            "size": self.max_size_bytes,
            "accuracy": self.min_accuracy,
        }
        return {name: value for name, value in values.items() if value is not None}


SHOW: Final[Mapping[str, Callable[[float], str]]] = {
    "latency": units.show_seconds,
    "memory": units.show_bytes,
    "size": units.show_bytes,
    "accuracy": lambda value: f"{value:.1f}%",
}
OPTION: Final = {"latency": "max_latency", "memory": "max_memory", "size": "max_size", "accuracy": "min_accuracy"}


def parse(
    max_latency: Quantity = None, max_memory: Quantity = None, max_size: Quantity = None, min_accuracy: Quantity = None
) -> Budget:
    """Returns the budget. Text carries its unit ("50ms", "64MB"); numbers are base units.

    Raises UsageError for a quantity that is not above zero or has the wrong unit, for no limit at all, and for limits
    that contradict one another.
    """
    memory, size = _limit(max_memory, "memory"), _limit(max_size, "size")
    budget = Budget(
        max_latency_s=_limit(max_latency, "latency"),
        max_memory_bytes=None if memory is None else round(memory),
        max_size_bytes=None if size is None else round(size),
        min_accuracy=_limit(min_accuracy, "accuracy"),
    )
    if not set(budget.limits()) - {"accuracy"}:
        raise UsageError("no budget: give at least one of `max_latency='50ms'`, `max_memory='64MB'`, `max_size='10MB'`")
    if memory is not None and size is not None and size > memory:
        raise UsageError(
            f"`max_size='{units.show_bytes(size)}'` contradicts `max_memory='{units.show_bytes(memory)}'`: a runtime "
            "holds the whole file in memory; give a smaller size or more memory"
        )
    return budget


def feasible(budget: Budget, quantities: Mapping[str, Floats]) -> Mask:
    """Which networks keep every limit; `quantities` holds an array for each name of SHOW."""
    kept = np.ones(len(quantities["latency"]), dtype=bool)
    for name, limit in budget.limits().items():
        kept &= _kept(name, quantities[name], limit)
    return kept


def infeasible(budget: Budget, quantities: Mapping[str, Floats]) -> Regression:
    """The error when nothing fits: the tightest limit, and for each one the least that works with the others held."""
    limits = budget.limits()
    alone = {name: int(_kept(name, quantities[name], limit).sum()) for name, limit in limits.items()}
    tightest = min(alone, key=lambda name: alone[name])
    total = len(quantities["latency"])
    ways = [way for name in limits if (way := _relaxed(budget, name, quantities))]
    help_ = f"it works with {' or '.join(ways) or _relaxed_together(limits, quantities)}"
    return Regression(
        f"no network fits: the tightest limit is `{OPTION[tightest]}` {SHOW[tightest](limits[tightest])}, which "
        f"{alone[tightest]} of {total} networks keep; {help_}"
    )


def _relaxed(budget: Budget, name: str, quantities: Mapping[str, Floats]) -> str:
    others = np.ones(len(quantities[name]), dtype=bool)
    for other, limit in budget.limits().items():
        if other != name:
            others &= _kept(other, quantities[other], limit)
    if not others.any():
        return ""
    values = quantities[name][others]
    best = values.max() if name == "accuracy" else values.min()
    return f"`{OPTION[name]}` {_rounded(name, float(best))}"


def _relaxed_together(limits: Mapping[str, float], quantities: Mapping[str, Floats]) -> str:
    """The limits of the network that breaks its worst one by the smallest factor, and so on among equals."""
    excess = [
        limit / quantities[name] if name == "accuracy" else quantities[name] / limit for name, limit in limits.items()
    ]
    nearest = int(np.lexsort(np.sort(excess, axis=0))[0])  # the last key, the largest factor, counts first
    kept = {name: _kept(name, quantities[name][[nearest]], limit)[0] for name, limit in limits.items()}
    broken = [name for name in limits if not kept[name]]
    return " and ".join(f"`{OPTION[name]}` {_rounded(name, float(quantities[name][nearest]))}" for name in broken)


def _rounded(name: str, value: float) -> str:
    """`value` as a limit that it keeps when it is typed in: rounded up, or down for an accuracy."""
    if name == "accuracy":
        return f"{math.floor(value * 10) / 10:.1f}"
    scale, unit = (1e-3, "ms") if name == "latency" else (1e6, "MB")
    return f"{math.ceil(value / scale * 10) / 10:g}{unit}"


def _kept(name: str, values: Floats, limit: float) -> Mask:
    kept: Mask = values >= limit if name == "accuracy" else values <= limit
    return kept


def _limit(given: Quantity, name: str) -> float | None:
    if given is None:
        return None
    value = _parsed(given, name)
    highest = 100.0 if name == "accuracy" else math.inf
    if not (0 < value < highest):
        shown = "a percentage between 0 and 100" if name == "accuracy" else "a value above zero"
        raise UsageError(f"`{OPTION[name]}` {given} is no budget: give {shown}")
    return value


def _parsed(given: str | float, name: str) -> float:
    if not isinstance(given, str):
        return float(given)
    if name != "accuracy":
        try:
            return units.seconds(given) if name == "latency" else float(units.size_bytes(given))
        except UsageError as error:
            raise UsageError(f"`{OPTION[name]}`: {error}") from error
    try:
        return float(given.rstrip("%"))
    except ValueError as error:
        raise UsageError(f"`min_accuracy` '{given}' is not a percentage: write for example 70") from error
