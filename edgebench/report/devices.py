"""What is shown of devices: profiles, emulators, what a connected board said, calibrations and how far they are off."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypedDict

from rich.text import Text

from edgebench.estimate import validation as estimates
from edgebench.estimate.validation import Line
from edgebench.ground.units import show_bytes, show_memory, show_seconds
from edgebench.places.emulator.readiness import Check, Readiness
from edgebench.report.tables import Fitting, concerned, plain
from edgebench.run.boards import Answer
from edgebench.run.capabilities import capabilities

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgebench.estimate.validation import Check as Unseen
    from edgebench.estimate.validation import Reached, Validation
    from edgebench.machines.profiles import Calibration, DeviceProfile
    from edgebench.run.calibrate import Calibrated

Checked = Answer | Check

LEGEND: Final = (
    "median, p90 (90th percentile): |estimate / published - 1| of networks of a new design, on devices of which as much"
    " is known. coverage: published figures inside the 90% interval, which spans interval times up and down."
)


def device(profile: DeviceProfile) -> list[RenderableType]:
    """One device in full: facts, what can be measured or estimated, sources."""
    cpu = f"{profile.cpu.cores}x {profile.cpu.core}, {_clock(profile) or 'unknown'}, {profile.cpu.isa}"
    others: dict[str, str] = {each.kind: each.title for each in profile.processors}
    memory = show_memory(profile.memory_bytes)
    facts = _facts({"cpu": cpu, **others, "memory": memory}, f"{profile.title} ({profile.name})")
    words = ("runtime", "precision", "measured", "estimated")
    able = plain("Runtimes", *words[:2], "threads", *words[2:], "median error", left=words)
    for each in capabilities(profile):
        able.add_row(
            each.runtime,
            each.precision,
            str(each.threads) if each.processor == "cpu" else each.processor,
            "yes" if each.measured else "no",
            "yes" if each.estimated else "no",
            f"{each.error:.0%}" if each.error is not None else "-",
        )
    sources = plain("Sources", "field", "source", left=("field", "source"), prose=("source",))
    for source in profile.sources:
        sources.add_row(source.field, Text(source.source))
    return [facts, Text(), able, Text(), sources]


def _clock(profile: DeviceProfile) -> str:
    return f"{profile.cpu.clock_hz / 1e9:.2f} GHz" if profile.cpu.clock_hz else ""


def _facts(values: Mapping[str, str], title: str | None = None) -> Fitting:
    """Names and values below one another, without a header."""
    table = plain(title, "", "", left=("",))
    table.show_header = False
    for name, value in values.items():
        table.add_row(name, Text(value))
    return table


def connected(answer: Answer) -> list[RenderableType]:
    """A connected board, its runtimes, and what would disturb a measurement there now."""
    values = {
        "reached": f"over {answer.via}",
        "cpu": f"{answer.cores}x {answer.cpu or 'unknown'} ({answer.machine})",
        "memory": f"{show_bytes(answer.available_bytes)} of {show_bytes(answer.memory_bytes)} available",
        "disk": f"{show_bytes(answer.free_disk_bytes)} free",
        "python": answer.python,
        "governor": answer.governor or "not told",
        "temperature": f"{answer.temperature_c:.0f} °C" if answer.temperature_c is not None else "not told",
        "throttled": "not told" if answer.throttled is None else f"{answer.throttled:#x}",
    }
    values |= {each.runtime: each.version or f"does not start: {each.reason}" for each in answer.engines}
    return [_facts(values), *map(Text, answer.doubts)]


def emulators(readiness: Sequence[Readiness]) -> Fitting:
    """One row a device: the core, what emulates it, and whether it is set up."""
    columns = ("device", "core", "emulated as", "bundle", "note")
    table = plain(None, *columns, left=columns, prose=("note",))
    for each in readiness:
        state = "-" if each.qemu_cpu is None else "ready" if each.ready else "not set up"
        table.add_row(each.name, each.core, each.qemu_cpu or "-", state, Text(each.note or each.reason))
    return table


def emulator(readiness: Readiness) -> list[RenderableType]:
    """One device's emulator in full, and the command to go on with."""
    if readiness.qemu_cpu is None:
        return [Text(f"emulated: no. {readiness.reason}")]
    lines = [f"emulated as: {readiness.qemu_cpu}" + (f" ({readiness.note})" if readiness.note else "")]
    if readiness.ready:
        size, seconds = show_bytes(readiness.size_bytes), f"{readiness.setup_s:.0f} s"
        lines.append(f"bundle: {readiness.bundle}, {size}, built in {seconds}")
    else:
        lines.append(f"bundle: not set up; make it with: edgebench device setup {readiness.name}")
    return [Text("\n".join(lines))]


def emulator_check(check: Check) -> list[RenderableType]:
    """What the guest of an emulator said of itself."""
    facts = _facts({"machine": check.machine, "python": check.python, **check.versions, "qemu": check.qemu})
    counts = "yes" if check.counts else f"no: {check.reason}"
    return [
        facts,
        Text(f"{check.name} works as {check.qemu_cpu}; instruction counts: {counts} ({check.seconds:.1f} s)"),
    ]


