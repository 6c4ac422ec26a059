"""What runs on the device, in a fresh process per repeat: `python worker.py`, a job in, events out.

A job is one JSON object on standard input:

    {"engine": "…/runtimes/litert.py", "artifact": "…/model.tflite", "mode": "latency" | "memory" | "outputs",
     "process": 0, "clock": "monotonic" | "engine", "scenario": {…the fields of records.Scenario…}}

For "outputs", "input" names a .npy file: inputs in the file's own layout and dtype, along a first axis.

Events are JSON lines on standard output, in this order, and the process ends after "end" or "error":

    latency: import, load, first, warm, samples, end        memory: import, load, memory, end
    outputs: import, load, outputs for each input, end

What a sample covers: the whole call `session.run(x)`, that is copying the input in, inference, and reading the output;
not the making of the input. `load` covers the engine's own load of the file, and not the import of the engine, which
is timed apart. Garbage collection is off while samples are taken. The clock is time.perf_counter_ns (CLOCK_MONOTONIC
on Linux); only a job with "clock": "engine" uses the engine's own `clock_ns`, which is how the fake engine runs hours
of scenario in milliseconds.

Uses the standard library, numpy and the engine only, on Python 3.9 or newer: this file is copied to devices.
"""

from __future__ import annotations

import base64
import gc
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.random import default_rng  # here, so that its own 6 MB are in the baseline

# More samples than this per process add megabytes to a record and nothing to its percentiles: above it, every k-th
# run is timed, with k fixed before the first sample.
MOST_SAMPLES = 20_000
MEMORY_RUNS = 3
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")

Clock = Callable[[], int]
Job = dict[str, Any]


class Wire:
    """The way back to the parent. Takes over standard output, so that what an engine prints goes to standard error."""

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self.phase = "start"

    def send(self, event: str, **values: Any) -> None:
        """Writes one event; it is with the parent when this returns."""
        self._out.write(json.dumps({"event": event, **values}) + "\n")
        self._out.flush()
        self.phase = event


def main() -> int:
    """Runs the job on standard input and returns the exit code: 0, or 1 after an "error" event."""
    wire = Wire()
    try:
        job = json.load(sys.stdin)
        os.environ["EDGEBENCH_PROCESS"] = str(job["process"])
        PASSES[job["mode"]](job, wire)
    except Exception as error:  # the boundary: whatever an engine raises is reported to the parent
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        wire.send("error", type=type(error).__name__, message=str(error), missing=missing)
        return 1
    wire.send("end")
    return 0


def latency(job: Job, wire: Wire) -> None:
    """Times load, first inference and steady state, in this order, and sends each as it is known."""
    scenario = job["scenario"]
    engine, clock = start(job, wire)
    before = clock()
    session = load(engine, job)
    wire.send("load", ns=clock() - before, **facts(session))
    x = make_input(session, scenario["seed"])

    before = clock()
    session.run(x)
    wire.send("first", ns=clock() - before)

    def run() -> None:
        session.run(x)

    gc.collect()
    gc.disable()
    most_ns = int(scenario["max_s"] * 1e9)
    warm = repeat(run, clock, runs=scenario["warmup_runs"], least_ns=int(scenario["warmup_s"] * 1e9), most_ns=most_ns)
    wire.send("warm", runs=len(warm), **readings())
    run()  # not timed: the parent wakes for the event and goes back to sleep
    least_ns = int(scenario["min_s"] * 1e9)
    every = stride(warm, least_ns)
    samples = repeat(run, clock, runs=scenario["min_runs"], least_ns=least_ns, most_ns=most_ns, every=every)
    wire.send("samples", ns=samples, timed_every=every, **readings())


def repeat(
    run: Callable[[], None], clock: Clock, *, runs: int, least_ns: int, most_ns: int, every: int = 1
) -> list[int]:
    """Calls `run` until at least `runs` samples AND `least_ns` have passed, or `most_ns` have, and at least once.

    Returns the nanoseconds of every `every`-th call, in time order. None is left out for its value.
    """
    samples: list[int] = []
    begin = clock()
    while True:
        for _ in range(every - 1):
            run()
        before = clock()
        run()
        after = clock()
        samples.append(after - before)
        passed = after - begin
        if passed >= most_ns or (passed >= least_ns and len(samples) >= runs):
            return samples


def stride(warm: list[int], least_ns: int) -> int:
    """Every which run to time, so that `least_ns` of runs as long as `warm` give about MOST_SAMPLES samples."""
    typical = max(statistics.median(warm), 1.0) if warm else float(least_ns)
    return max(1, round(least_ns / typical / MOST_SAMPLES))


