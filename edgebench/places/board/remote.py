"""A device that is reached through a link, SSH or adb: what is sent there, what is asked, and what survives a cut."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import msgspec

from edgebench.ground.errors import DeviceError
from edgebench.ground.progress import Tell
from edgebench.ground.records import Scenario, identity
from edgebench.ground.version import __version__
from edgebench.machines import environment
from edgebench.places.board import supervisor
from edgebench.places.board.board import Board, probe
from edgebench.places.board.interpreter import RUN, Interpreter, bundled, own
from edgebench.places.board.lock import Lock
from edgebench.places.board.push import NoRoom, fingerprint, push, tree_files
from edgebench.places.board.shell import ANSWER_S, WAITS_S, Answer, Gone, Link, Reconnection, ask, gone_for_now
from edgebench.places.local import DOING, WORKER, fate, last_words, worker_variables
from edgebench.places.target import Ended, Event, Job, OutputsJob, Raised, decode
from edgebench.runtimes import every, libraries
from edgebench.runtimes import runtime as entry

LOAD_S: Final = 120.0  # beyond the scenario's own caps: importing, loading, the first inference
MOST_LOST: Final = 2
FRESH_S: Final = 3600.0  # how long an outcome is kept for a run that was cut
JUMP_S: Final = 1.0  # more than network time corrects while a worker runs
KEPT: Final = 16  # files that stay on the device for the next time
TRIM: Final = 'cd "$1" 2> /dev/null && ls -1t | tail -n "+$2" | while IFS= read -r old; do rm -rf -- "$old"; done; :'
CLEAR: Final = 'rm -rf -- "$1"'


class _Outcome(msgspec.Struct):
    """What supervisor.py answers to `run`."""

    code: int = 0
    hung: bool = False
    events: str = ""
    errors: str = ""
    clock_jump_s: float = 0.0
    resumed_s: float | None = None
    lost: bool = False


class RemoteTarget:
    """Runs workers on a device, which nobody else does until `release`.

    A connection that is cut while a worker runs costs nothing: the worker goes on, and its outcome is fetched when the
    connection is back, within a minute; after that it waits on the device for an hour. `notes` are sentences for the
    record of what happened; who keeps them empties the list.

    Raises DeviceError when the device cannot be reached or is in use.
    """

    def __init__(self, link: Link, *, tell: Tell, waits_s: tuple[float, ...] = WAITS_S) -> None:
        self.link = link
        self.notes: list[str] = []
        self.board: Board = probe(link)
        self._tell = tell
        self._token = token_hex(8)
        self._reconnecting = Reconnection(link, waits_s)
        self._state: dict[str, Any] = {}
        self._sent: dict[str, dict[str, str]] = {}
        self._python = Interpreter((), "")
        self._lock = Lock(link, f"{self.board.locks}/edgebench.lock")
        self._lock.take()

    def prepare(self, python: str | Interpreter | None) -> None:
        """Sends the worker, and the bundle unless `python` is one on the device. Raises DeviceError, UsageError."""
        if isinstance(python, Interpreter):
            self._python = python
        elif python:
            self._python = self._reconnecting(lambda: own(self.link, python))
        else:
            self._python = bundled(self.link, self.board, self._push)
        self._push("code", _code())
        self._reconnecting(lambda: ask(self.link, TRIM, f"{self.board.home}/artifacts", str(KEPT + 1)))

    def environment(self, threads: int) -> dict[str, Any]:
        """What may influence a timing there, now; what was last known when the device has gone meanwhile."""
        try:
            self._reconnecting(self._lock.renew)
            found = self._ask("state", {"threads": threads, "libraries": libraries()})
        except Gone:
            if not self._state:
                raise
            return self._state
        versions = {"edgebench": __version__, **found.get("versions", {})}
        self._state = {**found, "versions": versions, "commit": None, "python_path": self._python.path or "bundle"}
        return self._state

    def run(self, job: Job) -> Generator[Event, None, None]:
        """Runs one fresh process there and yields its events, all when it has ended; see Target.run."""
        cell = self._cell(job)
        try:
            outcome = self._measured(job, cell, self._bring(job))
        except Gone as error:
            raise gone_for_now(error) from error
        except (KeyboardInterrupt, GeneratorExit):
            with suppress(DeviceError):
                self._ask("end", {})
            raise
        self._note(job, outcome)
        whole = False
        try:
            for event in self._events(job, outcome):
                whole = isinstance(event, Ended)
                yield event
        finally:
            if not whole or job.mode != "latency":  # the last of a cell; a failure is not kept either
                self._ask("forget", {"cell": cell})

    def python(self, *arguments: str) -> Answer:
        """What the device's Python answers."""
        return self._reconnecting(lambda: ask(self.link, RUN, *self._python.command, *arguments))

    def release(self) -> None:
        """Gives the device back; the link stays open."""
        with suppress(DeviceError):  # gone: its lock ends by itself
            self._lock.release()

    def _cell(self, job: Job) -> str:
        """Names all that decides an outcome but the process, so that a run that was cut finds its own."""
        code = [fingerprint(path) for path in _code().values()]
        images = fingerprint(Path(job.input)) if isinstance(job, OutputsJob) else ""
        return identity(_prints(_files(job.artifact)), images, code, job.runtime, job.scenario, self._python.identity)

    def _bring(self, job: Job) -> str:
        """Sends the job's file unless it is there, and returns its path on the device."""
        files = _files(job.artifact)
        tree = f"artifacts/{identity(_prints(files))}"
        try:
            self._push(tree, files)
        except NoRoom:  # files of earlier runs are the first to go
            self._reconnecting(lambda: ask(self.link, CLEAR, f"{self.board.home}/artifacts"))
            self._push(tree, files)
        return f"{self.board.home}/{tree}/{Path(job.artifact).name}"

    def _bring_images(self, job: OutputsJob) -> str:
        """Sends the job's images in place of those of an earlier job, and returns their path on the device."""
        self._sent.pop("images", None)
        self._reconnecting(lambda: ask(self.link, CLEAR, f"{self.board.home}/images"))
        self._push("images", {"images.npy": Path(job.input)})
        return f"{self.board.home}/images/images.npy"

    def _push(self, tree: str, files: dict[str, Path]) -> None:
        if self._sent.get(tree) == _prints(files):
            return
        place = f"{self.board.home}/{tree}"
        self._reconnecting(lambda: push(self.link, place, files, lambda: probe(self.link).free_bytes, self._tell))
        self._sent[tree] = _prints(files)

    def _measured(self, job: Job, cell: str, artifact: str) -> _Outcome:
        """The outcome of one process; again when what looks after it was ended, too."""
        limit_s = _limit_s(job.scenario)
        engine = {"engine": f"{self.board.home}/code/runtimes/{job.runtime}.py", "clock": entry(job.runtime).clock}
        images = {"input": self._bring_images(job)} if isinstance(job, OutputsJob) else {}
        request = {
            "id": f"{cell}/{job.mode}-{job.process}",
            "python": self._python.command,
            "variables": worker_variables(job.scenario.threads, {}),
            "limit_s": limit_s,
            "fresh_s": FRESH_S,
            "job": {**msgspec.to_builtins(job), **engine, "artifact": artifact, **images},
        }
        for _ in range(MOST_LOST):
            self._reconnecting(lambda: self._lock.renew(limit_s))
            found = self._ask("run", request, limit_s + ANSWER_S)
            try:
                outcome = msgspec.convert(found, _Outcome)
            except msgspec.ValidationError as error:
                raise DeviceError(f"{self.link.name} answered what is not the outcome of a worker: {error}") from error
            if not outcome.lost:
                return outcome
        raise DeviceError(
            f"{self.link.name} ended the worker of {job.runtime} and what looks after it, {MOST_LOST} times:"
            " does it restart, or does its memory run out?"
        )

    def _ask(self, command: str, request: dict[str, Any], limit_s: float = ANSWER_S) -> dict[str, Any]:
        """What supervisor.py answers to one request. Raises DeviceError."""
        data = msgspec.json.encode({**request, "home": self.board.home, "token": self._token})
        supervising = f"{self.board.home}/code/supervisor.py"
        arguments = (*self._python.command, supervising, command)
        answer = self._reconnecting(lambda: ask(self.link, RUN, *arguments, data=data, limit_s=limit_s))
        try:
            found: dict[str, Any] = msgspec.json.decode(answer.text.strip(), type=dict[str, Any])
        except msgspec.MsgspecError as error:
            shown = answer.text.strip()[:60] or answer.last_error
            raise DeviceError(f"{self.link.name} answered '{shown}', which is not an answer to {command}") from error
        if failed := found.get("failed"):
            full = "No space left" in failed or "quota exceeded" in failed
            raise DeviceError(f"{self.link.name}: {'its disk is full: make room there' if full else failed}")
        return found

    def _events(self, job: Job, outcome: _Outcome) -> Iterator[Event]:
        """What the worker said. Raises DeviceError when it did not come to its end."""
        doing = DOING["start"]
        for line in outcome.events.encode().splitlines():
            event = decode(line)
            if isinstance(event, Raised) and event.missing:
                raise DeviceError(self._missing(job.runtime, event.missing))
            yield event
            if isinstance(event, (Ended, Raised)):
                return
            doing = DOING[type(event).__name__]
        if outcome.hung:
            raise DeviceError(
                f"{job.runtime} did not end within {_limit_s(job.scenario):.0f} s, and was ended while {doing}"
            )
        last = last_words(outcome.errors.encode())
        raise DeviceError(f"{job.runtime} {fate(outcome.code)} while {doing} on {self.link.name}{last}")

    def _missing(self, runtime: str, module: str) -> str:
        if not self._python.path:
            return f"the bundle has no {module}, so {self.link.name} cannot run {runtime}: name a Python with `python`"
        package = entry(runtime).distribution if module == entry(runtime).package else module
        install = f"{self._python.path} -m pip install {package}, on the device"
        return f"runtime {runtime} needs the package {package} on {self.link.name}: {install}"

    def _note(self, job: Job, outcome: _Outcome) -> None:
        """Keeps what the record should say of this process."""
        if outcome.resumed_s is not None:
            minutes = outcome.resumed_s / 60
            self.notes.append(f"{job.mode} {job.process + 1} is of a run that was cut {minutes:.0f} min before")
        if self._reconnecting.cuts:
            self.notes.append(f"the connection was cut {self._reconnecting.cuts} times, and nothing was lost")
            self._reconnecting.cuts = 0
        if abs(outcome.clock_jump_s) > JUMP_S:
            self.notes.append(
                f"the device's wall clock was set by {outcome.clock_jump_s:+.0f} s while it measured;"
                " the latencies are of its monotonic clock, which nobody sets"
            )


def _limit_s(scenario: Scenario) -> float:
    """How long a process may take in all: warm-up and samples have a cap each."""
    return 2 * scenario.max_s + LOAD_S


def _code() -> dict[str, Path]:
    """What runs on the device: file there, file here."""
    files = [WORKER, Path(supervisor.__file__), Path(environment.__file__)]
    engines = {f"runtimes/{each.name}.py": each.engine_file for each in every() if not each.system}
    return {path.name: path for path in files} | engines


def _files(artifact: str) -> dict[str, Path]:
    """The files of an artifact by their path on the device: one, or those of a folder."""
    path = Path(artifact)
    return tree_files(path, f"{path.name}/") if path.is_dir() else {path.name: path}


def _prints(files: dict[str, Path]) -> dict[str, str]:
    return {name: fingerprint(path) for name, path in files.items()}
