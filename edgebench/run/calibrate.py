"""`edgebench device calibrate`: a device's constants from a designed set of small networks, measured there or emulated.

On a connected board, and on this machine, the networks are timed. Without one they are emulated, and their counted
instructions become times through constants fitted on published latencies (estimate/counts.py), with that error added to
the fit's own. Every cell is stored as it ends, so that a run that was cut goes on.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from edgebench.estimate import calibrations, grid, user_calibration
from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.paths import cache_folder, write
from edgebench.ground.progress import OnProgress, silent
from edgebench.ground.records import ExportSpec, Measurement, Result, Scenario
from edgebench.ground.toml import show
from edgebench.machines import device_files, profiles
from edgebench.machines.facts import check_threads
from edgebench.machines.profiles import Caches, Calibration, DeviceProfile
from edgebench.places.board.remote import RemoteTarget
from edgebench.run import engine, plan
from edgebench.run.mode import Method, Mode
from edgebench.run.plan import Cell
from edgebench.runtimes import runtime_of

# Copies 32 MB and prints bytes a second, the best of many: what sbc-bench calls memcpy.
COPY: Final = """
import time, numpy
source = numpy.ones(1 << 22)
target = numpy.empty_like(source)
took = []
for _ in range(15):
    began = time.perf_counter()
    target[:] = source
    took.append(time.perf_counter() - began)
