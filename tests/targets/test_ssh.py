"""A device over a real OpenSSH server on loopback: what it measures, and every fault on the way."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgebench import profiles
from edgebench.errors import DeviceError, UsageError
from edgebench.measure.runner import measure
from edgebench.records import Artifact, ExportSpec, ModelSpec, Scenario
from edgebench.targets.reaching import connected, measure_there, reach
from edgebench.targets.shell import ask
from edgebench.targets.ssh import SshLink

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(SSHD is None or shutil.which("ssh") is None, reason="needs openssh-server")
SCENARIO = Scenario(processes=2, warmup_runs=1, warmup_s=0, min_runs=30, min_s=0, max_s=5)
WAITS_S = (0.2, 0.3, 0.5)


class Server:
    """sshd on an unprivileged port, with keys, files and a client's configuration of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"{getpass.getuser()}@127.0.0.1:{self.port}"
        self.home = folder / "cache" / "edgebench"
        for name in ("host", "other", "user", "stranger"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        (folder / "tmp").mkdir()
        (folder / "bin").mkdir()
        (folder / "bin" / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/client "$@"\n')
        (folder / "bin" / "ssh").chmod(0o755)
        self.know("host")
        self.use("user")
        self.process: subprocess.Popen[bytes] | None = None

    def know(self, *keys: str) -> None:
        """Writes known_hosts."""
        lines = [f"[127.0.0.1]:{self.port} {(self.folder / f'{key}.pub').read_text()}" for key in keys]
        (self.folder / "known").write_text("".join(lines))

    def use(self, key: str) -> None:
        """Writes the client's configuration."""
        lines = [f"UserKnownHostsFile {self.folder}/known", "GlobalKnownHostsFile none", "IdentitiesOnly yes"]
        lines += [f"IdentityFile {self.folder}/{key}", "IdentityAgent none"]
        (self.folder / "client").write_text("\n".join(lines) + "\n")

    def start(self, *more: str) -> None:
        """Starts the server and waits until it listens."""
        lines = [f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {self.folder}/host", "PidFile none"]
        lines += [f"AuthorizedKeysFile {self.folder}/authorized", "StrictModes no", "UsePAM no", "LogLevel ERROR"]
        lines += ["PermitRootLogin yes", "PasswordAuthentication no", "KbdInteractiveAuthentication no"]
        lines += [f"SetEnv XDG_CACHE_HOME={self.folder}/cache TMPDIR={self.folder}/tmp", *more]
        (self.folder / "server").write_text("\n".join(lines) + "\n")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where root's sshd wants to be
        self.process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(self.folder / "server")])
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("sshd does not start")

    def stop(self) -> None:
        """Ends the server and every session of it."""
        if self.process:
            self.cut()
            self.process.terminate()
            self.process.wait()
            self.process = None

    def cut(self) -> None:
        """Ends the sessions, as a router between would."""
        for pid in self._children():
            os.kill(pid, signal.SIGKILL)

    def _children(self) -> list[int]:
        """The processes of sshd that serve a session."""
        assert self.process
        found, parents = [], {self.process.pid}
        for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
            try:
                name, rest = (entry / "stat").read_text().rsplit(") ", 1)
            except OSError:
                continue
            if int(rest.split()[1]) in parents and "(sshd" in name:
                parents.add(int(entry.name))
                found.append(int(entry.name))
        return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    found = Server(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    found.start()
    yield found
    found.stop()


def fake(folder: Path, **behaviour: object) -> Artifact:
    """A file for the fake engine."""
    path = folder / "net.json"
    path.write_text(json.dumps({"latency_s": [0.01], "load_s": 0.0, "first_s": 0.0, **behaviour}))
    return Artifact(
        model=ModelSpec(name="net", family="fake"),
        export=ExportSpec(format="tflite"),
        path=str(path),
        sha256="0" * 64,
        size_bytes=path.stat().st_size,
        inputs=(),
        outputs=(),
    )


def connect(server: Server, python: str = sys.executable):  # type: ignore[no-untyped-def]
    return connected(SshLink(server.address), python, waits_s=WAITS_S)


def during(action: Callable[[], None], home: Path, mode: str = "latency-0") -> threading.Thread:
    """Does something as soon as the worker of a process runs."""

    def wait() -> None:
        for _ in range(3000):
            text = (home / "runs" / "active").read_text() if (home / "runs" / "active").exists() else ""
            if mode in text:
                time.sleep(0.2)
                action()
                return
            time.sleep(0.02)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def measured(server: Server, artifact: Artifact, python: str = sys.executable):  # type: ignore[no-untyped-def]
    with connect(server, python) as target:
        return measure_there(artifact, "fake", SCENARIO, target=target, device="board")


def test_a_board_measures_alone_and_is_left_as_it_was(server: Server, tmp_path: Path) -> None:
    found = measured(server, fake(tmp_path))
    assert (found.status, found.error) == ("ok", None)
    assert [len(samples) for samples in found.latency_s] == [30, 30]
    assert found.memory_bytes["steady"] > 0
    assert found.environment["python_path"] == sys.executable
    assert list((server.folder / "tmp").iterdir()) == []  # no lock, no socket
    assert [path.name for path in (server.home / "runs").iterdir()] == ["active"]


def test_what_is_there_is_not_sent_again(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = fake(tmp_path)
    measured(server, artifact)
    monkeypatch.setattr("edgebench.targets.push.RECEIVE", "exit 1")
    assert measured(server, artifact).status == "ok"


def test_a_real_runtime_measures_over_ssh(server: Server, exported) -> None:  # type: ignore[no-untyped-def]
    artifact = exported("lenet5", "onnx")
    device = profiles.parse(BOARD.format(address=server.address, python=sys.executable), "board", "board.toml")
    with reach(device) as target:
        found = measure_there(artifact, "onnxruntime", SCENARIO, target=target, device="board")
    assert (found.status, found.error) == ("ok", None)
    assert 0 < min(found.latency_s[0]) < 0.1


BOARD = """
name = "board"
title = "A board"
cpu = {{ soc = "x", core = "Cortex-A72", cores = 4, isa = "armv8-a" }}
reach = {{ via = "ssh", address = "{address}", python = "{python}" }}
"""


def test_a_connection_that_is_cut_costs_nothing(server: Server, tmp_path: Path) -> None:
    artifact = fake(tmp_path, latency_s=[0.02], real=True)
    cutter = during(server.cut, server.home)
    found = measured(server, artifact)
    cutter.join()
    assert (found.status, found.error) == ("ok", None)
    assert [len(samples) for samples in found.latency_s] == [30, 30]
    assert "the connection was cut 1 times, and nothing was lost" in found.warnings


def test_a_run_whose_server_has_gone_goes_on_from_there(server: Server, tmp_path: Path) -> None:
    artifact = fake(tmp_path, latency_s=[0.02], real=True)
    stopper = during(server.stop, server.home, "latency-1")
    found = measured(server, artifact)
    stopper.join()
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.startswith(f"nothing answers SSH at {server.address}: is the board on")
    assert found.error.endswith("what is finished stays on the device for an hour: run this again to go on from there")
    assert [len(samples) for samples in found.latency_s] == [30]
    server.start()
    again = measured(server, artifact)
    assert (again.status, again.latency_s[0]) == ("ok", found.latency_s[0])
    kept = [warning for warning in again.warnings if "is of a run that was cut" in warning]
    assert [warning[:9] for warning in kept] == ["latency 1", "latency 2"]


def test_an_interrupt_ends_the_worker_there(server: Server, tmp_path: Path) -> None:
    artifact = fake(tmp_path, latency_s=[3.0], real=True)
    main = threading.main_thread().ident
    assert main
    interrupter = during(lambda: signal.pthread_kill(main, signal.SIGINT), server.home)
    with pytest.raises(KeyboardInterrupt):
        measured(server, artifact)
    interrupter.join()
    running = json.loads((server.home / "runs" / "active").read_text())
    assert not any(Path(f"/proc/{pid}/cmdline").exists() and alive(pid) for pid in running["pids"])


def alive(pid: int) -> bool:
    return not Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")


def test_a_process_is_run_again_when_the_board_ended_it_with_its_keeper(server: Server, tmp_path: Path) -> None:
    def end_both() -> None:
        for pid in json.loads((server.home / "runs" / "active").read_text())["pids"]:
            os.kill(pid, signal.SIGKILL)

    killer = during(end_both, server.home)
    found = measured(server, fake(tmp_path, latency_s=[0.02], real=True))
    killer.join()
    assert (found.status, len(found.latency_s)) == ("ok", 2)


def test_a_worker_that_the_kernel_ends_is_told(server: Server, tmp_path: Path) -> None:
    found = measured(server, fake(tmp_path, fail={"20": "SIGKILL"}))
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
    with pytest.raises(DeviceError, match=sentence), connect(server):
        pass
    assert (server.folder / "known").read_text() == before
    assert not server.home.exists()


def test_a_server_that_is_not_there_is_told_at_once(server: Server) -> None:
    server.stop()
    began = time.monotonic()
    with pytest.raises(DeviceError, match=r"nothing answers SSH at .*: is the board on"), connect(server):
        pass
    assert time.monotonic() - began < 5


def test_a_file_that_no_runtime_reads_is_told(server: Server, tmp_path: Path) -> None:
    artifact = fake(tmp_path)
    path = tmp_path / "net.onnx"
    path.write_bytes(b"this is not ONNX")
    values = {name: getattr(artifact, name) for name in artifact.__struct_fields__}
    broken = Artifact(**{**values, "path": str(path), "export": ExportSpec(format="onnx")})
    with connect(server) as target:
        found = measure(broken, "onnxruntime", SCENARIO, device="board", target=target)
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.startswith("onnxruntime raised InvalidProtobuf")


def test_a_wall_clock_that_is_set_changes_no_latency(server: Server, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import time\nwall, began = time.time, time.monotonic()\n"
        "time.time = lambda: wall() + (3600 if time.monotonic() - began > 0.5 else 0)\n"
    )
    python = script(tmp_path / "python", f'PYTHONPATH={tmp_path}/site exec {sys.executable} "$@"')
    found = measured(server, fake(tmp_path, latency_s=[0.02], real=True), python)
    assert found.status == "ok"
    assert max(map(max, found.latency_s)) < 5
    assert any("wall clock was set by +3600 s while it measured" in warning for warning in found.warnings)


def test_a_board_that_throttles_is_measured_again(server: Server, tmp_path: Path) -> None:
    server.stop()
    (tmp_path / "bits").write_text("0x0 0x50005 0x50005 0x50000 0x50000 0x50000")
    script(
        tmp_path / "tools" / "vcgencmd",
        f'read -r bits rest < {tmp_path}/bits\necho "$rest" > {tmp_path}/bits\necho "throttled=$bits"',
    )
    server.start(f'ForceCommand PATH={tmp_path}/tools:$PATH; eval "$SSH_ORIGINAL_COMMAND"')
    slept: list[float] = []
    with connect(server) as target:
        found = measure_there(fake(tmp_path), "fake", SCENARIO, target=target, device="board", sleep=slept.append)
    assert found.status == "ok"
    assert slept == [10, 10]
    assert any("measured again after a cool-down: the board throttled itself" in each for each in found.warnings)
    assert found.environment["throttled"] == 0x50000


def test_a_greeting_of_the_shell_is_skipped(server: Server) -> None:
    server.stop()
    server.start('ForceCommand echo "Welcome!"; eval "$SSH_ORIGINAL_COMMAND"')
    link = SshLink(server.address)
    assert ask(link, 'echo "$1"; exit 3', "it's").status == 3
    assert ask(link, 'echo "$1"; cat', "it's", data=b"\n").text.startswith("it's")
    link.close()


def test_a_device_that_answers_something_else_is_told(server: Server) -> None:
    server.stop()
    server.start("ForceCommand echo This account is closed.")
    with (
        pytest.raises(DeviceError, match=r"answered 'This account is closed.' where a POSIX shell was"),
        connect(server),
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
    python = script(tmp_path / "python", body.replace("PYTHON", sys.executable)) if body else str(tmp_path / "none")
    with pytest.raises(DeviceError, match=sentence), connect(server, python) as target:
        target.environment(1)


def test_a_full_disk_is_told_and_left_as_it_was(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    size = ["-o", "size=400k", "tmpfs", str(tmp_path / "cache")]
    if subprocess.run(["mount", "-t", "tmpfs", *size], check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        with pytest.raises(DeviceError, match=r"the disk of .* has [0-9]+ kB free, and 20.0 MB are needed"):
            measured(server, fake(tmp_path))
        subprocess.run(["mount", "-o", "remount,size=30m", str(tmp_path / "cache")], check=True)
        with connect(server) as target:
            (tmp_path / "cache" / "filler").write_bytes(bytes(29_600_000))
            found = measure(fake(tmp_path), "fake", SCENARIO, device="board", target=target)
        assert found.status == "failed"
        assert found.error is not None
        assert "make room there" in found.error
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "cache")], check=True)


def script(path: Path, body: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("address", ["", "-oProxyCommand=x", "pi@", "pi@host:", "pi@host:99999", "a b", "pi@ho;st"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="is not an SSH address"):
        SshLink(address)


def test_an_address_becomes_a_command() -> None:
    link = SshLink("pi@[fe80::1]:2222")
    command = link.command("true")
    link.close()
    assert command[-3:] == ["--", "pi@fe80::1", "true"]
    assert command[command.index("-p") + 1] == "2222"
