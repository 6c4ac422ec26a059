"""The worker's pass for an emulated device: marked inferences, their outputs, and the guest's own memory.

Started as `python guest.py`, with a job on standard input as worker.py describes, and three things more: "input" and
"output" name .npy files, both with two arrays along the first axis, and "runs" how often the second input is run.

    first input once     second input to warm up     second input `runs` times     both outputs written

Each inference runs between two marks; those of the last `runs` count.

With the mode "prefixes" it has "files" instead of an output: each is run a few times, the last between two marks.

Events: import, load, samples (wall time under the emulator, for information only), memory, end. A mark is a system
call that does nothing, so that this pass also runs outside an emulator: there its outputs are the reference.

Uses the standard library, numpy and the engine only, and worker.py beside it in the tree.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

WORKER = Path(__file__).resolve().parents[2] / "measure" / "worker.py"
MARK = 0x5EED0  # known to icount/icount.c
# Python rewrites its own code in the first eight calls, by some 3000 instructions: that shows in small networks, not in
# large ones, whose inference takes longer than this. Processor time: the number of runs must not follow the load.
WARM_RUNS, WARM_S = 10, 0.5
PREFIX_WARM_RUNS = 2
MAPS, SMAPS = Path("/proc/self/maps"), Path("/proc/self/smaps")


def main() -> int:
    """Adds the pass to the worker and runs the job on standard input; returns the exit code."""
    sys.path.pop(0)  # this folder: its modules are not the guest's
    spec = importlib.util.spec_from_file_location("edgebench_worker", WORKER)
    if spec is None or spec.loader is None:
        raise ImportError(f"{WORKER} is not a Python module")
    worker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(worker)
    worker.PASSES["emulated"] = lambda job, wire: emulated(worker, job, wire)
    worker.PASSES["prefixes"] = lambda job, wire: prefixes(worker, job, wire)
    code: int = worker.main()
    return code


def emulated(worker: Any, job: dict[str, Any], wire: Any) -> None:
    """Runs the job's inferences between marks and keeps its outputs."""
    engine, clock = worker.start(job, wire)
    gc.collect()
    resident_peak(worker)
    peaks = {"baseline": resident_peak(worker)}
    before = clock()
    session = worker.load(engine, job)
    wire.send("load", ns=clock() - before, **worker.facts(session))
    peaks["load"] = resident_peak(worker)
    once, repeated = np.load(job["input"])
    gc.collect()
    gc.disable()
    first, _ = marked(session, once)
    peaks["first"] = resident_peak(worker)
    begin = time.process_time()
    marked(session, repeated)
    if time.process_time() - begin < WARM_S:
        for _ in range(WARM_RUNS - 1):
            marked(session, repeated)
    runs = [marked(session, repeated) for _ in range(job["runs"])]
    peaks["steady"] = resident_peak(worker)
    np.save(job["output"], np.stack([first, runs[-1][0]]))
    wire.send("samples", ns=[ns for _, ns in runs])
    wire.send("memory", peaks=peaks)


def prefixes(worker: Any, job: dict[str, Any], wire: Any) -> None:
    """Runs each of the job's files, which are the beginnings of one, until it is warm, and then once between marks."""
    engine, _ = worker.start(job, wire)
    [x, *_] = np.load(job["input"])
    gc.disable()
    for path in job["files"]:
        session = worker.load(engine, {**job, "artifact": path})
        run = session.run_all if getattr(session, "lazy", False) else session.run
        for _ in range(PREFIX_WARM_RUNS):
            run(x)
        mark()
        run(x)
        mark()
    wire.send("samples", ns=[])


def marked(session: Any, x: np.ndarray) -> tuple[np.ndarray, int]:
    """The output of one inference between two marks, and its nanoseconds."""
    before = time.perf_counter_ns()
    mark()
    output = session.run(x)
    mark()
    return output, time.perf_counter_ns() - before


def mark() -> None:
    """Tells the counting plugin that an inference starts or ends: asks for the priority of a process that is not."""
    try:
        os.getpriority(os.PRIO_PROCESS, MARK)
    except ProcessLookupError:
        return


def resident_peak(worker: Any) -> int:
    """The guest's peak resident bytes since the last call.

    The kernel's peak covers the emulator too; what it takes itself, now, is subtracted. That share only grows, so the
    result is the guest's peak or less, and never less than what the guest has now.
    """
    peak: int = worker.status_bytes("VmHWM")
    every, guest = resident(SMAPS.read_text(), MAPS.read_text())
    worker.CLEAR_REFS.write_text("5")
    return peak - (every - guest)


def resident(smaps: str, maps: str) -> tuple[int, int]:
    """Resident bytes of the whole process, and of the ranges that the guest sees as its own in its `maps`."""
    guest = sorted(_ranges(maps))
    total = own = 0
    for area in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", smaps):
        found = re.search(r"^Rss:\s+([0-9]+) kB", area, re.MULTILINE)
        size = int(found[1]) * 1024 if found else 0
        total += size
        start, end = next(_ranges(area), (0, 0))
        if any(start < last and first < end for first, last in guest):
            own += size
    return total, own


def _ranges(text: str) -> Iterator[tuple[int, int]]:
    """The address ranges at the beginnings of lines."""
    for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) ", text, re.MULTILINE):
        yield int(start, 16), int(end, 16)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
