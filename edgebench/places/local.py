"""This machine as a target: the worker in a fresh Python process of the same environment."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec

from edgebench.ground.errors import DeviceError
from edgebench.ground.process import end_with_parent
from edgebench.ground.records import Scenario
from edgebench.machines import environment
from edgebench.places.target import Ended, Event, Job, Loaded, Raised, decode
from edgebench.runtimes import libraries
from edgebench.runtimes import runtime as entry

WORKER = Path(__file__).parent.parent / "measure" / "worker.py"

# What a process is doing after each event, for the sentence that says how it ended.
DOING = {
    "start": "importing the engine",
    "Imported": "loading the file",
    "Loaded": "running the first inference",
    "First": "warming up",
    "Warm": "taking samples",
    "Samples": "finishing",
    "Peaks": "finishing",
    "Outputs": "running images",
}


class LocalTarget:
    """Runs workers on this machine.

    `timeout_s` is how long a worker may say nothing beyond the scenario's own `max_s` before it counts as hung.
    `python` is the command that runs the worker's file, this Python unless told; `variables` its whole environment,
    this process's unless told.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 120.0,
        worker: Path = WORKER,
        python: Sequence[str] = (sys.executable,),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._command = [*python, str(worker)]
        self._variables = variables

    def environment(self, threads: int) -> dict[str, Any]:
        """What may influence a timing on this machine, now."""
        return environment.capture(threads, libraries())

    def run(self, job: Job) -> Generator[Event, None, None]:
        """Runs one fresh process and yields its events; see Target.run."""
        with tempfile.TemporaryFile() as errors:
            child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=worker_variables(job.scenario.threads, os.environ if self._variables is None else self._variables),
                preexec_fn=partial(end_with_parent, os.getpid()),
                start_new_session=True,  # Ctrl-C reaches the parent only, which then ends the child
            )
            try:
                if child.stdin is None:
                    raise DeviceError("the worker has no standard input")
                engine = {"engine": str(entry(job.runtime).engine_file), "clock": entry(job.runtime).clock}
                values = {**msgspec.to_builtins(job), **engine, "artifact": os.path.abspath(job.artifact)}
                # A child that died before it read its job is told apart later, by how it ended.
                with suppress(BrokenPipeError), child.stdin as pipe:
                    pipe.write(msgspec.json.encode(values))
                yield from self._events(child, job, errors)
            finally:
                _end(child)

    def _events(self, child: subprocess.Popen[bytes], job: Job, errors: IO[bytes]) -> Iterator[Event]:
        silence_s = job.scenario.max_s + self._timeout_s
        doing = DOING["start"]
        for line in _lines(child, silence_s):
            if line is None:
                raise DeviceError(f"{job.runtime} said nothing for {silence_s:.0f} s while {doing}, and was ended")
            event = decode(line)
            yield event
            if isinstance(event, (Ended, Raised)):
                return
            doing = DOING[type(event).__name__]
        try:
            ended = fate(child.wait(timeout=10))
        except subprocess.TimeoutExpired:
            ended = "closed its output but did not end"
        errors.seek(0)
        raise DeviceError(f"{job.runtime} {ended} while {doing}{last_words(errors.read()[-4096:])}")


def loaded(runtime: str, path: Path, batch: int = 1) -> Loaded:
    """What a runtime says of a file once it is loaded, in a process of its own: a damaged file may crash its engine.

    Raises DeviceError, in one sentence, for a file that it does not load.
    """
    job = Job(runtime=runtime, artifact=str(path), scenario=Scenario(processes=1, batch=batch), mode="memory")
    with closing(LocalTarget().run(job)) as events:
        for event in events:
            if isinstance(event, Raised):
                raise DeviceError(f"{runtime} does not load {path}: {event.first_line}")
            if isinstance(event, Loaded):
                return event
    raise DeviceError(f"{runtime} ended without a word")


def worker_variables(threads: int, base: Mapping[str, str]) -> dict[str, str]:
    """The environment of a worker: libraries that size their pools by OMP_NUM_THREADS keep to the scenario."""
    return {**base, "OMP_NUM_THREADS": str(threads), "ORT_DISABLE_TELEMETRY": "1", "PYTHONHASHSEED": "0"}


def _lines(child: subprocess.Popen[bytes], silence_s: float) -> Iterator[bytes | None]:
    """Whole lines as they come, blocking in between; None, and no more, after `silence_s` without one."""
    if child.stdout is None:
        raise DeviceError("the worker has no standard output")
    held = b""
    deadline = time.monotonic() + silence_s
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            chunk = os.read(child.stdout.fileno(), 1 << 20)
            if not chunk:
                return
            *lines, held = (held + chunk).split(b"\n")
            if lines:
                yield from lines
                deadline = time.monotonic() + silence_s
    yield None


def fate(code: int) -> str:
    """How a process ended, by its exit code as subprocess gives it: negative for a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
    hints = {
        "SIGKILL": "killed from outside with SIGKILL, as Linux does when memory runs out,",
        "SIGSEGV": "crashed with SIGSEGV, an invalid memory access inside the engine,",
        "SIGILL": "crashed with SIGILL, an instruction that this CPU does not have,",
        "SIGABRT": "gave up with SIGABRT, a failed check inside the engine,",
    }
    return "was " * (name == "SIGKILL") + hints.get(name, f"was ended by {name}")


def last_words(errors: bytes) -> str:
    """The last line a process wrote to standard error, as a clause; nothing where it wrote none."""
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return f"; its last words: {lines[-1].strip()[:200]}" if lines else ""


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ends the child and whatever it started, and waits until it is gone."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()  # already gone, or gone and not yet waited for (macOS says PermissionError)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
