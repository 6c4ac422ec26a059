"""A profile as Chrome trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing open."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec

from edgebench.records import OperatorProfile, OperatorTime
from edgebench.report import files

MICROSECONDS = 1e6
PROCESS, THREAD = 1, 1


def chrome_trace(profile: OperatorProfile, title: str) -> dict[str, Any]:
    """The inferences one after the other on one track, each operator inside its inference.

    Operators whose engine does not tell when they began lie end to end. The format is Google's Trace Event Format,
    complete events ("X") in microseconds.
    """
    names = [("process_name", title), ("thread_name", profile.method)]
    events = [_name(what, name) for what, name in names]
    begins = accumulate(profile.profiled_s, initial=0.0)
    for run, (begin_s, length_s) in enumerate(zip(begins, profile.profiled_s, strict=False)):
        events.append(_event(f"inference {run + 1}", "inference", begin_s, length_s, {}))
        events.extend(_operators(profile, run, begin_s))
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def write(path: Path, profile: OperatorProfile, title: str) -> None:
    """Writes the trace of a profile. Raises UsageError where that is not possible."""
    files.write(path, msgspec.json.encode(chrome_trace(profile, title)))


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
        "pid": PROCESS,
        "tid": THREAD,
        "args": arguments,
    }


def _name(what: str, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": PROCESS, "tid": THREAD, "args": {"name": name}}
