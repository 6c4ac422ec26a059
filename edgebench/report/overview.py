"""The overview's columns and rows: one row a cell, its newest record, base units, reasons where a number is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgebench.ground.records import ModelSpec, Result
from edgebench.measure.latency import TAIL, refusal
from edgebench.report import rows
from edgebench.report.accuracy import Accuracies

Kind = Literal["text", "provenance", "time", "interval", "bytes", "count", "share", "number", "date", "status"]
Value = str | float | int | None | list[float | None]


@dataclass(frozen=True)
class Column:
    """One column: its key, what its header says, how its values are shown, and what they mean."""

    key: str
    label: str
    kind: Kind
    help: str = ""


COLUMNS = (
    Column("model", "model", "text", "the network, or the file's name for a file that edgebench did not make"),
    Column("p50_s", "p50", "time", "median over fresh processes of their median latency; the estimate; or,"
           " where the row is emulated, a time through calibrated constants"),
    Column("point", "point", "text", "width, depth and resolution; a multiplier of 1 is left out"),
    Column("device", "device", "text"),
    Column("format", "format", "text"),
    Column("precision", "prec", "text", "precision of the weights"),
    Column("provenance", "provenance", "provenance", "measured: a clock on that device; emulated: from"
           " counted instructions through calibrated constants, or from the graph where that errs less; estimated: from"
           " the network's graph"),
    Column("interval_s", "interval", "interval", "interval of the median over processes, or the estimate's own; the"
           " details give its confidence"),
    Column("p90_s", "p90", "time", "nearest rank over all runs; refused below 64 runs"),
    Column("p99_s", "p99", "time", "nearest rank over all runs; refused below 662 runs and for quick runs"),
    Column("first_s", "first", "time", "first inference after load, median over processes"),
    Column("load_s", "load", "time", "loading the file, median over processes"),
    Column("peak_memory_bytes", "peak mem", "bytes", "peak resident memory of load and inference above the"
           " process's own; planned from the graph where the row is estimated"),
    Column("size_bytes", "size", "bytes", "size of the file"),
    Column("parameters", "params", "count", "trainable parameters, counted"),
    Column("macs", "MACs", "count", "multiply-accumulates of convolutions and dense layers, counted"),
    Column("instructions", "instr.", "count", "instructions executed in one inference, counted by an emulator"),
    Column("accuracy", "top-1", "share", "share of images that the exported file itself got right (profile --data);"
           " without that, what the file given with --accuracy says"),
    Column("parity", "parity", "share", "largest error against PyTorch as a share of the output's range"),
    Column("runtime", "runtime", "text"),
    Column("threads", "thr", "number", "threads of the runtime"),
    Column("records", "records", "number", "stored records of this cell; the row shows the newest"),
    Column("status", "status", "status", "ok; failed; invalid: throttled while it was measured; skipped"),
    Column("time", "taken", "date", "when the record was taken, UTC"),
)  # fmt: skip
KEYS = tuple(column.key for column in COLUMNS)


def row(result: Result, records: int, accuracies: Accuracies) -> list[Value]:
    """The values of COLUMNS for one record; a percentile that the samples cannot carry is what it needs, as text."""
    flat = rows.profile(result)
    times, parity = flat["latency_s"], flat["parity"]
    values: dict[str, Any] = {
        **flat,
        "point": point(result.model),
        "p50_s": times["median"],
        "interval_s": [times["low"], times["high"]] if times["high"] is not None else None,
        "p90_s": times["p90"] or _refused(result, "p90"),
        "p99_s": times["p99"] or _refused(result, "p99"),
        "instructions": result.instructions,
        "accuracy": top1(result, accuracies),
        "parity": parity["range_error"] if parity else None,
        "records": records,
        "time": result.time,
    }
    return [_short(values[key]) for key in KEYS]


def top1(result: Result, accuracies: Accuracies) -> float | None:
    """What was counted on the file itself, or else what the user brings."""
    judged = result.accuracy
    return judged.correct / judged.images if judged and judged.images else accuracies.of(result.model)


def points(table: Sequence[Sequence[Value]], families: Sequence[str]) -> list[dict[str, Any]]:
    """Overview rows as the rows of the Pareto plot; `families` holds one name for each of them."""
    named = [dict(zip(KEYS, values, strict=True)) for values in table]
    return [
        {**each, "family": family, "label": f"{each['model']} {each['point']} {each['format']} {each['precision']}"}
        for each, family in zip(named, families, strict=True)
    ]


def point(spec: ModelSpec) -> str:
    """The scaling point, with width and depth only where they are not 1."""
    parts = [f"w{spec.width:g}" if spec.width != 1 else "", f"d{spec.depth:g}" if spec.depth != 1 else ""]
    size = f"r{spec.resolution}" if spec.height in (None, spec.resolution) else f"{spec.height}x{spec.resolution}"
    return " ".join([*filter(None, parts), size])


def _refused(result: Result, name: str) -> str | None:
    if result.scenario is None or not result.samples_s:
        return None
    why = refusal(name, sum(map(len, result.samples_s)), result.scenario.quick)
    return "quick run" if why and result.scenario.quick and name in TAIL else why


def _short(value: Any) -> Value:
    """Six significant digits are more than any of these numbers has."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return [_short(each) for each in value] if isinstance(value, list) else value  # type: ignore[misc]
