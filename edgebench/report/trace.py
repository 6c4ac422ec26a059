"""A profile as Chrome trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec

from edgebench.ground import paths
from edgebench.ground.records import OperatorProfile, OperatorTime

MICROSECONDS = 1e6
THREAD = 1


def chrome_trace(profiles: Mapping[str, OperatorProfile]) -> dict[str, Any]:
    """One track a profile, by its title; on it the inferences one after the other, each operator inside its own.

    Operators whose engine does not tell when they began lie end to end. The format is Google's Trace Event Format,
    complete events ("X") in microseconds.
    """
    tracks = (_track(title, profile, number) for number, (title, profile) in enumerate(profiles.items(), 1))
    return {"traceEvents": [event for track in tracks for event in track], "displayTimeUnit": "ms"}


def write(path: Path, profiles: Mapping[str, OperatorProfile]) -> None:
    """Writes the trace of some profiles. Raises UsageError where that is not possible."""
    paths.write(path, msgspec.json.encode(chrome_trace(profiles)))


def _track(title: str, profile: OperatorProfile, track: int) -> Iterator[dict[str, Any]]:
    yield _name("process_name", title, track)
    yield _name("thread_name", profile.method, track)
    begins = accumulate(profile.profiled_s, initial=0.0)
    for run, (begin_s, length_s) in enumerate(zip(begins, profile.profiled_s, strict=False)):
        yield _event(f"inference {run + 1}", "inference", begin_s, length_s, {}) | {"pid": track}
        yield from (event | {"pid": track} for event in _operators(profile, run, begin_s))


def _operators(profile: OperatorProfile, run: int, begin_s: float) -> Iterator[dict[str, Any]]:
    end_s = 0.0
    for operator in profile.operators:
        start_s = operator.start_s[run] if operator.start_s else end_s
        end_s = start_s + operator.time_s[run]
        yield _event(operator.name, operator.kind, begin_s + start_s, operator.time_s[run], _arguments(operator))


def _arguments(operator: OperatorTime) -> dict[str, Any]:
    return {"kind": operator.kind, "ran on": operator.unit, "MACs": operator.macs, "bytes": operator.traffic_bytes}


def _event(name: str, category: str, start_s: float, length_s: float, arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "cat": category,
        "ph": "X",
        "ts": round(start_s * MICROSECONDS, 3),
        "dur": round(length_s * MICROSECONDS, 3),
        "tid": THREAD,
        "args": arguments,
    }


def _name(what: str, name: str, track: int) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": track, "tid": THREAD, "args": {"name": name}}
