"""Operators as rows: time, share, cost, and how near each came to the machine's roof."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from statistics import median
from typing import Any

from msgspec.structs import replace

from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.report.operator_counts import TOTAL

OPERATIONS_PER_MAC = 2


@dataclass(frozen=True)
class OperatorRow:
    """One operator: its median time over the runs, and what follows from it.

    `share` and `cumulative_share` are of the sum of all operators, in the order of the rows. `flop_per_s` counts two
    operations a MAC. `roof_share` is the achieved rate over what the roofline allows an operator of this many
    operations and bytes; above 1, its tensors were in a nearer cache than the roof's. None where a cost or the roof is
    not known.
    """

    name: str
    kind: str
    unit: str
    time_s: float
    share: float
    cumulative_share: float
    macs: int | None
    traffic_bytes: int | None
    flop_per_s: float | None
    roof_share: float | None


def ranked(profile: OperatorProfile) -> list[OperatorRow]:
    """The operators, the slowest first; of those that share a name, the later ones get a number."""
    times = [(median(operator.time_s), operator) for operator in _told_apart(profile.operators) if operator.time_s]
    times.sort(key=lambda pair: -pair[0])
    total = sum(time for time, _ in times) or 1.0
    cumulative = accumulate(time / total for time, _ in times)
    return [
        _row(operator, time, total, upto, profile) for (time, operator), upto in zip(times, cumulative, strict=True)
    ]


@dataclass(frozen=True)
class CountedRow:
    """One operator of an emulated device: the instructions it executes, and their shares as in OperatorRow."""

    name: str
    kind: str
    instructions: int
    share: float
    cumulative_share: float


def counted(profile: OperatorProfile) -> list[CountedRow]:
    """The operators whose instructions are known, what executes most first."""
    found = [(each.counts[TOTAL], each) for each in _told_apart(profile.operators) if TOTAL in each.counts]
    found.sort(key=lambda pair: -pair[0])
    total = sum(count for count, _ in found) or 1
    cumulative = accumulate(count for count, _ in found)
    return [
        CountedRow(each.name, each.kind, count, count / total, min(upto / total, 1.0))
        for (count, each), upto in zip(found, cumulative, strict=True)
    ]


def shown(profile: OperatorProfile) -> list[dict[str, Any]]:
    """The rows of a plot or a page: by time where a clock has seen the operators, or else by instructions."""
    return [vars(row) for row in (ranked(profile) if profile.is_timed else counted(profile))]


def _told_apart(operators: Iterable[OperatorTime]) -> Iterator[OperatorTime]:
    seen: Counter[str] = Counter()
    for operator in operators:
        seen[operator.name] += 1
        count = seen[operator.name]
        yield operator if count == 1 else replace(operator, name=f"{operator.name} ({count})")


def _row(
    operator: OperatorTime, time_s: float, total_s: float, cumulative: float, profile: OperatorProfile
) -> OperatorRow:
    least_s = roofline_s(operator, profile)
    return OperatorRow(
        name=operator.name,
        kind=operator.kind,
        unit=operator.unit,
        time_s=time_s,
        share=time_s / total_s,
        cumulative_share=min(cumulative, 1.0),
        macs=operator.macs,
        traffic_bytes=operator.traffic_bytes,
        flop_per_s=OPERATIONS_PER_MAC * operator.macs / time_s if operator.macs and time_s else None,
        roof_share=least_s / time_s if least_s is not None and time_s else None,
    )


def roofline_s(operator: OperatorTime, profile: OperatorProfile) -> float | None:
    """The least time the roofline allows: the larger of computing at the full rate and moving all bytes once.

    Williams, Waterman and Patterson, Roofline (2009), read as time instead of rate. None where a cost or a limit is
    not known.
    """
    if operator.macs is None or not profile.roof_flop_per_s:
        return None
    if operator.traffic_bytes is None or not profile.roof_bytes_per_s:
        return None
    computing = OPERATIONS_PER_MAC * operator.macs / profile.roof_flop_per_s
    return max(computing, operator.traffic_bytes / profile.roof_bytes_per_s)


def total_s(profile: OperatorProfile) -> float:
    """The sum of the operators' median times."""
    return sum(median(operator.time_s) for operator in profile.operators if operator.time_s)


def caption(profile: OperatorProfile) -> list[str]:
    """What the rows rest on, one sentence a line."""
    if not profile.is_timed:
        return [f"Counts: {profile.method}."]
    lines = [f"Times: {profile.method}, the median of {len(profile.profiled_s)} inferences."]
    if profile.profiled_s and profile.plain_s:
        profiled, plain = median(profile.profiled_s), median(profile.plain_s)
        lines.append(
            f"All operators {total_s(profile) * 1e3:.2f} ms; an inference {profiled * 1e3:.2f} ms with the profiler and"
            f" {plain * 1e3:.2f} ms without; the rest is the runtime's own and other work on the machine."
        )
    if profile.roof_flop_per_s and profile.roof_bytes_per_s:
        lines.append(
            f"Roof of this machine at {profile.threads} thread{'s' * (profile.threads > 1)}:"
            f" {profile.roof_flop_per_s / 1e9:.1f} GFLOP/s, {profile.roof_bytes_per_s / 1e9:.1f} GB/s;"
            " an operator above 100% found its tensors in a nearer cache."
        )
    return lines
