"""What looks after a worker on a device, so that a cut connection costs nothing: `python supervisor.py COMMAND`.

A request comes as one JSON object on standard input, the answer goes as one to standard output.

    state    the machine's state, as environment.py beside this file captures it
    run      runs a worker in a session of its own, waits for its end, and answers with all that it said
    end      ends the worker that runs
    forget   removes the outcomes of a cell

A run whose connection was cut goes on, and its outcome is kept: the same request again waits for it, or is given it.
Between the start of a worker and its end nothing is sent, written to disk or polled. All times are of the monotonic
clock; the wall clock is only compared with it, to tell when it was set.

Uses the standard library only, on Python 3.9 or newer: this file is copied to devices.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

RESERVE_BYTES = 1 << 20  # an outcome's room on the disk, taken before the worker starts; 20,000 samples take a fifth
LAST_WORDS = 4096
BOOT = Path("/proc/sys/kernel/random/boot_id")

Request = dict[str, Any]


def state(request: Request) -> dict[str, Any]:
    """What may influence a timing here, now; a Raspberry Pi's throttle bits from its firmware's tool if need be."""
    path = Path(__file__).resolve().parent / "environment.py"
    spec = importlib.util.spec_from_file_location("edgebench_environment", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python module")
    environment = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(environment)
    found: dict[str, Any] = environment.capture(request["threads"], request["libraries"])
    if found.get("throttled") is None:
        found["throttled"] = throttled()
    return {**found, "boot": boot()}


def throttled(command: str = "vcgencmd") -> int | None:
    """The bits that `vcgencmd get_throttled` prints as throttled=0x50005; None where there is no such tool."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run([command, "get_throttled"], capture_output=True, text=True, timeout=5, check=True)
        if found := re.search(r"throttled=0x([0-9a-fA-F]+)", done.stdout):
            return int(found[1], 16)
    return None


def boot() -> str:
    """The name of this boot; empty where the system does not tell."""
    with suppress(OSError):
        return BOOT.read_text().strip()
    return ""


def run(request: Request) -> dict[str, Any]:
    """Answers with the outcome of `request["id"]`: the one that is kept, that is being made, or a new one.

    {"lost": true} when its worker was being looked after and neither is there any more.
    """
    folder = Path(request["home"]) / "runs"
    outcome = folder / f"{request['id']}.json"
    outcome.parent.mkdir(parents=True, exist_ok=True)
    with (folder / "active").open("a+") as active:
        was_running = wait_or_end(active, request["id"])
        kept = read(outcome, request)
        if kept or was_running:
            return kept or {"lost": True}
        outcome.unlink(missing_ok=True)
        with reserved(outcome.with_suffix(".partial")) as room:
            keep(active, room, outcome, request)
    found = read(outcome, request)
    if found is None:
        end(request)
    return found or {"lost": True}