print(source.nbytes / min(took))
"""
# For a board that does not tell: a clock is only the unit of the constants, and a cache decides where traffic begins.
CLOCK_HZ, CACHE_BYTES = 1e9, 2**20
HEAD: Final = "# Written by: edgebench device calibrate {name}. Remove it to go back to the shipped calibrations."


@dataclass(frozen=True)
class Calibrated:
    """What became of it: the file, the new calibrations, what was in their place before, and what gave no figure."""

    path: Path
    device: DeviceProfile
    calibrations: tuple[Calibration, ...]
    before: tuple[Calibration | None, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """What is to be calibrated, and how long each network is timed. `fresh` forgets the cells of a run that was cut.

    `networks` are that many of the grid instead of all; `figures` is a file of latencies that stand for running any.
    """

    formats: tuple[str, ...]
    precisions: tuple[str, ...]
    threads: tuple[int, ...] = (1,)
    full: bool = False
    fresh: bool = False
    scenario: Scenario | None = None
    networks: int | None = None
    figures: Path | None = None


def calibrate(
    device: DeviceProfile, method: Method, request: Request, *, here: bool = False, on_progress: OnProgress = silent
) -> Calibrated:
    """Runs the grid for every format, precision and thread count, fits, and writes the user's file beside the device's.

    This machine is measured like a connected board: `scale` searches by estimates. Raises UsageError for several
    threads under the emulator, and where too few networks ran; DeviceError when the device cannot be reached.
    """
    _check(device, method, request)
    known = device if request.figures is not None else _with_facts(device, method)
    done, left_out = [], []
    for spec, threads in product(plan.export_specs(request.formats, request.precisions), request.threads):
        if request.figures is not None:
            runtime = runtime_of(spec.format)
            figures, basis = user_calibration.typed(request.figures)
            made = user_calibration.calibrate(known, runtime, spec.precision, threads, figures, basis)
            done.append(made)
            continue
        results = _run(known, method, request, spec, threads, on_progress)
        left_out += [
            f"{result.model.key} {result.export.key}: {result.error or result.status}"
            for result in results
            if result.status != "ok"
        ]
        done.append(_fitted(known, method, results, threads))
    before = tuple(calibrations.calibration(device, each.runtime, each.precision, each.threads) for each in done)
    path = device_files.calibrations_file(device_files.user_folders()[0 if here else 1], device.name)
    write(path, _show(known, done))
    return Calibrated(path, profiles.load(device.name), tuple(done), before, tuple(dict.fromkeys(left_out)))


def _check(device: DeviceProfile, method: Method, request: Request) -> None:
    if method.mode is Mode.COUNT:
        raise UsageError("counted instructions of this machine have no known time: leave `counts` out, it is measured")
    if method.mode is Mode.ESTIMATE and request.figures is None:
        raise UsageError(
            "a calibration needs figures: `via='emulator'`, a board with `connect='pi@host'`, or `figures`"
        )
    if method.mode is Mode.EMULATE and request.threads != (1,):
        raise UsageError("the emulator counts on one thread: leave `threads` out, or connect a board")
    for threads in request.threads:
        if method.mode is Mode.MEASURE:
            check_threads(threads)
        if not 1 <= threads <= device.cpu.cores:
            raise UsageError(f"{threads} threads on {device.name}: give 1 to {device.cpu.cores}, its number of cores")


def _run(
    device: DeviceProfile, method: Method, request: Request, spec: ExportSpec, threads: int, on_progress: OnProgress
) -> list[Result]:
    """One pass over the grid; what is stored of it already is not run again."""
    folder = cache_folder() / "calibrate" / method.mode.value / f"{spec.key}-x{threads}"
    scenario = request.scenario or engine.scenario(quick=not request.full)
    return engine.run(
        [Cell(export=spec, model=model) for model in grid.specs(request.networks)],
        device,
        replace(scenario, threads=threads),
        folder,
        method=method,
        resume=not request.fresh,
        on_progress=on_progress,
    )


def _fitted(device: DeviceProfile, method: Method, results: Sequence[Result], threads: int) -> Calibration:
    runtime, precision = results[0].runtime, results[0].export.precision
    whole = [result for result in results if isinstance(result, Measurement) and result.status == "ok"]
    if method.mode is Mode.EMULATE:
        figures, basis = user_calibration.counted(
            device, runtime, precision, [(each.model, each.counts) for each in whole]
        )
    else:
        figures, basis = user_calibration.measured(whole)
    return user_calibration.calibrate(device, runtime, precision, threads, figures, basis)


def _with_facts(device: DeviceProfile, method: Method) -> DeviceProfile:
    """The device with a clock, a copy rate and a cache: measured there, or assumed, where its file lacks them."""
    cpu = device.cpu
    rate = cpu.bandwidth_bytes_per_s
    if rate is None:
        if method.mode is Mode.EMULATE:
            raise UsageError(f"the profile {device.name} lacks cpu.bandwidth: add it with its source")
        rate = _copy_rate(device, method)
    caches = cpu.caches if cpu.caches.last_level_bytes else Caches(l2_bytes=CACHE_BYTES)
    known = replace(cpu, clock_hz=cpu.clock_hz or CLOCK_HZ, bandwidth_bytes_per_s=rate, caches=caches)
    return replace(device, cpu=known)


def _copy_rate(device: DeviceProfile, method: Method) -> float:
    from edgebench.places.board.reach import reach

    if method.mode is Mode.MEASURE:
        answer = subprocess.run([sys.executable, "-c", COPY], capture_output=True, text=True, check=False).stdout
    else:
        with reach(device, method.via, method.connect, method.python) as target:
            answer = target.python("-c", COPY).text if isinstance(target, RemoteTarget) else ""
    with suppress(ValueError):
        return float(answer)
    raise DeviceError(f"{device.name} does not tell how fast it copies memory: '{answer.strip()[:60]}'")


def _show(device: DeviceProfile, done: Sequence[Calibration]) -> str:
    """The file's text: what it had of other runtimes, precisions and threads, and what is new."""
    stored = profiles.own_calibrations(device.name)
    new = {each.cell for each in done}
    kept = [each for each in (stored.calibrations if stored else ()) if each.cell not in new]
    cpu = device.cpu
    facts: dict[str, object] = {}
    if cpu.clock_hz:
        facts["clock"] = f"{cpu.clock_hz:.0f}Hz"
    if cpu.bandwidth_bytes_per_s:
        facts["bandwidth"] = f"{cpu.bandwidth_bytes_per_s:.0f}B/s"
    if cpu.caches.last_level_bytes:
        facts["caches"] = {"l2": f"{cpu.caches.last_level_bytes}B"}
    text = show({"name": device.name, "cpu": facts})
    return f"{HEAD.format(name=device.name)}\n{text}\n{user_calibration.toml([*kept, *done])}"
