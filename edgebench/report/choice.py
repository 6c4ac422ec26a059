"""The answer of `edgebench scale` for people: the pick, its ties, what comes next; with `--explain` the reasons."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from edgebench.choose.answer import compared
from edgebench.choose.budget import SHOW
from edgebench.choose.learning import Learned
from edgebench.choose.lines import ALONE, Scaled
from edgebench.choose.records import Choice, Point
from edgebench.ground.errors import MissingPackage, UsageError
from edgebench.ground.paths import write_atomically
from edgebench.ground.units import show_bytes, show_count, show_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = ("", "network", "known as", "file", "thr", "top-1 (expected)", "latency", "peak mem", "size", "MACs")
TEXT = ("", "network", "known as", "file", "why")


def summary(choice: Choice) -> list[RenderableType]:
    """The pick with its ties and the next better one, the room that is left, and what to know."""
    table = _table(f"{choice.family} on {choice.device}: best of {choice.candidates:,} networks", *COLUMNS)
    table.add_row(*row("pick", choice.picked), style="bold")
    for tie in choice.ties:
        table.add_row(*row("tie", tie))
    if choice.upgrade is not None:
        table.add_row(*row("next", choice.upgrade), style="dim")
    return [table, *(Text(remark) for remark in remarks(choice))]


def remarks(choice: Choice) -> list[str]:
    """What is to be said of the pick beside its numbers: room, ties, the next better one, the file, warnings."""
    said = [_room(choice)]
    said += [f"tie: {tie.model.key} is {compared(tie, choice.picked)}" for tie in choice.ties]
    if choice.upgrade is not None:
        said.append(f"next: {choice.upgrade.model.key} is {compared(choice.upgrade, choice.picked)}")
    if choice.picked.path:
        said.append(f"file: {choice.picked.path} (run and compared with PyTorch)")
    if choice.learned is not None:
        said.append(_learned(choice.learned))
    return [*said, *(f"! {note}" for note in dict.fromkeys((*choice.picked.warnings, *choice.warnings)))]


def _learned(learned: Learned) -> str:
    best = max(learned.trainings, key=lambda each: (each.rung, each.accuracy))
    networks = len({each.model.key for each in learned.trainings})
    return (
        f"learned on {learned.data} from {len(learned.trainings)} trainings of {networks} networks: offset "
        f"{learned.offset:+.2f} and slope {learned.slope:.2f} in logit, +-{learned.spread:.2f}; the best, "
        f"{best.model.key}, reached {best.accuracy:.1f}% in {best.epochs} epochs"
    )


def explanation(choice: Choice) -> list[RenderableType]:
    """Why each published network and each near miss lost, and the frontier that the pick was made from."""
    lost = _table("Why the others lost", *COLUMNS[1:], "why")
    for each in choice.rejected:
        lost.add_row(*row("", each.point)[1:], "; ".join(each.reasons))
    frontier = _table("Frontier: more accuracy takes more time or more memory", *COLUMNS[1:])
    for point in choice.frontier:
        frontier.add_row(*row("", point)[1:], style="bold" if point.model == choice.picked.model else "")
    recipes = ", ".join(f"{kin}: {recipe}" for kin, recipe in choice.recipes.items())
    return [
        Text(),
        lost,
        Text(),
        frontier,
        Text(f"trainings that accuracies are expected from: {recipes}", style="dim"),
    ]


def scaling(found: Mapping[str, Scaled]) -> list[RenderableType]:
    """Ways to spend the pick's latency, one axis alone, the paper's line, and the best that was found."""
    if not found:
        return []
    columns = ("", "alpha (depth)", "beta (width)", "gamma (resolution)", "phi", "network", "time", "top-1 (expected)")
    table = _table("Ways to scale the base network to the pick's estimated latency", *columns)
    for name, each in found.items():
        line, point = each.line, f"w{each.width:g} d{each.depth:.3g} r{each.resolution}"
        factors = (f"{line.alpha:.2f}", f"{line.beta:.2f}", f"{line.gamma:.2f}", f"{each.phi:+.1f}")
        title = f"{name} alone" if name in ALONE else name
        table.add_row(title, *factors, point, f"x{each.cost:.2f}", f"{each.accuracy:.1f}%")
    return [Text(), table]


def _room(choice: Choice) -> str:
    parts = [
        f"{each.name} {SHOW[each.name](each.value)} of {SHOW[each.name](each.limit)} ({each.left:.0%} left)"
        for each in choice.headroom
    ]
    return f"room: {', '.join(parts)}"


def row(mark: str, point: Point) -> Sequence[str]:
    """One point's cells, in the order of COLUMNS."""
    latency, accuracy = point.latency_s, point.accuracy
    mark_of_guess = " extrapolated" if point.extrapolated else ""
    return (
        mark,
        point.model.key,
        point.origin or "-",
        point.export.key,
        str(point.threads),
        f"{accuracy.value:.1f}% ({accuracy.low:.1f}-{accuracy.high:.1f}){mark_of_guess}",
        f"{show_seconds(latency.value)} ({show_seconds(latency.low)}-{show_seconds(latency.high)}) {point.provenance}",
        f"{show_bytes(point.peak_memory_bytes)} {point.memory_provenance if point.peak_memory_bytes else ''}".rstrip(),
        show_bytes(point.size_bytes),
        show_count(point.macs),
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column in TEXT else "right", overflow="fold")
    return table


def save(choice: Choice, folder: Path) -> list[Path]:
    """Writes choice.json, frontier.png and frontier.svg into `folder`; without altair only the first, with a warning.

    Raises UsageError when the folder cannot be written to.
    """
    import msgspec

    from edgebench.report import choice_plot

    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "choice.json"
        write_atomically(path, msgspec.json.format(msgspec.json.encode(choice), indent=2) + b"\n")
        return [path, *choice_plot.save(choice, folder)]
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}; name another folder with -o") from error
    except MissingPackage as error:
        print(f"edgebench: no picture of the frontier: {error}", file=sys.stderr)
        return [path]
