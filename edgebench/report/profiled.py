"""What `edgebench profile` shows: the table of results, what its numbers mean, operators, and rows for `--json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from edgebench.ground.records import OperatorProfile, Result
from edgebench.ground.units import show_bytes, show_count, show_interval, show_seconds
from edgebench.report import accuracy, operators, output, rows
from edgebench.report.overview import point
from edgebench.report.tables import Fitting, Rows, concerned, plain

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from edgebench.machines.profiles import DeviceProfile

Row = dict[str, str]

_WORDS = ("model", "point", "format", "prec", "on", "provenance")
_IDENTITY = ("model", "point", "format", "prec", "thr")
_TIMES = ("on", "provenance", "p50", "interval", "p90", "first", "load", "peak mem", "instr")
_ACCURACY = ("top-1", "vs torch")
_FILE = ("size", "params", "MACs", "parity")


def show(
    results: Sequence[Result], on: Sequence[DeviceProfile], *, at_most_s: float | None = None, json: bool = False
) -> None:
    """Prints the results, with the operators of those that have them; several devices, or a limit, in one table."""
    if json:
        output.json([rows.profile(result) for result in results])
    elif len(on) > 1 or at_most_s is not None:
        output.blocks(*matrix(results, on, at_most_s))
    else:
        [device] = on
        output.blocks(*profile(results, device))
        for title, held in operator_profiles(results).items():
            output.blocks("", *operators.table(held, title))


def operator_profiles(results: Sequence[Result]) -> dict[str, OperatorProfile]:
    """The operator profiles of those results that have one, by a title."""
    return {
        f"{result.model.key} {result.export.key} ({result.runtime})": result.operators
        for result in results
        if result.operators is not None
    }


def profile(results: Sequence[Result], device: DeviceProfile) -> list[RenderableType]:
    """The profile table and, under it, what its columns mean, the warnings, and how to get a measured number."""
    blocks: list[RenderableType] = [_Profile(f"{device.title} ({device.name})", _rows(results))]
    blocks += [Text(line, style="dim") for line in legend(results)]
    blocks += [Text(f"! {warning}") for warning in _warnings(results)]
    if any(result.provenance == "estimated" and result.latency and result.processor == "cpu" for result in results):
        blocks.append(
            Text(
                f"Estimated, not measured: to measure, reach the {device.title} with --connect, or run `edgebench "
                "profile` on it (there it is --device host).",
                style="dim",
            )
        )
    return blocks


def matrix(
    results: Sequence[Result], on: Sequence[DeviceProfile], at_most_s: float | None = None
) -> list[RenderableType]:
    """A row a device, network and file: the latency with its interval, and whether it keeps the limit."""
    titles = {device.name: device.title for device in on}
    words = ("device", "title", "model", "point", "format", "prec", "on", "provenance")
    kept = (f"<= {show_seconds(at_most_s)}",) if at_most_s is not None else ()
    columns = (*words[:-2], "thr", *words[-2:], "p50", "interval", "peak mem", *kept)
    table = plain(None, *columns, left=words, spare=("title", "peak mem", "point", "thr"))
    for result, cells in zip(results, _rows(results), strict=True):
        named = [cells[name] for name in ("model", "point", "format", "prec", "thr", "on", "provenance")]
        figures = [cells[name] for name in ("p50", "interval", "peak mem")]
        verdict = [keeps(result, at_most_s)] if at_most_s is not None else []
        table.add_row(result.device, Text(titles.get(result.device, "")), *named, *figures, *verdict)
    legend = ["an interval should hold the device's median in 90% of cases; one device alone says what it rests on"]
    if at_most_s is not None:
        legend.append("yes: the whole interval keeps the limit; no: none of it does; maybe: one measurement would tell")
    return [table, *(Text(line, style="dim") for line in legend)]


def keeps(result: Result, at_most_s: float) -> str:
    """Whether a latency is at most so long: yes, no, maybe, or "-" without one."""
    found = result.latency
    if found is None:
        return "-"
    return "yes" if found.high <= at_most_s else "no" if found.low > at_most_s else "maybe"


@dataclass(frozen=True)
class _Profile:
    """The profile table: one where the terminal is wide enough, else one of the timings and one of the files."""

    title: str
    cells: Sequence[Row]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        times, file = _filled(_TIMES, self.cells), [*_filled(_ACCURACY, self.cells), *_FILE]
        whole = self._table(self.title, [*_IDENTITY, *times, *file])
        room = output.room(console)
        if whole.width() <= room:
            yield whole
            return
        yield self._table(self.title, [*_IDENTITY, *times])
        yield Text()
        yield self._table(None, [*_IDENTITY, *file])

    def _table(self, title: str | None, columns: Sequence[str]) -> Fitting:
        table = plain(title, *columns, left=_WORDS)
        for row in self.cells:
            table.add_row(*(row[column] for column in columns))
        return table


class Results(Rows[Result]):
    """A list of results that shows as the profile table, at a prompt and in a notebook."""

    left = _WORDS

    def cells(self) -> list[Row]:
        """The profile table's cells by column, without the columns that no row fills."""
        cells = _rows(self)
        filled = _filled((*_IDENTITY, *_TIMES, *_ACCURACY, *_FILE), cells)
        return [{name: row[name] for name in filled} for row in cells]