def memory(job: Job, wire: Wire) -> None:
    """Sends the peak resident bytes of each phase, or why they cannot be had; the first inference is not the last,
    since a second one can peak higher."""
    engine, clock = start(job, wire)
    gc.collect()
    why_not = resettable()
    peaks = {} if why_not else {"baseline": peak()}
    before = clock()
    session = load(engine, job)
    wire.send("load", ns=clock() - before, **facts(session))
    if why_not is None:
        peaks["load"] = peak()
        x = make_input(session, job["scenario"]["seed"])
        session.run(x)
        peaks["first"] = peak()
        for _ in range(MEMORY_RUNS):
            session.run(x)
        peaks["steady"] = peak()
    wire.send("memory", peaks=peaks, why_not=why_not)


def outputs(job: Job, wire: Wire) -> None:
    """Runs every input once and sends what comes out, bit by bit what the engine gave."""
    engine, clock = start(job, wire)
    before = clock()
    session = load(engine, job)
    wire.send("load", ns=clock() - before, **facts(session))
    for x in np.load(job["input"], mmap_mode="r"):
        found = np.ascontiguousarray(session.run(np.array(x)))
        data = base64.b64encode(found.tobytes()).decode()
        wire.send("outputs", dtype=found.dtype.str, shape=found.shape, data=data)


def peak() -> int:
    """Peak resident bytes since the last call, from VmHWM; starts the next phase by writing 5 to clear_refs.

    Not ru_maxrss: a child inherits its parent's peak there.
    """
    found = status_bytes("VmHWM")
    CLEAR_REFS.write_text("5")
    return found


def resettable() -> str | None:
    """Resets the peak. Returns None, or the reason why this system cannot: then there is no number, not a wrong one."""
    try:
        CLEAR_REFS.write_text("5")
        high, now = status_bytes("VmHWM"), status_bytes("VmRSS")
    except (OSError, ValueError) as error:
        return f"this system has no resettable peak in /proc ({type(error).__name__})"
    slack = now // 20 + (4 << 20)  # resident bytes are counted per core and settle late
    return None if high <= now + slack else "this system does not reset the peak when asked"


def status_bytes(field: str) -> int:
    """One field of /proc/self/status in bytes. Raises OSError without /proc, ValueError without the field."""
    for line in STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise ValueError(f"{STATUS} has no {field}")


def start(job: Job, wire: Wire) -> tuple[Any, Clock]:
    """Imports the engine and says how long that took. Returns it with the clock to measure by."""
    before = time.perf_counter_ns()
    engine = import_engine(job["engine"])
    wire.send("import", ns=time.perf_counter_ns() - before)
    clock: Clock = engine.clock_ns if job["clock"] == "engine" else time.perf_counter_ns
    return engine, clock


def import_engine(path: str) -> Any:
    """Loads an engine's module by path, under a name that cannot hide the engine's own package: onnxruntime.py
    imports onnxruntime."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or ".") != here]
    spec = importlib.util.spec_from_file_location("edgebench_engine_" + Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def load(engine: Any, job: Job) -> Any:
    """Loads the file, for a check where the job says `exact`."""
    load = getattr(engine, "load_exact", engine.load) if job.get("exact") else engine.load
    return load(job["artifact"], job["scenario"]["threads"], job["scenario"]["batch"])


def facts(session: Any) -> dict[str, Any]:
    """What the engine says of itself and the file, once loaded."""
    names = ("version", "inputs", "outputs", "delegates", "delegated_share")
    return {name: getattr(session, name) for name in names}


def make_input(session: Any, seed: int) -> np.ndarray:
    """The same input for the same seed: standard normal for floats, all values alike for integers."""
    random = default_rng(seed)
    shape, dtype = session.inputs[0]["shape"], np.dtype(session.inputs[0]["dtype"])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        whole: np.ndarray = random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
        return whole
    real: np.ndarray = random.standard_normal(shape).astype(dtype)
    return real


def readings() -> dict[str, float | None]:
    """Frequency of the fastest core that this process may use, and the hottest zone, read while the cores are busy."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    paths = [Path(f"/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq") for core in cores]
    zones = Path("/sys/class/thermal").glob("thermal_zone*/temp")
    return {"frequency_hz": highest(paths, 1e3), "temperature_c": highest(zones, 1e-3)}


def highest(paths: Iterable[Path], unit: float) -> float | None:
    """The largest number in files that hold one each, times `unit`; None when none of them can be read."""
    found = []
    for path in paths:
        with suppress(OSError, ValueError):  # a core or zone that is switched off
            found.append(int(path.read_text()) * unit)
    return max(found, default=None)


# By the job's mode. Another file that runs on a device may add its own and call main.
PASSES: dict[str, Callable[[Job, Wire], None]] = {"latency": latency, "memory": memory, "outputs": outputs}

if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # an engine's own farewell is not measured, and must not crash a finished measurement