def calibrated(made: Calibrated) -> list[RenderableType]:
    """What `edgebench device calibrate` made: every calibration with its error, and what gave no figure."""
    name = made.device.name
    left_out = [Text(f"! left out: {sentence}") for sentence in made.left_out]
    left_out += [Text(_narrowed(before, each)) for before, each in zip(made.before, made.calibrations, strict=True)]
    closing = Text(f"wrote {made.path}: `edgebench profile --device {name} --via estimate` reads it")
    lines = _calibrations([estimates.line(name, each) for each in made.calibrations])
    return [*lines, *left_out, closing, Text(LEGEND, style="dim")]


def _narrowed(before: Calibration | None, after: Calibration) -> str:
    """How wide the 90% interval was, and is."""
    was = f"{math.exp(before.spread):.2f}x" if before else "none"
    cell = f"{after.runtime} {after.precision} x{after.threads}"
    return f"{cell}: the 90% interval spans {math.exp(after.spread):.2f}x up and down; before: {was}"


class CalibratedRow(TypedDict):
    """What calibrating a device made."""

    device: str
    path: str
    calibrations: list[Line]
    left_out: list[str]


def calibrated_row(made: Calibrated) -> CalibratedRow:
    """The same for `--json`."""
    name = made.device.name
    lines = [estimates.line(name, each) for each in made.calibrations]
    return {"device": name, "path": str(made.path), "calibrations": lines, "left_out": list(made.left_out)}


def reached(found: Sequence[Reached]) -> list[RenderableType]:
    """Every goal of the estimates beside what leaving figures out of the fit tells."""
    columns = ("case", "prec", "rows", "median", "goal", "p90", "goal", "coverage", "interval")
    table = plain(
        "Estimates on figures that the fit has not seen", *columns, left=columns[:2], spare=("rows",), prose=("case",)
    )
    for each in found:
        goals = ["-" if goal is None else f"{goal:.1%}" for goal in (each.goal_median, each.goal_p90)]
        figures = (f"{each.median:.1%}", goals[0], f"{each.p90:.0%}", goals[1])
        table.add_row(
            each.case, each.precision, str(each.rows), *figures, f"{each.coverage:.0%}", f"{each.interval:.2f}x"
        )
    legend = "median, p90 (90th percentile): |estimate / published - 1|; the interval spans interval times up and down"
    return [table, Text(legend, style="dim")]


def validation(found: Validation) -> list[RenderableType]:
    """How far estimates are off: three tables and what their columns mean; without published rows a sentence."""
    if not found.calibrations:
        return [Text(f"Nothing near {found.device} is known, so nothing was validated.")]
    blocks = _calibrations(found.calibrations)
    if found.counted:
        columns = ("runtime", "prec", "networks", "median", "worst", "cycles")
        table = plain("From counted instructions, 1 thread", *columns, left=columns[:2])
        for each in found.counted:
            cycles = ", ".join(f"{name} {value:.3g}" for name, value in each.cycles.items())
            figures = (str(each.networks), f"{each.median:.1%}", f"{each.worst:.0%}", cycles)
            table.add_row(each.runtime, each.precision, *figures)
        blocks += [Text(), table]
    if found.unseen and found.tally:
        tally = found.tally
        closing = (
            f"{tally.rows} published figures that no fit has read: off by {tally.median:.1%} (median), "
            f"{tally.worst:.0%} (worst); {tally.coverage:.0%} lie inside the interval."
        )
        blocks += [Text(), _unseen(found.unseen), Text(closing)]
    else:
        blocks += [Text(), Text("No published figure was kept from the fits for this device.")]
    return [*blocks, Text(LEGEND, style="dim")]


def _calibrations(lines: Sequence[Line]) -> list[RenderableType]:
    """A row a calibration, with its error on networks of a new design, and what it rests on."""
    columns = ("runtime", "prec", "thr", "rows", "networks", "median", "p90", "coverage", "interval")
    table = plain("Estimated from the graph", *columns, left=columns[:2])
    for line in lines:
        table.add_row(
            line.runtime,
            line.precision,
            str(line.threads),
            str(line.rows),
            str(line.networks),
            f"{line.median:.1%}",
            f"{line.p90:.0%}",
            f"{line.coverage:.0%}",
            f"{line.interval:.2f}x",
        )
    cells = [(f"{line.runtime} {line.precision} x{line.threads}", [line.note] if line.note else []) for line in lines]
    return [table, *(Text(f"{', '.join(names)}: {note}", style="dim") for note, names in concerned(cells).items())]


def _unseen(checks: Sequence[Unseen]) -> Fitting:
    columns = ("runtime", "prec", "network", "thr", "published", "estimate", "interval", "error", "inside")
    table = plain("Published, and read by no fit", *columns, left=columns[:3])
    for check in checks:
        table.add_row(
            check.runtime,
            check.precision,
            check.network,
            str(check.threads),
            show_seconds(check.published_s),
            show_seconds(check.estimate_s),
            f"{show_seconds(check.low_s)} to {show_seconds(check.high_s)}",
            f"{check.error:+.1%}",
            "yes" if check.inside else "no",
        )
    return table
