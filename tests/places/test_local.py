"""The local target: workers that hang, babble, vanish or leave children behind."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.records import Scenario
from edgebench.places.local import LocalTarget
from edgebench.places.target import Ended, Event, Imported, Job, decode
from edgebench.runtimes import runtime

SCENARIO = Scenario(processes=1, warmup_runs=1, warmup_s=0, min_runs=1, min_s=0, max_s=0.1)
READ_JOB = "import sys; sys.stdin.read()\n"


def events(folder: Path, script: str, timeout_s: float = 60.0) -> Generator[Event, None, None]:
    path = folder / "worker.py"
    path.write_text(script)
    target = LocalTarget(timeout_s=timeout_s, worker=path)
    return target.run(Job(runtime="fake", artifact="x.json", scenario=SCENARIO))


def test_a_silent_worker_is_ended(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="fake said nothing for 0 s while importing the engine, and was ended"):
        list(events(tmp_path, READ_JOB + "import time; time.sleep(3600)", timeout_s=0.1))


def test_a_worker_that_never_reads_its_job_is_ended(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="said nothing"):
        list(events(tmp_path, "import time; time.sleep(3600)", timeout_s=0.1))


@pytest.mark.parametrize("line", [b"hello", b"{}", b'{"event": "party"}', b'{"event": "load", "ns": "long"}', b"\xff"])
def test_what_is_not_an_event_is_quoted(tmp_path: Path, line: bytes) -> None:
    script = READ_JOB + f"sys.stdout.buffer.write({line!r} + b'\\n')"
    with pytest.raises(DeviceError, match=r"the worker wrote '.*', which is not one of its events"):
        list(events(tmp_path, script))


def test_an_early_end_is_told_with_the_last_words(tmp_path: Path) -> None:
    script = READ_JOB + 'print(\'{"event": "import", "ns": 1}\')\nsys.exit(\'\\ncannot go on\\n\')'
    with pytest.raises(DeviceError) as caught:
        list(events(tmp_path, script))
    assert str(caught.value) == "fake ended with exit code 1 while loading the file; its last words: cannot go on"


def test_an_end_without_a_word_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"fake ended with exit code 0 while importing the engine$"):
        list(events(tmp_path, READ_JOB))


def test_events_arrive_however_they_are_cut(tmp_path: Path) -> None:
    pieces = ('{"event": "imp', 'ort", "ns": 7}\n{"event": "end"}\n')
    script = (
        READ_JOB
        + "import time\n"
        + "".join(f"sys.stdout.write({piece!r}); sys.stdout.flush(); time.sleep(0.05)\n" for piece in pieces)
    )
    assert list(events(tmp_path, script)) == [Imported(ns=7), Ended()]


def gone(pid: int) -> bool:
    """Whether a process ends within five seconds; one that ended and waits for its parent is gone."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().split(") ")[-1].startswith("Z"):
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks the process up in /proc")
def test_closing_ends_the_worker_and_its_children(tmp_path: Path) -> None:
    script = (
        "import subprocess, os, sys, time\nsys.stdin.read()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
        'print(\'{"event": "import", "ns": %d}\' % child.pid, flush=True)\n'
        "time.sleep(3600)"
    )
    running = events(tmp_path, script)
    event = next(running)
    assert isinstance(event, Imported)
    running.close()
    assert gone(event.ns)


def test_the_worker_keeps_to_the_scenarios_threads(tmp_path: Path) -> None:
    script = READ_JOB + 'import os; print(\'{"event": "import", "ns": %s}\' % os.environ[\'OMP_NUM_THREADS\'])\n'
    script += 'print(\'{"event": "end"}\')'
    assert next(events(tmp_path, script)) == Imported(ns=1)


def test_the_engine_is_found_as_a_file() -> None:
    assert runtime("ONNXRuntime").engine_file.parts[-2:] == ("onnxruntime", "engine.py")
    with pytest.raises(UsageError, match="did you mean litert"):
        runtime("litret")


def test_an_event_is_read_strictly() -> None:
    assert decode(b'{"event": "end"}') == Ended()
    with pytest.raises(DeviceError, match="Expected `int`"):
        decode(b'{"event": "import", "ns": 1.5}')
