"""The driver: finds the cells that are missing, hands them to workers, and alone appends what comes back.

A cell is done when a record of it is in the results. So whatever is interrupted or killed, the next run does the
missing cells, none twice and none lost: a worker's record that was not appended is simply produced again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, get_args

from edgebench.ground import store
from edgebench.ground.progress import OnProgress, Step, silent
from edgebench.ground.records import Result, Status
from edgebench.run import resume
from edgebench.run.sweep.cells import SweepCell


class Workers(Protocol):
    """A place that runs cells: local processes, or a cluster."""

    def results(self, cells: Iterable[SweepCell]) -> Iterator[tuple[SweepCell, Result]]:
        """Yields each cell with its record as it ends, in any order; a cell that kills its workers has a failed one."""


def missing(cells: Sequence[SweepCell], results: Path, *, retry_failed: bool = False) -> list[SweepCell]:
    """The cells without a record in `results`, or, with `retry_failed`, without one that is not "failed"."""
    stored = resume.every(sorted({results / cell.device for cell in cells}))
    done: tuple[Status, ...] = ("ok", "invalid", "skipped") if retry_failed else get_args(Status)
    return [cell for cell in cells if stored.find(cell.address, of_a_file=cell.files, statuses=done) is None]


def run(
    cells: Sequence[SweepCell],
    workers: Workers,
    results: Path,
    *,
    retry_failed: bool = False,
    on_progress: OnProgress = silent,
) -> int:
    """Runs the missing cells and returns how many were run; each is in `results`/<device>/ when the next is waited for.

    Raises UsageError when `results` cannot be written to.
    """
    for device in sorted({cell.device for cell in cells}):
        store.check_writable(results / device)
    todo = missing(cells, results, retry_failed=retry_failed)
    before = len(cells) - len(todo)
    on_progress(Step(before, len(cells), f"{before} of {len(cells)} cells are done"))
    run_id: str | None = None
    for number, (cell, record) in enumerate(workers.results(todo), 1):
        run_id = run_id or f"sweep-{record.id}"
        store.append(results / cell.device, record, run=run_id)
        on_progress(Step(before + number, len(cells), cell.title, record.error or ""))
    return len(todo)
