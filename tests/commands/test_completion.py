"""What a shell is offered, asked as a shell asks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from edgebench.cli import app
from edgebench.commands import completion
from edgebench.ground.errors import UsageError
from edgebench.run import options


@pytest.mark.parametrize(
    ("words", "begun", "among"),
    [
        ([], "dep", ["deploy"]),
        (["profile"], "--dev", ["--device"]),
        (["profile", "--device"], "rpi", ["rpi4", "rpi5"]),
        (["device", "show"], "pix", ["pixel4"]),
        (["export"], "mobilenetv", ["mobilenetv1", "mobilenetv2"]),
        (["export", "lenet5", "--fmt"], "tflite,on", ["tflite,onnx"]),
        (["deploy", "lenet5", "--to"], "", ["python", "web", "android", "ios", "cpp"]),
        (["evaluate", "lenet5", "--data"], "syn", ["synthetic:shapes"]),
    ],
)
def test_names_are_offered(words: list[str], begun: str, among: list[str]) -> None:
    shell = ShellComplete(app, {}, "edgebench", completion.ASKS)
    found = {each.value for each in shell.get_completions(words, begun) if each.type == "plain"}
    assert found >= set(among) and all(each.startswith(begun) for each in found)


def test_every_offer_is_of_an_option_that_there_is() -> None:
    groups = [each for each in vars(options).values() if isinstance(each, type) and issubclass(each, options.Options)]
    assert set(completion.OFFERED) <= {name for group in groups for name in group.__signature__.parameters}


def test_bash_completes_by_the_script_that_was_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    script = completion.install("bash")
    program = tmp_path / "edgebench"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m edgebench.cli "$@"\n')
    program.chmod(0o755)
    asks = f'. {script}; COMP_WORDS=(edgebench exp); COMP_CWORD=1; _edgebench_completion edgebench; echo "$COMPREPLY"'
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", asks], capture_output=True, text=True, env=os.environ | path, timeout=60)
    assert done.stdout.strip() == "export", done.stderr


def test_an_unknown_shell_is_refused() -> None:
    with pytest.raises(UsageError, match="no completion for the shell 'tcsh': name bash, zsh or fish"):
        completion.install("tcsh")
