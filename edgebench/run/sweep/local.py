"""Cells on this machine: a few processes, each with one cell at a time.

A worker that dies (killed, out of memory, a crash in a runtime) takes its own cell with it and no other: the cell is
tried again in a fresh process, and after that it is a failed record. Cells that are measured here run one at a time.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

import msgspec

from edgebench.ground.process import end_with_parent
from edgebench.ground.records import Result
from edgebench.run.resume import Address
from edgebench.run.sweep.cells import SweepCell, failed, run_cell

_TRIES: Final = 2
_decoder: msgspec.json.Decoder[Result] = msgspec.json.Decoder(Result)


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    cell: SweepCell | None = None


class LocalWorkers:
    """Runs cells in `count` processes; exported files go to `artifacts`."""

    def __init__(self, count: int, artifacts: Path) -> None:
        self._count = count
        self._artifacts = artifacts
        self._context = multiprocessing.get_context("spawn")

    def results(self, cells: Iterable[SweepCell]) -> Iterator[tuple[SweepCell, Result]]:
        """Yields each cell with its record as it ends. Ends the processes when it is closed."""
        queue = deque(cells)
        lost: Counter[Address] = Counter()
        workers = [self._start() for _ in range(min(self._count, len(queue)))]
        try:
            while queue or any(worker.cell for worker in workers):
                _hand_out(queue, workers)
                for place, cell in _ended(workers):
                    record, pipe = None, workers[place].pipe
                    with suppress(EOFError, ConnectionResetError):  # it died without one
                        record = _decoder.decode(pipe.recv_bytes()) if pipe.poll() else None
                    workers[place].cell = None
                    if record is None:
                        _stop(workers[place])
                        workers[place] = self._start()
                        lost[cell.address] += 1
                        if lost[cell.address] < _TRIES:
                            queue.appendleft(cell)
                            continue
                        record = failed(cell, f"its process died {_TRIES} times")
                    yield cell, record
        finally:
            for worker in workers:
                _stop(worker)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, str(self._artifacts), os.getpid()), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)


def _serve(pipe: Connection, artifacts: str, driver: int) -> None:
    """The loop of a worker: a cell in, a record out, until the driver closes the pipe, or is gone."""
    end_with_parent(driver)
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            cell = msgspec.json.decode(pipe.recv_bytes(), type=SweepCell)
            pipe.send_bytes(msgspec.json.encode(run_cell(cell, Path(artifacts))))


def _hand_out(queue: deque[SweepCell], workers: list[_Worker]) -> None:
    """Gives idle workers the next cells; of the cells that are timed on one machine only one runs at a time."""
    for worker in workers:
        if worker.cell is not None:
            continue
        taken = {each.cell.place for each in workers if each.cell is not None}
        cell = next((each for each in queue if each.place is None or each.place not in taken), None)
        if cell is None:
            return
        queue.remove(cell)
        worker.cell = cell
        with suppress(BrokenPipeError):  # it has died since: its end is noticed like that of any other
            worker.pipe.send_bytes(msgspec.json.encode(cell))


def _ended(workers: list[_Worker]) -> list[tuple[int, SweepCell]]:
    """Waits until a busy worker has answered or died, and returns those that have, by place."""
    busy = [worker for worker in workers if worker.cell is not None]
    ready = wait([worker.pipe for worker in busy] + [worker.process.sentinel for worker in busy])
    return [
        (place, worker.cell)
        for place, worker in enumerate(workers)
        if worker.cell is not None and (worker.pipe in ready or worker.process.sentinel in ready)
    ]


def _stop(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.terminate()
    worker.process.join()