def wait_or_end(active: IO[str], wanted: str) -> bool:
    """Waits for a worker that runs, or ends it when it is not the wanted one. Takes the lock on `active`.

    Returns whether the wanted one was running.
    """
    try:
        fcntl.flock(active, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        running = record(active)
        ours = running.get("id") == wanted
        if not ours:
            kill(running)
        fcntl.flock(active, fcntl.LOCK_EX)
    else:
        ours = False
    note(active, {})
    return ours


@contextmanager
def reserved(path: Path) -> Iterator[IO[bytes]]:
    """A new file with room for an outcome on the disk; gone at the end unless it got a name. Raises OSError."""
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
            yield file
    finally:
        path.unlink(missing_ok=True)


def keep(active: IO[str], room: IO[bytes], outcome: Path, request: Request) -> None:
    """Attends the worker in a child that nothing ends but its own work, and waits for that child."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        found = work(active, request) | {"token": request["token"], "boot": boot()}
        room.write(json.dumps(found).encode())
        room.truncate()
        room.flush()
        Path(room.name).rename(outcome)  # whole: only now it gets its name
        code = 0
    finally:
        os._exit(code)


def work(active: IO[str], request: Request) -> dict[str, Any]:
    """One worker from its start to its end; blocked in between."""
    out, errors = memory("events"), memory("errors")
    hung = threading.Event()
    before = (time.time(), time.monotonic())
    command = [*request["python"], str(Path(__file__).resolve().parent / "worker.py")]
    worker = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=out,
        stderr=errors,
        env={**os.environ, **request["variables"]},
        start_new_session=True,
        pass_fds=(active.fileno(),),  # the lock is held while either lives
        preexec_fn=expendable,
    )
    note(active, {"id": request["id"], "pids": [os.getpid(), worker.pid]})
    timer = threading.Timer(request["limit_s"], give_up, (hung, worker.pid))
    timer.daemon = True
    timer.start()
    if worker.stdin:
        with suppress(BrokenPipeError), worker.stdin as pipe:
            pipe.write(json.dumps(request["job"]).encode())
    code = worker.wait()
    timer.cancel()
    after = (time.time(), time.monotonic())
    kill({"pids": [worker.pid]})  # what it left behind
    return {
        "code": code,
        "hung": hung.is_set(),
        "events": text(out),
        "errors": text(errors)[-LAST_WORDS:],
        "clock_jump_s": (after[0] - before[0]) - (after[1] - before[1]),
        "finished_s": after[1],
    }


def give_up(hung: threading.Event, pid: int) -> None:
    """Ends a worker that takes too long."""
    hung.set()
    kill({"pids": [pid]})


def memory(name: str) -> IO[bytes]:
    """A file in memory: what the worker writes wakes nobody and touches no disk."""
    return os.fdopen(os.memfd_create(f"edgebench-{name}"), "w+b")


def text(file: IO[bytes]) -> str:
    """The whole of a file that somebody else wrote to."""
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def expendable() -> None:
    """When memory runs out, the kernel shall end the worker and not what looks after it, or the SSH server."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def read(outcome: Path, request: Request) -> dict[str, Any] | None:
    """The outcome that is kept, if it may be used: made for the same asker, or whole, of this boot and not old."""
    try:
        found: dict[str, Any] = json.loads(outcome.read_bytes())
    except (OSError, ValueError):
        return None
    if found["token"] == request["token"]:
        return found | {"resumed_s": None}
    age = time.monotonic() - found.get("finished_s", 0)
    whole = found.get("code") == 0 and found["boot"] == boot()
    return found | {"resumed_s": age} if whole and age <= request["fresh_s"] else None


def end(request: Request) -> dict[str, Any]:
    """Ends the worker that runs, and what looks after it."""
    with suppress(OSError), (Path(request["home"]) / "runs" / "active").open("r+") as active:
        try:
            fcntl.flock(active, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            kill(record(active))
    return {}


def forget(request: Request) -> dict[str, Any]:
    """Removes the outcomes of a cell."""
    shutil.rmtree(Path(request["home"]) / "runs" / request["cell"], ignore_errors=True)
    return {}


def note(active: IO[str], values: dict[str, Any]) -> None:
    """Says in the locked file what runs."""
    active.seek(0)
    active.truncate()
    active.write(json.dumps(values))
    active.flush()


def record(active: IO[str]) -> dict[str, Any]:
    """What the locked file says; nothing while it is being written."""
    active.seek(0)
    try:
        found: dict[str, Any] = json.loads(active.read())
    except ValueError:
        return {}
    return found


def kill(running: dict[str, Any]) -> None:
    """Ends the process groups."""
    for pid in running.get("pids", ()):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


COMMANDS = {"state": state, "run": run, "end": end, "forget": forget}


def main() -> int:
    """Answers one request; what goes wrong is the answer, too."""
    try:
        answer = COMMANDS[sys.argv[1]](json.load(sys.stdin))
    except Exception as error:  # the boundary: the one who asked is told
        answer = {"failed": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
