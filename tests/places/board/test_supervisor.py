"""What looks after a worker on a device, run as a process of its own, as there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edgebench.machines import environment
from edgebench.places.board import supervisor

WORKER = """
import json, os, sys, time
job = json.load(sys.stdin)
open(job["log"], "a").write("started\\n")
print(json.dumps({"event": "import", "ns": os.getpid()}), flush=True)
print("noise", file=sys.stderr)
time.sleep(job.get("sleep", 0))
sys.exit(job.get("code", 0))
"""


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """The folder of a device with a worker."""
    (tmp_path / "worker.py").write_text(WORKER)
    for module in (supervisor, environment):
        path = Path(module.__file__)
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def request(board: Path, **changes: Any) -> dict[str, Any]:
    job = {"log": str(board / "log"), **changes.pop("job", {})}
    values = {"home": str(board), "id": "cell/latency-0", "token": "me", "limit_s": 30, "fresh_s": 60}
    return {**values, "python": [sys.executable], "variables": {}, "job": job, **changes}


def start(board: Path, command: str, values: dict[str, Any]) -> subprocess.Popen[bytes]:
    child = subprocess.Popen([sys.executable, str(board / "supervisor.py"), command], stdin=-1, stdout=-1)
    assert child.stdin
    with child.stdin as pipe:
        pipe.write(json.dumps(values).encode())
    return child


def answer(child: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert child.stdout
    with child.stdout as pipe:
        found: dict[str, Any] = json.loads(pipe.read())
    child.wait()
    return found


def abandon(child: subprocess.Popen[bytes]) -> None:
    """Ends who waits for an answer, as a cut connection does."""
    assert child.stdout
    child.kill()
    child.stdout.close()
    child.wait()


def starts(board: Path) -> int:
    return (board / "log").read_text().count("started") if (board / "log").exists() else 0


def wait_for_start(board: Path, count: int = 1) -> None:
    for _ in range(500):
        if starts(board) >= count:
            return
        time.sleep(0.02)
    raise AssertionError("the worker does not start")


def test_an_outcome_holds_all_that_the_worker_said(board: Path) -> None:
    found = answer(start(board, "run", request(board, job={"code": 3})))
    assert (found["code"], found["hung"], found["errors"]) == (3, False, "noise\n")
    assert json.loads(found["events"])["event"] == "import"
    assert abs(found["clock_jump_s"]) < 1
    assert sorted(path.name for path in (board / "runs" / "cell").iterdir()) == ["latency-0.json"]


def test_the_same_request_is_answered_once_and_waited_for(board: Path) -> None:
    first = start(board, "run", request(board, job={"sleep": 1}))
    wait_for_start(board)
    abandon(first)
    answer_again = answer(start(board, "run", request(board, job={"sleep": 1})))
    assert answer_again["code"] == 0
    assert starts(board) == 1
    assert answer(start(board, "run", request(board)))["events"] == answer_again["events"]
    assert starts(board) == 1


def test_another_asker_is_given_a_whole_outcome_while_it_is_fresh(board: Path) -> None:
    answer(start(board, "run", request(board)))
    assert 0 < answer(start(board, "run", request(board, token="you")))["resumed_s"] < 60
    assert answer(start(board, "run", request(board, token="they", fresh_s=0)))["resumed_s"] is None
    assert starts(board) == 2


def test_another_asker_is_not_given_a_failure(board: Path) -> None:
    answer(start(board, "run", request(board, job={"code": 1})))
    assert answer(start(board, "run", request(board, token="you")))["code"] == 0


def test_a_worker_that_nobody_waits_for_is_ended_for_another(board: Path) -> None:
    first = start(board, "run", request(board, job={"sleep": 600}))
    wait_for_start(board)
    abandon(first)
    assert answer(start(board, "run", request(board, id="cell/latency-1")))["code"] == 0


def test_a_worker_that_takes_too_long_is_ended(board: Path) -> None:
    found = answer(start(board, "run", request(board, limit_s=1, job={"sleep": 600})))
    assert (found["code"], found["hung"]) == (-9, True)


def test_an_end_is_told_to_who_waits(board: Path) -> None:
    first = start(board, "run", request(board, job={"sleep": 600}))
    wait_for_start(board)
    assert answer(start(board, "end", request(board))) == {}
    assert answer(first) == {"lost": True}
    assert answer(start(board, "end", request(board))) == {}


def test_a_cell_is_forgotten(board: Path) -> None:
    answer(start(board, "run", request(board)))
    answer(start(board, "forget", {"home": str(board), "cell": "cell"}))
    assert not (board / "runs" / "cell").exists()


def test_a_disk_without_room_fails_before_the_worker_starts(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        supervisor.run(request(board))
    assert starts(board) == 0
    assert list((board / "runs" / "cell").iterdir()) == []


def test_what_goes_wrong_is_the_answer(board: Path) -> None:
    assert answer(start(board, "run", {}))["failed"] == "KeyError: 'home'"


def test_the_state_is_the_machine_s_with_its_boot(board: Path) -> None:
    found = answer(start(board, "state", {"threads": 2, "libraries": ["numpy"]}))
    assert (found["threads"], found["boot"]) == (2, supervisor.boot())


@pytest.mark.parametrize(("printed", "bits"), [("throttled=0x50005", 0x50005), ("error", None)])
def test_throttle_bits_come_from_the_firmware_s_tool(tmp_path: Path, printed: str, bits: int | None) -> None:
    tool = tmp_path / "vcgencmd"
    tool.write_text(f"#!/bin/sh\n[ $1 = get_throttled ] && echo {printed}\n")
    tool.chmod(0o755)
    assert supervisor.throttled(str(tool)) == bits
    assert supervisor.throttled(str(tmp_path / "none")) is None


def test_its_python_is_old_enough(board: Path) -> None:
    """Boards have Python 3.9: no syntax, and no evaluated annotation, of a later one."""
    import ast

    for name in ("supervisor.py", "environment.py"):
        source = (board / name).read_text()
        ast.parse(source, feature_version=(3, 9))
        assert "from __future__ import annotations" in source
