"""What goes wrong with a device over SSH, on a real OpenSSH server: nothing is lost, and one sentence says it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgebench.ground.errors import DeviceError
from edgebench.ground.records import Artifact, ExportSpec
from edgebench.measure.runner import measure

if TYPE_CHECKING:
    from conftest import Server


def test_a_connection_that_is_cut_costs_nothing(server: Server, tmp_path: Path) -> None:
    artifact = server.artifact(latency_s=[0.02], real=True)
    cutter = server.during(server.cut)
    found = server.measure(artifact)
    cutter.join()
    assert (found.status, found.error) == ("ok", None)
    assert [len(samples) for samples in found.latency_s] == [30, 30]
    assert "the connection was cut 1 times, and nothing was lost" in found.warnings


def test_a_run_whose_server_has_gone_goes_on_from_there(server: Server, tmp_path: Path) -> None:
    artifact = server.artifact(latency_s=[0.02], real=True)
    stopper = server.during(server.stop, "latency-1")
    found = server.measure(artifact)
    stopper.join()
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.startswith(f"nothing answers SSH at {server.address}: is the board on")
    assert found.error.endswith("what is finished stays on the device for an hour: run this again to go on from there")
    assert [len(samples) for samples in found.latency_s] == [30]
    server.start()
    again = server.measure(artifact)
    assert (again.status, again.latency_s[0]) == ("ok", found.latency_s[0])
    kept = [warning for warning in again.warnings if "is of a run that was cut" in warning]
    assert [warning[:9] for warning in kept] == ["latency 1", "latency 2"]


def test_an_interrupt_ends_the_worker_there(server: Server, tmp_path: Path) -> None:
    artifact = server.artifact(latency_s=[3.0], real=True)
    main = threading.main_thread().ident
    assert main
    interrupter = server.during(lambda: signal.pthread_kill(main, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        server.measure(artifact)
    interrupter.join()
    running = json.loads(server.running())
    assert not any(Path(f"/proc/{pid}/cmdline").exists() and alive(pid) for pid in running["pids"])


def alive(pid: int) -> bool:
    return not Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")


def test_a_process_is_run_again_when_the_board_ended_it_with_its_keeper(server: Server, tmp_path: Path) -> None:
    def end_both() -> None:
        for pid in json.loads(server.running())["pids"]:
            os.kill(pid, signal.SIGKILL)

    killer = server.during(end_both)
    found = server.measure(server.artifact(latency_s=[0.02], real=True))
    killer.join()
    assert (found.status, len(found.latency_s)) == ("ok", 2)


def test_a_worker_that_the_kernel_ends_is_told(server: Server, tmp_path: Path) -> None:
    found = server.measure(server.artifact(fail={"20": "SIGKILL"}))
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.startswith(
        "fake was killed from outside with SIGKILL, as Linux does when memory runs out, while"
    )


@pytest.mark.parametrize(("key", "known", "sentence"), [
    ("stranger", ("host",), "accepts none of your SSH keys: copy one there with ssh-copy-id -p"),
    ("user", (), "is not known here: connect once by hand with ssh -p"),
    ("user", ("other",), "is not the one in known_hosts, so nothing was sent"),
])  # fmt: skip
def test_keys_that_do_not_fit_are_told(server: Server, key: str, known: tuple[str, ...], sentence: str) -> None:
    server.use(key)
    server.know(*known)
    before = (server.folder / "known").read_text()
    with pytest.raises(DeviceError, match=sentence), server.connect():
        pass
    assert (server.folder / "known").read_text() == before
    assert not server.home.exists()


def test_a_server_that_is_not_there_is_told_at_once(server: Server) -> None:
    server.stop()
    began = time.monotonic()
    with pytest.raises(DeviceError, match=r"nothing answers SSH at .*: is the board on"), server.connect():
        pass
    assert time.monotonic() - began < 5


def test_a_file_that_no_runtime_reads_is_told(server: Server, tmp_path: Path) -> None:
    artifact = server.artifact()
    path = tmp_path / "net.onnx"
    path.write_bytes(b"this is not ONNX")
    values = {name: getattr(artifact, name) for name in artifact.__struct_fields__}
    broken = Artifact(**{**values, "path": str(path), "export": ExportSpec(format="onnx")})
    with server.connect() as target:
        found = measure(broken, "onnxruntime", server.scenario, device="board", target=target)
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.startswith("onnxruntime raised InvalidProtobuf")


def test_a_device_that_answers_something_else_is_told(server: Server) -> None:
    server.stop()
    server.start("ForceCommand echo This account is closed.")
    with (
        pytest.raises(DeviceError, match=r"answered 'This account is closed.' where a POSIX shell was"),
        server.connect(),
    ):
        pass


@pytest.mark.parametrize(("body", "sentence"), [
    (None, "does not run as Python on"),
    ("echo garbage", "answered 'garbage', which is not what Python would say"),
    ("""echo '{"version": [3, 7, 1], "numpy": null}'""", "is Python 3.7.1, and 3.9 is the oldest"),
    ("""echo '{"version": [3, 11, 1], "numpy": null}'""", "has no numpy"),
    ("""case "$*" in *numpy*) exec PYTHON "$@";; esac; echo nonsense""", "answered 'nonsense', which is not an answer"),
])  # fmt: skip
def test_a_python_that_is_none_is_told(server: Server, tmp_path: Path, body: str | None, sentence: str) -> None:
    python = server.script("python", body.replace("PYTHON", sys.executable)) if body else str(tmp_path / "none")
    with pytest.raises(DeviceError, match=sentence), server.connect(python) as target:
        target.environment(1)


def test_a_full_disk_is_told_and_left_as_it_was(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    size = ["-o", "size=400k", "tmpfs", str(tmp_path / "cache")]
    if subprocess.run(["mount", "-t", "tmpfs", *size], check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        with pytest.raises(DeviceError, match=r"the disk of .* has [0-9]+ kB free, and 20\.[0-9] MB are needed"):
            server.measure(server.artifact())
        subprocess.run(["mount", "-o", "remount,size=30m", str(tmp_path / "cache")], check=True)
        with server.connect() as target:
            (tmp_path / "cache" / "filler").write_bytes(bytes(29_600_000))
            found = measure(server.artifact(), "fake", server.scenario, device="board", target=target)
        assert found.status == "failed"
        assert found.error is not None
        assert "make room there" in found.error
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "cache")], check=True)
