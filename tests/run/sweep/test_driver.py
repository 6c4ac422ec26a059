"""Sweeps on local processes: each cell once, whatever is killed."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edgebench.ground import store
from edgebench.ground.errors import UsageError
from edgebench.ground.progress import Step
from edgebench.run.mode import Mode
from edgebench.run.resume import address_of
from edgebench.run.sweep import SweepCell, run
from edgebench.run.sweep.local import LocalWorkers

Make = Callable[..., list[SweepCell]]

DRIVER = """
import sys, msgspec
from pathlib import Path
from edgebench.run.sweep import SweepCell, run
from edgebench.run.sweep.local import LocalWorkers
if __name__ == "__main__":
    cells = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=list[SweepCell])
    run(cells, LocalWorkers(2, Path(sys.argv[2]) / "files"), Path(sys.argv[2]) / "results")
"""


def workers(folder: Path) -> LocalWorkers:
    return LocalWorkers(2, folder / "files")


def recorded(folder: Path) -> Counter[str]:
    path = folder / "results"
    return Counter(address_of(record) for record in store.read(path)) if path.is_dir() else Counter()


def test_every_cell_is_run_once_and_only_once(pretend: Make, tmp_path: Path) -> None:
    cells, steps = pretend(12), []
    assert run(cells, workers(tmp_path), tmp_path / "results", on_progress=steps.append) == 12
    assert recorded(tmp_path) == Counter(cell.address for cell in cells)
    assert isinstance(steps[-1], Step) and steps[-1].done == steps[-1].total == 12
    assert run(cells, workers(tmp_path), tmp_path / "results") == 0


def test_a_cell_that_kills_its_process_costs_itself_only(pretend: Make, tmp_path: Path) -> None:
    cells = pretend(6, dies=(2,))
    assert run(cells, workers(tmp_path), tmp_path / "results") == 6
    failed = [record for record in store.read(tmp_path / "results") if record.status == "failed"]
    assert [address_of(record) for record in failed] == [cells[2].address]
    assert failed[0].error == "its process died 2 times"
    assert run(cells, workers(tmp_path), tmp_path / "results") == 0
    assert run(cells, workers(tmp_path), tmp_path / "results", retry_failed=True) == 1


def test_a_worker_killed_from_outside_has_its_cell_run_again(pretend: Make, tmp_path: Path) -> None:
    cells, killed = pretend(6, seconds=0.4), []

    def kill_once(step: Step) -> None:
        import multiprocessing

        if step.done == 1 and not killed:
            victim = multiprocessing.active_children()[0]
            killed.append(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)

    assert run(cells, workers(tmp_path), tmp_path / "results", on_progress=kill_once) == 6
    assert killed
    assert recorded(tmp_path) == Counter(cell.address for cell in cells)
    assert {record.status for record in store.read(tmp_path / "results")} == {"ok"}


def test_a_killed_driver_is_resumed_with_the_missing_cells_only(pretend: Make, tmp_path: Path) -> None:
    cells = pretend(16, seconds=0.25)
    (tmp_path / "cells.json").write_bytes(msgspec.json.encode(cells))
    (tmp_path / "driver.py").write_text(DRIVER)
    driver = subprocess.Popen(
        [sys.executable, str(tmp_path / "driver.py"), str(tmp_path / "cells.json"), str(tmp_path)]
    )
    deadline = time.monotonic() + 60
    while sum(recorded(tmp_path).values()) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    before = sum(recorded(tmp_path).values())
    assert 4 <= before < 16
    assert run(cells, workers(tmp_path), tmp_path / "results") == 16 - before
    assert recorded(tmp_path) == Counter(cell.address for cell in cells)


def test_cells_measured_here_run_one_at_a_time(pretend: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.run.sweep import local

    given: list[SweepCell] = []

    class Pipe:
        def send_bytes(self, data: bytes) -> None:
            given.append(msgspec.json.decode(data, type=SweepCell))

    idle = [local._Worker(None, Pipe()), local._Worker(None, Pipe()), local._Worker(None, Pipe())]
    measured = [msgspec.structs.replace(cell, mode=Mode.MEASURE) for cell in pretend(2)]
    queue = local.deque([*measured, *pretend(2)])
    local._hand_out(queue, idle)
    assert [cell.mode for cell in given] == [Mode.MEASURE, Mode.PRETEND, Mode.PRETEND]
    assert list(queue) == [measured[1]]


def test_results_that_cannot_be_written_are_refused_before_any_work(pretend: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write results"):
        run(pretend(2), workers(tmp_path), tmp_path / "file")
