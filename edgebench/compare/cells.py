"""Which result of the one side belongs to which of the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from edgebench.compare.differences import threads
from edgebench.compare.records import Cell
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Measurement, Result


@dataclass(frozen=True)
class Pair:
    """The newest results of one cell on both sides; None where a side has none."""

    cell: Cell
    base: Result | None
    new: Result | None


def cell_of(result: Result) -> Cell:
    """The cell that a result belongs to."""
    return Cell(
        model=result.model.key,
        export=result.export.key,
        device=result.device,
        runtime=result.runtime,
        threads=threads(result),
        batch=result.scenario.batch if isinstance(result, Measurement) else 1,
        provenance=result.provenance,
    )


def newest(results: Iterable[Result]) -> dict[Cell, Result]:
    """The newest result of each cell, in the order in which the cells first appear."""
    found: dict[Cell, Result] = {}
    for result in results:
        cell = cell_of(result)
        if cell not in found or when(result) >= when(found[cell]):
            found[cell] = result
    return found


def when(result: Result) -> datetime:
    """When a result was taken; without a zone it counts as UTC. UsageError when that is no time."""
    try:
        time = datetime.fromisoformat(result.time)
    except ValueError as error:
        raise UsageError(f"record {result.id} has the time '{result.time}', which is not an ISO 8601 time") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def pairs(base: Sequence[Result], new: Sequence[Result], names: tuple[str, str]) -> list[Pair]:
    """Pairs the newest results of each cell, those of the base first.

    A file that one side has on another device, runtime or thread count, or measured in another way, is paired with its
    only counterpart, so that the difference can be named. Raises UsageError when the sides have no file in common.
    """
    here, there = newest(base), newest(new)
    _check_shared(here, there, names)
    moved = _moved([cell for cell in here if cell not in there], [cell for cell in there if cell not in here])
    found = [Pair(cell, result, there.get(moved.get(cell, cell))) for cell, result in here.items()]
    taken = {*here, *moved.values()}
    return [*found, *(Pair(cell, None, result) for cell, result in there.items() if cell not in taken)]


def _moved(here: Sequence[Cell], there: Sequence[Cell]) -> dict[Cell, Cell]:
    """Unmatched cells of one file whose counterpart is unambiguous."""
    found = {}
    for cell in here:
        alike = [[other for other in side if _file(other) == _file(cell)] for side in (here, there)]
        if len(alike[0]) == len(alike[1]) == 1:
            found[cell] = alike[1][0]
    return found


def _file(cell: Cell) -> tuple[str, str]:
    return cell.model, cell.export


def _check_shared(here: Iterable[Cell], there: Iterable[Cell], names: tuple[str, str]) -> None:
    if {_file(cell) for cell in here} & {_file(cell) for cell in there}:
        return
    listed = [_some(sorted({" ".join(_file(cell)) for cell in side})) for side in (here, there)]
    raise UsageError(
        f"{names[0]} and {names[1]} have no file in common: the first holds {listed[0]}, the second {listed[1]}; "
        "profile the same models, formats and precisions, or name another baseline"
    )


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
