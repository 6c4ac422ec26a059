"""Operators of a network: as rows by time or by instructions, as tables and JSON, and as a trace for Perfetto."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar

import msgspec
from msgspec.structs import replace
from rich.text import Text

from edgebench.ground.records import OperatorProfile, OperatorTime
from edgebench.ground.units import show_bytes, show_count, show_seconds
from edgebench.report import output
from edgebench.report.tables import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

OPERATIONS_PER_MAC: Final = 2
MICROSECONDS: Final = 1e6
MOST_ROWS: Final = 25
TOTAL: Final = "instructions"
CLASSES: Final = {"multiply-add": ("float_fma", "vector_multiply", "dot_product"), "load": ("load", "vector_load")}


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


@dataclass(frozen=True)
class CountedRow:
    """One operator of an emulated device: the instructions it executes, and their shares as in OperatorRow."""

    name: str
    kind: str
    instructions: int
    share: float
    cumulative_share: float


def ranked(profile: OperatorProfile) -> list[OperatorRow]:
    """The operators, the slowest first; of those that share a name, the later ones get a number."""
    timed = [(median(each.time_s), each) for each in _told_apart(profile.operators) if each.time_s]
    return [_timed_row(operator, time, share, upto, profile) for operator, time, share, upto in _costliest_first(timed)]


def counted(profile: OperatorProfile) -> list[CountedRow]:
    """The operators whose instructions are known, what executes most first."""
    counts = [(each.counts[TOTAL], each) for each in _told_apart(profile.operators) if TOTAL in each.counts]
    return [
        CountedRow(operator.name, operator.kind, count, share, upto)
        for operator, count, share, upto in _costliest_first(counts)
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


Cost = TypeVar("Cost", int, float)


def _costliest_first(costs: list[tuple[Cost, OperatorTime]]) -> Iterator[tuple[OperatorTime, Cost, float, float]]:
    """Each operator with its cost, its share of all costs, and the share of it and all before it."""
    costs.sort(key=lambda pair: -pair[0])
    total = sum(cost for cost, _ in costs) or 1
    upto = accumulate(cost / total for cost, _ in costs)
    for (cost, operator), cumulative in zip(costs, upto, strict=True):
        yield operator, cost, cost / total, min(cumulative, 1.0)


def _timed_row(
    operator: OperatorTime, time_s: float, share: float, cumulative: float, profile: OperatorProfile
) -> OperatorRow:
    """Its roof is the larger of computing at the full rate and moving all bytes once: the least time it allows.

    Williams, Waterman and Patterson, Roofline (2009), read as time instead of rate.
    """
    macs, traffic, least_s = operator.macs, operator.traffic_bytes, None
    if macs is not None and traffic is not None and profile.roof_flop_per_s and profile.roof_bytes_per_s:
        least_s = max(OPERATIONS_PER_MAC * macs / profile.roof_flop_per_s, traffic / profile.roof_bytes_per_s)
    return OperatorRow(
        name=operator.name,
        kind=operator.kind,
        unit=operator.unit,
        time_s=time_s,
        share=share,
        cumulative_share=cumulative,
        macs=macs,
        traffic_bytes=traffic,
        flop_per_s=OPERATIONS_PER_MAC * macs / time_s if macs and time_s else None,
        roof_share=least_s / time_s if least_s is not None and time_s else None,
    )


def caption(profile: OperatorProfile) -> list[str]:
    """What the rows rest on, one sentence a line."""
    if not profile.is_timed:
        return [f"Counts: {profile.method}."]
    lines = [f"Times: {profile.method}, the median of {len(profile.profiled_s)} inferences."]
    if profile.profiled_s and profile.plain_s:
        profiled, plain_s = median(profile.profiled_s), median(profile.plain_s)
        total_s = sum(median(operator.time_s) for operator in profile.operators if operator.time_s)
        lines.append(
            f"All operators {total_s * 1e3:.2f} ms; an inference {profiled * 1e3:.2f} ms with the profiler and"
            f" {plain_s * 1e3:.2f} ms without; the rest is the runtime's own and other work on the machine."
        )
    if profile.roof_flop_per_s and profile.roof_bytes_per_s:
        lines.append(
            f"Roof of this machine at {profile.threads} thread{'s' * (profile.threads > 1)}:"
            f" {profile.roof_flop_per_s / 1e9:.1f} GFLOP/s, {profile.roof_bytes_per_s / 1e9:.1f} GB/s;"
            " an operator above 100% found its tensors in a nearer cache."
        )
    return lines


def table(profile: OperatorProfile, title: str, *, most: int = MOST_ROWS) -> list[RenderableType]:
    """The costliest `most` operators and what the table rests on; --json and the report have all of them."""
    if profile.is_timed:
        columns: tuple[str, ...] = _TIMED
        cells = _timed_cells(profile)
    else:  # with the file's own names, those of unknown instructions last
        ordered = sorted(profile.operators, key=lambda each: -_count(each, TOTAL))
        total = sum(_count(each, TOTAL) for each in ordered)
        columns, cells = (
            _COUNTED,
            [
                (
                    each.name,
                    each.kind,
                    show_count(_count(each, TOTAL)),
                    f"{_count(each, TOTAL) / total:.1%}" if total else "-",
                    *(show_count(_count(each, *names)) for names in CLASSES.values()),
                )
                for each in ordered
            ],
        )
    made = plain(Text(title), *columns, left=_WORDS, spare=("sum", "bytes", "GFLOP/s", "ran on"))
    for row in cells[:most]:
        made.add_row(*map(Text, row))
    left, which = len(cells) - most, "faster" if profile.is_timed else "smaller"
    more = [f"{left} {which} operators are left out; --json has all."] if left > 0 else []
    return [made, Text("\n".join([*more, *caption(profile)]), style="dim")]


_WORDS = ("operator", "kind", "ran on")
_TIMED = (*_WORDS, "time", "share", "sum", "MACs", "bytes", "GFLOP/s", "of roof")
_COUNTED = ("operator", "kind", "instr", "share", *CLASSES)


def _timed_cells(profile: OperatorProfile) -> list[tuple[str, ...]]:
    return [
        (
            row.name,
            row.kind,
            row.unit,
            show_seconds(row.time_s),
            f"{row.share:.1%}",
            f"{row.cumulative_share:.0%}",
            show_count(row.macs),
            show_bytes(row.traffic_bytes),
            f"{row.flop_per_s / 1e9:.1f}" if row.flop_per_s is not None else "-",
            f"{row.roof_share:.0%}" if row.roof_share is not None else "-",
        )
        for row in ranked(profile)
    ]


def _count(operator: OperatorTime, *names: str) -> int:
    return sum(operator.counts.get(name, 0) for name in names)


class CountedOperator(TypedDict):
    """An operator of an emulated device and the instructions that it executes, by class."""

    name: str
    kind: str
    counts: dict[str, int]


class OperatorRows(TypedDict):
    """Timed `operators`, the slowest first, with the machine's roof; those that were `counted` in the file's order."""

    method: str
    roof_flop_per_s: float | None
    roof_bytes_per_s: float | None
    operators: list[OperatorRow]
    counted: list[CountedOperator]


def rows(profile: OperatorProfile) -> OperatorRows:
    """The profile for `--json`."""
    return {
        "method": profile.method,
        "roof_flop_per_s": profile.roof_flop_per_s,
        "roof_bytes_per_s": profile.roof_bytes_per_s,
        "operators": ranked(profile),
        "counted": [
            {"name": each.name, "kind": each.kind, "counts": each.counts} for each in profile.operators if each.counts
        ],
    }


def write_trace(path: Path, profiles: Mapping[str, OperatorProfile]) -> None:
    """Writes the trace of some profiles. Raises UsageError where that is not possible."""
    output.write(path, msgspec.json.encode(chrome_trace(profiles)))


def chrome_trace(profiles: Mapping[str, OperatorProfile]) -> dict[str, Any]:
    """Chrome trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing open: one track a profile, by title.

    On it are the inferences one after the other, each operator inside its own. Operators whose engine does not tell
    when they began lie end to end. The format is Google's Trace Event Format, complete events ("X") in microseconds.
    """
    tracks = (_track(title, profile, number) for number, (title, profile) in enumerate(profiles.items(), 1))
    return {"traceEvents": [event for track in tracks for event in track], "displayTimeUnit": "ms"}


def _track(title: str, profile: OperatorProfile, track: int) -> Iterator[dict[str, Any]]:
    place = {"pid": track, "tid": 1}
    for what, name in (("process_name", title), ("thread_name", profile.method)):
        yield {"name": what, "ph": "M", **place, "args": {"name": name}}
    begins = accumulate(profile.profiled_s, initial=0.0)
    for run, (begin_s, length_s) in enumerate(zip(begins, profile.profiled_s, strict=False)):
        yield _event(f"inference {run + 1}", "inference", begin_s, length_s, {}) | place
        end_s = 0.0
        for operator in profile.operators:
            start_s = operator.start_s[run] if operator.start_s else end_s
            end_s = start_s + operator.time_s[run]
            costs = {"MACs": operator.macs, "bytes": operator.traffic_bytes}
            arguments = {"kind": operator.kind, "ran on": operator.unit, **costs}
            yield _event(operator.name, operator.kind, begin_s + start_s, operator.time_s[run], arguments) | place


def _event(name: str, category: str, start_s: float, length_s: float, arguments: dict[str, Any]) -> dict[str, Any]:
    times = {"ts": round(start_s * MICROSECONDS, 3), "dur": round(length_s * MICROSECONDS, 3)}
    return {"name": name, "cat": category, "ph": "X", **times, "args": arguments}
