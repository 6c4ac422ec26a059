"""A device over a real OpenSSH server on loopback: what it measures, and what it is asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from edgebench.ground.errors import UsageError
from edgebench.machines import profiles
from edgebench.places.board.reach import reach
from edgebench.places.board.shell import ask
from edgebench.places.board.ssh import SshLink
from edgebench.run.devices import measure_there
from edgebench.runtimes import runtime_of

if TYPE_CHECKING:
    from conftest import Server


def test_a_board_measures_alone_and_is_left_as_it_was(server: Server, tmp_path: Path) -> None:
    found = server.measure(server.artifact())
    assert (found.status, found.error) == ("ok", None)
    assert [len(samples) for samples in found.latency_s] == [30, 30]
    assert found.memory_bytes["steady"] > 0
    assert found.environment["python_path"] == sys.executable
    assert list((server.folder / "tmp").iterdir()) == []  # no lock, no socket
    assert [path.name for path in (server.home / "runs").iterdir()] == ["active"]


def test_what_is_there_is_not_sent_again(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = server.artifact()
    server.measure(artifact)
    monkeypatch.setattr("edgebench.places.board.push.RECEIVE", "exit 1")
    assert server.measure(artifact).status == "ok"


@pytest.mark.parametrize(
    "form", ["onnx", "mnn", *(pytest.param(each, marks=pytest.mark.weekly) for each in ("openvino", "executorch"))]
)
def test_a_real_runtime_measures_over_ssh(form: str, server: Server, exported) -> None:  # type: ignore[no-untyped-def]
    artifact = exported("lenet5", form)
    device = profiles.parse(BOARD.format(address=server.address, python=sys.executable), "board", "board.toml")
    with reach(device) as target:
        found = measure_there(artifact, runtime_of(form), server.scenario, target=target, device="board")
    assert (found.status, found.error) == ("ok", None)
    assert 0 < min(found.latency_s[0]) < 0.1


BOARD = """
name = "board"
title = "A board"
cpu = {{ soc = "x", core = "Cortex-A72", cores = 4, isa = "armv8-a" }}
reach = {{ via = "ssh", address = "{address}", python = "{python}" }}
"""


def test_a_wall_clock_that_is_set_changes_no_latency(server: Server, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import time\nwall, began = time.time, time.monotonic()\n"
        "time.time = lambda: wall() + (3600 if time.monotonic() - began > 0.5 else 0)\n"
    )
    python = server.script("python", f'PYTHONPATH={tmp_path}/site exec {sys.executable} "$@"')
    found = server.measure(server.artifact(latency_s=[0.02], real=True), python)
    assert found.status == "ok"
    assert max(map(max, found.latency_s)) < 5
    assert any("wall clock was set by +3600 s while it measured" in warning for warning in found.warnings)


def test_a_board_that_throttles_is_measured_again(server: Server, tmp_path: Path) -> None:
    server.stop()
    (tmp_path / "bits").write_text("0x0 0x50005 0x50005 0x50000 0x50000 0x50000")
    server.script(
        "tools/vcgencmd", f'read -r bits rest < {tmp_path}/bits\necho "$rest" > {tmp_path}/bits\necho "throttled=$bits"'
    )
    server.start(f'ForceCommand PATH={tmp_path}/tools:$PATH; eval "$SSH_ORIGINAL_COMMAND"')
    slept: list[float] = []
    one = replace(server.scenario, processes=1)
    with server.connect() as target:
        found = measure_there(server.artifact(), "fake", one, target=target, device="board", sleep=slept.append)
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


def test_a_device_is_added_and_checked_by_its_address(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from edgebench.commands.device import device

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    added = CliRunner().invoke(device, ["add", "myboard", "--connect", server.address, "--python", sys.executable])
    assert (added.exit_code, added.exception) == (0, None)
    assert profiles.load("myboard").cpu.cores >= 1
    checked = CliRunner().invoke(device, ["check", "myboard", "--json"])
    assert (checked.exit_code, checked.exception) == (0, None)
    found = json.loads(checked.stdout)
    assert (found["name"], found["via"]) == ("myboard", "ssh")
    assert {engine["runtime"]: bool(engine["version"]) for engine in found["engines"]}["onnxruntime"]
    assert "onnxruntime" in CliRunner().invoke(device, ["check", "myboard"]).stdout


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
