"""Which result of one side belongs to which of the other, and what the two do not share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import asdict

from edgebench.compare.metrics import CONDITIONS
from edgebench.compare.records import Cell, Difference
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Result


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
        threads=result.threads,
        processor=result.processor,
        batch=result.scenario.batch if result.scenario else 1,
        provenance=result.provenance,
    )


def newest(results: Iterable[Result]) -> dict[Cell, Result]:
    """The newest result of each cell, in the order in which the cells first appear."""
    latest: dict[Cell, Result] = {}
    for result in results:
        cell = cell_of(result)
        if cell not in latest or when(result) >= when(latest[cell]):
            latest[cell] = result
    return latest


def when(result: Result) -> datetime:
    """When a result was taken. Raises UsageError when that is no time."""
    return moment(result.time, f"record {result.id}")


def moment(text: str, what: str) -> datetime:
    """An ISO 8601 time, which without a zone counts as UTC. Raises UsageError, naming what has it, for another text."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{what} has the time '{text}', which is not an ISO 8601 time") from error
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
        alike, others = ([each for each in side if _file(each) == _file(cell)] for side in (here, there))
        if len(alike) == len(others) == 1:
            found[cell] = others[0]
    return found


def _file(cell: Cell) -> tuple[str, str]:
    return cell.model, cell.export


def _check_shared(here: Iterable[Cell], there: Iterable[Cell], names: tuple[str, str]) -> None:
    files = [sorted({_file(cell) for cell in side}) for side in (here, there)]
    if set(files[0]) & set(files[1]):
        return
    listed = [
        ", ".join(map(" ".join, side[:_NAMED])) + (f" and {len(side) - _NAMED} more" if len(side) > _NAMED else "")
        for side in files
    ]
    raise UsageError(
        f"{names[0]} and {names[1]} have no file in common: the first holds {listed[0]}, the second {listed[1]}; "
        "profile the same models, formats and precisions, or name another baseline"
    )


_NAMED: Final = 5  # files of a side that a message names
UNTOLD: Final = "not told"

# Readings that never repeat exactly: the change that is worth telling, in the reading's unit.
_TOLERANCE: Final = {"load_1m": 0.5, "temperature_c": 5.0, "memory_bytes": 2**29}
_RELATIVE: Final = {"frequency_hz": 0.05, "frequency_max_hz": 0.01}

# Told by a condition of its own already, or not a property of the machine.
_TOLD: Final = ("machine", "threads", "engine version", "readings", "after ", "counted")

# What a difference does to a timing, and what to do about it; the start of a name decides.
EXPLANATIONS: Final = {
    "provenance": "a clock, an emulator and an estimate are three kinds of number; compare like with like",
    "device": "another device; measure both sides on one",
    "machine": "another machine, so times differ for reasons that are not the code's; measure the base here too",
    "runtime version": "another version of the runtime has other kernels; install the same one on both sides",
    "runtime": "another runtime; measure both sides with one",
    "threads": "another number of threads; give both sides the same --threads",
    "artifact": "another model file was run; when that is the change you want to judge, add --allow artifact",
    "calibration": "the estimates come from different fits; estimate both sides with one version of edgebench",
    "dataset": "accuracies on other images are other numbers; evaluate both sides on the same",
    "cpu": "another processor",
    "cores": "another number of cores; with fewer, other work gets in the way more often",
    "affinity": "another number of cores was allowed to the process",
    "governor": "the clock follows another policy; set the same governor on both sides (performance is steadiest)",
    "frequency": "the clock ran at another speed; throttling or a power limit",
    "temperature": "a warmer chip may throttle; let it cool down first",
    "throttled": "the board cut its clock for heat or voltage; its times are not the code's",
    "load": "other work was running; measure on an idle machine",
    "kernel": "another kernel schedules, and mitigates CPU faults, in its own way",
    "os": "another system with other libraries",
    "architecture": "another instruction set",
    "memory": "another amount of memory",
    "python": "another Python; it starts the runtime but does not take part in inference",
    "versions": "another version of a library",
    "engine": "the runtime ran another share of the network on its fast kernels",
    "commit": "the code that is compared",
    "scenario": "measured in another way; use the same options of `edgebench profile` on both sides",
}


def differences(base: Result, new: Result) -> tuple[Difference, ...]:
    """All differences between two results, the decisive ones first."""
    sides: list[tuple[str, object, object]] = [
        (name, here, there)
        for name in CONDITIONS
        if (here := _condition(base, name)) != (there := _condition(new, name))
    ]
    if base.scenario is not None and new.scenario is not None:
        here, there = dict(_flat(base.environment)), dict(_flat(new.environment))
        sides += [
            (name, here.get(name), there.get(name))
            for name in dict.fromkeys((*here, *there))
            if not name.startswith(_TOLD) and _tells(name, here.get(name), there.get(name))
        ]
        methods = zip(asdict(base.scenario).items(), asdict(new.scenario).values(), strict=True)
        sides += [(f"scenario {name}", a, b) for (name, a), b in methods if a != b and name != "threads"]
    found = [Difference(name=n, base=_show(a), new=_show(b), decisive=n in CONDITIONS) for n, a, b in sides]
    return tuple(sorted(found, key=lambda difference: not difference.decisive))


def explain(difference: Difference) -> str:
    """What this difference does to a timing, or an empty string when nobody knows."""
    return next((text for name, text in EXPLANATIONS.items() if difference.name.startswith(name)), "")


def _condition(result: Result, name: str) -> object:
    """The value of a condition; two unknown ones do not differ."""
    if name == "artifact":
        return result.artifact_sha256[:12] if result.artifact_sha256 else None
    if name == "dataset":
        return result.accuracy and f"{result.accuracy.dataset} {result.accuracy.dataset_identity}"
    if name == "calibration":
        return None if result.scenario else result.calibrated_on
    if name == "machine":
        if result.provenance != "measured":  # emulated and estimated results do not depend on it
            return None
        identity, cpu = result.environment.get("machine"), result.environment.get("cpu")
        return " ".join(str(part) for part in (identity, f"({cpu})" if cpu else None) if part) or None
    return getattr(result, name.replace(" ", "_"))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Nested environment keys as "versions numpy"; lists as one value."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", value


def _tells(name: str, base: object, new: object) -> bool:
    """Whether a difference is worth a line: more than the reading's own unrest."""
    if isinstance(base, int | float) and isinstance(new, int | float):
        absolute = _TOLERANCE.get(name, 0.0)
        return not math.isclose(base, new, rel_tol=_RELATIVE.get(name, 0.0), abs_tol=absolute)
    return base != new


def _show(value: object) -> str:
    if value is None or value == "":
        return UNTOLD
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
