"""Why a point lost, in sentences: the limit that it breaks, or what the picked point does better."""

from __future__ import annotations

from edgebench.choose.budget import OPTION, SHOW, Budget
from edgebench.choose.prior import TIE
from edgebench.choose.records import Headroom, Point
from edgebench.ground import units


def values(point: Point) -> dict[str, float]:
    """What budgets limit, by the names of budget.SHOW."""
    return {
        "latency": point.latency_s.value,
        "memory": float(point.peak_memory_bytes or 0),
        "size": float(point.size_bytes),
        "accuracy": point.accuracy.value,
    }


def broken(point: Point, budget: Budget) -> list[str]:
    """One sentence for each limit that the point breaks."""
    found = []
    for name, limit in budget.limits().items():
        value = values(point)[name]
        over = limit - value if name == "accuracy" else value - limit
        if over > 0:
            show = SHOW[name]
            word = "under" if name == "accuracy" else "over"
            found.append(
                f"{name} {show(value)} is {show(over)} {word} --{OPTION[name].replace('_', '-')} {show(limit)}"
            )
    return found


def reasons(point: Point, picked: Point, budget: Budget) -> tuple[str, ...]:
    """Limits that it breaks; else how it compares with the picked point."""
    return tuple(broken(point, budget)) or (compared(point, picked),)


def compared(point: Point, picked: Point) -> str:
    """The difference to the picked point: accuracy, called a tie where the prior cannot tell, and time and memory.

    An estimated memory is not set against an emulated or measured one.
    """
    lost = picked.accuracy.value - point.accuracy.value
    size = f"{abs(lost):.1f} points {'less' if lost >= 0 else 'more'} accurate"
    accuracy = f"{size} (tie)" if abs(lost) < TIE else size
    parts = [accuracy, _share(point.latency_s.value, picked.latency_s.value, "time")]
    alike = point.memory_provenance == picked.memory_provenance
    if point.peak_memory_bytes and picked.peak_memory_bytes and alike:
        parts.append(_share(point.peak_memory_bytes, picked.peak_memory_bytes, "memory"))
    return ", ".join(parts)


def headroom(point: Point, budget: Budget) -> tuple[Headroom, ...]:
    """How much of each limit the point leaves."""
    found = []
    for name, limit in budget.limits().items():
        value = values(point)[name]
        left = (value - limit) / limit if name == "accuracy" else 1 - value / limit
        found.append(Headroom(name=name, limit=limit, value=value, left=left))
    return tuple(found)


def doubts(point: Point, budget: Budget) -> list[str]:
    """Limits that the point keeps by its value, but not by the far end of its interval."""
    found = []
    limit = budget.max_latency_s
    advice = "measure longer, with nothing else running" if point.provenance == "measured" else "measure on the device"
    if limit is not None and point.latency_s.high > limit:
        found.append(
            f"the latency's {point.latency_s.confidence:.0%} interval reaches "
            f"{units.show_seconds(point.latency_s.high)}, over the limit of {units.show_seconds(limit)}: {advice}, or "
            "give a lower --max-latency to be sure"
        )
    if budget.min_accuracy is not None and point.accuracy.low < budget.min_accuracy:
        found.append(
            f"the expected accuracy's {point.accuracy.confidence:.0%} interval begins at {point.accuracy.low:.1f}%, "
            f"under the limit of {budget.min_accuracy:.1f}%: train it to know"
        )
    return found


def _share(value: float, other: float, what: str) -> str:
    ratio = value / other - 1
    if abs(ratio) < 0.005:
        return f"the same {what}"
    return f"{abs(ratio):.0%} {'more' if ratio > 0 else 'less'} {what}"
