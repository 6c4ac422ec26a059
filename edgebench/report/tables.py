"""Tables for people. Every number says whether it was measured, emulated or estimated, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from edgebench.ground.records import Estimate, Parity, Result
from edgebench.ground.units import show_bytes, show_count, show_memory, show_seconds
from edgebench.report import evaluated, legend, rows
from edgebench.report.overview import point

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from edgebench.machines.diagnosis import Diagnosis
    from edgebench.machines.profiles import DeviceProfile


def plain(title: str | None, *columns: str, left: Sequence[str] = ()) -> Table:
    """A plain table: the columns in `left` are text, all others numbers."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = column not in left
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    return table


def profile(results: Sequence[Result], device: DeviceProfile) -> list[RenderableType]:
    """The profile table and, under it, what its columns mean, the warnings, and how to get a measured number."""
    blocks: list[RenderableType] = [
        _Profile(f"{device.title} ({device.name})", [_profile_row(result) for result in results])
    ]
    blocks += [Text(line, style="dim") for line in legend.lines(results)]
    blocks += [Text(f"! {note}") for note in _notes(results)]
    if any(isinstance(result, Estimate) and result.latency_s for result in results):
        blocks.append(
            Text(
                f"Estimated, not measured: to measure, reach a {device.title} with --connect, or run `edgebench "
                "profile` on it (there it is --device host).",
                style="dim",
            )
        )
    return blocks


Row = dict[str, str]


@dataclass(frozen=True)
class _Profile:
    """The profile table: one where the terminal is wide enough, else one of the timings and one of the files."""

    title: str
    cells: Sequence[Row]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        times, file = _filled(_TIMES, self.cells), [*_filled(_ACCURACY, self.cells), *_FILE]
        whole = self._table(self.title, [*_IDENTITY, *times, *file])
        if console.measure(whole, options=options.update_width(1000)).maximum <= options.max_width:
            yield whole
            return
        yield self._table(self.title, [*_IDENTITY, *times])
        yield Text()
        yield self._table(None, [*_IDENTITY, *file])

    def _table(self, title: str | None, columns: Sequence[str]) -> Table:
        table = plain(title, *columns, left=_WORDS)
        for row in self.cells:
            table.add_row(*(row[column] for column in columns))
        return table


def results(found: Sequence[Result]) -> Table:
    """The profile table alone, for a prompt."""
    rows = result_rows(found)
    table = plain(None, *(rows[0] if rows else ()), left=_WORDS)
    for row in rows:
        table.add_row(*row.values())
    return table


def result_rows(found: Sequence[Result]) -> list[Row]:
    """The profile table's cells by column, without the columns that no row fills."""
    cells = [_profile_row(result) for result in found]
    filled = _filled((*_IDENTITY, *_TIMES, *_ACCURACY, *_FILE), cells)
    return [{name: row[name] for name in filled} for row in cells]


_WORDS = ("model", "point", "format", "prec", "provenance")
_IDENTITY = ("model", "point", "format", "prec", "thr")
_TIMES = ("provenance", "p50", "interval", "p90", "first", "load", "peak mem", "instr")
_ACCURACY = ("top-1", "vs torch")
_FILE = ("size", "params", "MACs", "parity")


def _filled(columns: Sequence[str], cells: Sequence[Row]) -> list[str]:
    """The columns that some row fills."""
    return [name for name in columns if any(row[name] != "-" for row in cells)]


def _profile_row(result: Result) -> Row:
    row = rows.profile(result)
    times = row["latency_s"]
    return {
        "model": result.model.name,
        "point": point(result.model),
        "format": result.export.format,
        "prec": result.export.precision,
        "thr": str(row["threads"]),
        "provenance": result.provenance if result.status == "ok" else result.status.upper(),
        "p50": show_seconds(times["median"]),
        "interval": _interval(times["low"], times["high"]),
        "p90": _refused(times["p90"], result),
        "first": show_seconds(row["first_s"]),
        "load": show_seconds(row["load_s"]),
        "peak mem": show_bytes(result.peak_memory_bytes),
        "instr": show_count(row["instructions"]),
        "top-1": evaluated.top1(result.accuracy),
        "vs torch": evaluated.points(result.accuracy),
        "size": show_bytes(result.size_bytes),
        "params": show_count(result.parameters),
        "MACs": show_count(result.macs),
        "parity": _parity(result.parity),
    }


def _interval(low: float | None, high: float | None) -> str:
    """61.1-88.1 ms; both units where they differ: 82.1 us-1.50 ms."""
    if low is None or high is None:
        return "-"
    (number, _, unit), end = show_seconds(low).partition(" "), show_seconds(high)
    return f"{number}-{end}" if end.endswith(f" {unit}") else f"{number} {unit}-{end}"


def _refused(value: float | None, result: Result) -> str:
    """A percentile, or the reason for its absence in two words."""
    if value is not None or isinstance(result, Estimate) or not result.latency_s:
        return show_seconds(value)
    return "needs runs"


def _parity(parity: Parity | None) -> str:
    return "-" if parity is None else f"{parity.range_error:.0e}" if parity.max_abs_error else "0"


def _notes(results: Sequence[Result]) -> list[str]:
    """Warnings and errors, each once, with the rows that it concerns."""
    concerned: dict[str, list[str]] = {}
    for result in results:
        name = f"{result.model.name} {result.export.format} {result.export.precision}"
        for note in (*result.warnings, *([result.error] if result.error else [])):
            concerned.setdefault(note, []).append(name)
    everywhere = len(results) > 1
    return [
        note if everywhere and len(names) == len(results) else f"{', '.join(names)}: {note}"
        for note, names in concerned.items()
    ]


def device(profile: DeviceProfile) -> list[RenderableType]:
    """One device in full: facts, what can be measured or estimated, sources."""
    from edgebench.machines.profiles import capabilities

    facts = plain(f"{profile.title} ({profile.name})", "", "", left=("",))
    facts.show_header = False
    clock = f"{profile.cpu.clock_hz / 1e9:.2f} GHz" if profile.cpu.clock_hz else "unknown"
    facts.add_row("cpu", f"{profile.cpu.cores}x {profile.cpu.core}, {clock}, {profile.cpu.isa}")
    facts.add_row("memory", show_memory(profile.memory_bytes))
    able = plain("Runtimes", "runtime", "precision", "threads", "measured", "estimated", "median error",
                  left=("runtime", "precision", "measured", "estimated"))  # fmt: skip
    for each in capabilities(profile):
        able.add_row(
            each.runtime,
            each.precision,
            str(each.threads),
            "yes" if each.measured else "no",
            "yes" if each.estimated else "no",
            f"{each.error:.0%}" if each.error is not None else "-",
        )
    sources = plain("Sources", "field", "source", left=("field", "source"))
    for source in profile.sources:
        sources.add_row(source.field, Text(source.source))
    return [facts, Text(), able, Text(), sources]


def diagnosis(found: Diagnosis) -> list[RenderableType]:
    """The doctor's tables: packages, commands, disturbances."""
    packages = plain("Installed", "package", "version", "for", left=("package", "version", "for"))
    for package in found.packages:
        packages.add_row(package.name, package.version or f"missing: {package.install}", package.purpose)
    commands = plain("Commands", "command", "here", left=("command", "here"))
    for ability in found.abilities:
        commands.add_row(ability.command, ability.here)
    disturbances = [Text("! " + line) for line in found.disturbances] or [Text("Nothing that would disturb timings.")]
    return [packages, Text(), commands, Text(), Text("Timing", style="bold"), *disturbances]