def _filled(columns: Sequence[str], cells: Sequence[Row]) -> list[str]:
    """The columns that some row fills."""
    return [name for name in columns if any(row[name] != "-" for row in cells)]


def _rows(results: Sequence[Result]) -> list[Row]:
    """One row a result; networks are called by their short names, as long as these are of one network each."""
    networks = {(result.model.short_name, result.model.name, result.model.digest) for result in results}
    known = Counter(short for short, _, _ in networks)
    names = (each.short_name if known[each.short_name] == 1 else each.name for each in (one.model for one in results))
    return [_cells(result) | {"model": name} for name, result in zip(names, results, strict=True)]


def _cells(result: Result) -> Row:
    flat = rows.profile(result)
    times = flat["latency_s"]
    return {
        "model": result.model.name,
        "point": point(result.model),
        "format": result.export.format,
        "prec": result.export.precision,
        "thr": str(result.threads) if result.processor == "cpu" else "-",
        "on": "-" if result.processor == "cpu" else result.processor,
        "provenance": result.provenance if result.status == "ok" else result.status.upper(),
        "p50": show_seconds(times["median"]),
        "interval": show_interval(times["low"], times["high"]),
        "p90": "needs runs" if result.samples_s and times["p90"] is None else show_seconds(times["p90"]),
        "first": show_seconds(flat["first_s"]),
        "load": show_seconds(flat["load_s"]),
        "peak mem": _memory(result),
        "instr": show_count(result.instructions),
        "top-1": accuracy.top1(result.accuracy),
        "vs torch": accuracy.points(result.accuracy),
        "size": show_bytes(result.size_bytes),
        "params": show_count(result.parameters),
        "MACs": show_count(result.macs),
        "parity": (
            "-" if result.parity is None else f"{result.parity.range_error:.0e}" if result.parity.max_abs_error else "0"
        ),
    }


def _memory(result: Result) -> str:
    value, interval = show_bytes(result.peak_memory_bytes), result.peak_memory
    return value if interval is None else f"{value} ({show_interval(interval.low, interval.high, show_bytes)})"


def _warnings(results: Sequence[Result]) -> list[str]:
    """Warnings and errors, each once, with the rows that it concerns where these are not all."""
    found = concerned(
        (
            f"{result.model.name} {result.export.format} {result.export.precision}",
            (*result.warnings, *([result.error] if result.error else [])),
        )
        for result in results
    )
    everywhere = len(results) > 1
    return [
        warning if everywhere and len(names) == len(results) else f"{', '.join(names)}: {warning}"
        for warning, names in found.items()
    ]


def legend(results: Sequence[Result]) -> list[str]:
    """What the numbers mean, one sentence a kind of number that the results have."""
    lines = _legend_of_emulated([result for result in results if result.provenance == "emulated"])
    for confidence in _confidences(results, timed=True):
        lines.append(
            f"measured: p50 is the median over fresh processes with its {confidence:.0%} interval; it covers copying "
            "the input in, the inference, and reading the output. first: the first inference after load."
        )
    lines += [
        f"estimated: from the network's graph; the interval should hold the device's median in {value:.0%} of cases."
        for value in _confidences([each for each in results if each.provenance == "estimated"], timed=False)
    ]
    if any(result.parity and result.device != "browser" for result in results):
        lines.append(
            "parity: largest error against PyTorch as a share of the output's range, with the file run on this machine."
        )
    if any(result.parity and result.device == "browser" for result in results):
        lines.append("parity: largest error against this machine's own runtime, as a share of the output's range.")
    judged = {result.accuracy.dataset: None for result in results if result.accuracy}
    lines += [
        f"top-1: share of images of {dataset} whose class is the file's first, with Wilson's 95% interval; vs torch: "
        "points by which that differs from PyTorch's in fp32."
        for dataset in judged
    ]
    return lines


def _confidences(results: Sequence[Result], *, timed: bool) -> list[float]:
    """The confidences of the intervals of what was timed, or of what was not."""
    return sorted(
        {result.latency.confidence for result in results if result.latency and bool(result.samples_s) == timed}
    )


def _legend_of_emulated(results: Sequence[Result]) -> list[str]:
    """What was counted, and where a time comes from: never from the emulator's clock."""
    if not results:
        return []
    lines = [
        "emulated: the device's own runtime under QEMU. instr (executed instructions of one inference) and peak mem are"
        " counted, not estimated; parity is against this machine."
    ]
    timed = {
        (result.calibrated_on, result.latency.confidence): None
        for result in results
        if result.latency and not result.samples_s
    }
    lines += [
        f"emulated p50 (time through a calibrated constant, not measured): from {rests_on}. The interval should hold "
        f"the device's median in {confidence:.0%} of cases."
        for rests_on, confidence in timed
    ]
    if not timed:
        lines.append("An emulator's clock means nothing, and no constant is calibrated for this: no time is given.")
    return lines
