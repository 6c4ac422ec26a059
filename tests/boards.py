"""The places that tests measure at. What cannot be had here is skipped.

The bundle that emulates devices, built once into the user's own cache; this machine as a board behind a bare shell, and
behind a real OpenSSH server.
"""

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
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from edgebench.ground.errors import EdgebenchError
from edgebench.ground.records import Artifact, ExportSpec, Measurement, ModelSpec, Scenario
from edgebench.machines import profiles
from edgebench.places.board.reach import connected
from edgebench.places.board.remote import RemoteTarget
from edgebench.places.board.ssh import SshLink
from edgebench.places.bundle import assemble
from edgebench.places.bundle.bundle import Bundle
from edgebench.run.devices import measure_there

# Read before a test gets a cache of its own: the bundle is worth keeping from run to run.
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
USERS_CACHE = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")


@pytest.fixture(scope="session")
def built_bundle() -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", USERS_CACHE)
        try:
            return assemble.setup(profiles.load("rpi4"))
        except EdgebenchError as error:
            pytest.skip(f"needs a bundle: {error}")


@pytest.fixture
def bundle(built_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bundle]:
    """The bundle, which edgebench then finds as well."""
    monkeypatch.setenv("XDG_CACHE_HOME", USERS_CACHE)
    yield built_bundle


class ShellLink:
    """This machine as a device behind no link at all; `program` is what carries a command line."""

    name, home = "the board", ""

    def __init__(self) -> None:
        self.program = ["sh", "-c"]

    def command(self, line: str) -> list[str]:
        return [*self.program, line]

    def complaint(self, stderr: str) -> None:
        return None

    def reset(self) -> None:
        return None

    def close(self) -> None:
        return None


@pytest.fixture
def shell_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShellLink:
    for variable, folder in {"XDG_CACHE_HOME": "cache", "TMPDIR": "tmp"}.items():
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / folder))
    return ShellLink()


class Server:
    """sshd on an unprivileged port, with keys, files and a client's configuration of its own."""

    scenario = Scenario(processes=2, warmup_runs=1, warmup_s=0, min_runs=30, min_s=0, max_s=5)

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"{getpass.getuser()}@127.0.0.1:{self.port}"
        self.home = folder / "cache" / "edgebench"
        for name in ("host", "other", "user", "stranger"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        (folder / "tmp").mkdir()
        self.script("bin/ssh", f'exec {shutil.which("ssh")} -F {folder}/client "$@"')
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
        for _ in range(600):
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
            with suppress(ProcessLookupError):  # ended with the one before it
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

    def artifact(self, **behaviour: object) -> Artifact:
        """A file for the fake engine."""
        path = self.folder / "net.json"
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

    def connect(self, python: str = sys.executable) -> AbstractContextManager[RemoteTarget]:
        """A target at the server, with little patience."""
        return connected(SshLink(self.address), python, waits_s=(0.2, 0.3, 0.5))

    def measure(self, artifact: Artifact, python: str = sys.executable) -> Measurement:
        """Two processes of the fake engine."""
        with self.connect(python) as target:
            return measure_there(artifact, "fake", self.scenario, target=target, device="board")

    def during(self, action: Callable[[], None], mode: str = "latency-0") -> threading.Thread:
        """Does something as soon as the worker of a process runs."""
        thread = threading.Thread(target=self._when_running, args=(action, mode))
        thread.start()
        return thread

    def script(self, name: str, body: str) -> str:
        """Writes a program and returns its path."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    def running(self) -> str:
        """What the board says of the worker that runs; the keeper's and the worker's process are in it."""
        active = self.home / "runs" / "active"
        return active.read_text() if active.exists() else ""

    def _when_running(self, action: Callable[[], None], mode: str) -> None:
        for _ in range(3000):
            if mode in self.running():
                time.sleep(0.2)
                action()
                return
            time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("needs openssh-server")
    found = Server(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """Exports a network of the zoo once a session: exported("mobilenetv2", "onnx", resolution=96) -> Artifact.

    In int8 its ranges are those of a few generated images, which is enough for what runs and how long it takes.
    """
    from edgebench import models
    from edgebench.formats.pipeline import export_model
    from edgebench.ground.records import Quantization

    folder = tmp_path_factory.mktemp("exported")
    quick = Quantization(samples=8, calibrator="minmax", equalize=False, correct_bias=False)

    def export(name: str, form: str, precision: str = "fp32", **size: int) -> Artifact:
        spec: ModelSpec = models.resolve(name, **size)
        int8 = quick if precision == "int8" else None
        return export_model(spec, ExportSpec(format=form, precision=precision, quantization=int8), folder)  # type: ignore[arg-type]

    return export
