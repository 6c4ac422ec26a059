"""A project's first files: what looking around finds, and that the workflow's steps run as they stand."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgebench
from edgebench.run import starting

NETS = """
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()

class Tiny(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.body = nn.Sequential(Part(), nn.Flatten(), nn.Linear(3 * 32 * 32, classes))

    def forward(self, x):
        return self.body(x)

class Part(nn.Module):
    def forward(self, x):
        return x
"""


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("", ["nets.py:Tiny"]),
        ("def make(width=1.0):\n    return Tiny()\n", ["nets.py:make"]),
        ("def make(*, width=1.0) -> nn.Module: ...\ndef _own() -> nn.Module: ...\n", ["nets.py:make"]),
        ("def make(width) -> nn.Module: ...\ndef other():\n    return 3\n", ["nets.py:Tiny"]),
        ("def make(*, width) -> nn.Module: ...\n", ["nets.py:Tiny"]),
        ("def (", []),
    ],
)
def test_a_factory_is_found_or_else_the_outermost_module(tmp_path: Path, more: str, found: list[str]) -> None:
    (tmp_path / "nets.py").write_text(NETS + more)
    for other in ("test_nets.py", "tests/nets.py", ".venv/nets.py"):
        (tmp_path / other).parent.mkdir(exist_ok=True)
        (tmp_path / other).write_text(NETS)
    assert list(starting.networks(tmp_path)) == found


def test_folders_of_images_are_found(tmp_path: Path) -> None:
    for name in ("data/pets/cat", "data/pets/dog", "data/one/only", "notes/a", "notes/b"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("data/pets/cat", "data/pets/dog", "data/one/only"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / name / "x.png")
    assert list(starting.datasets(tmp_path)) == ["data/pets"]


def test_what_is_there_stays_and_what_is_missing_is_a_comment(tmp_path: Path) -> None:
    (tmp_path / "edgebench.toml").write_text("threads = 2\n")
    made = edgebench.init(tmp_path)
    assert (made.written, made.kept) == ((starting.WORKFLOW,), (starting.SETTINGS,))
    assert (tmp_path / "edgebench.toml").read_text() == "threads = 2\n"
    empty = tmp_path / "empty"
    empty.mkdir()
    edgebench.init(empty, device="rpi5")
    text = (empty / "edgebench.toml").read_text()
    assert tomllib.loads(text) == {"device": "rpi5"} and '# model = "nets.py:make"' in text


def test_the_workflow_compares_a_pull_request_with_its_base(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        done = subprocess.run(["git", *who, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    (tmp_path / "nets.py").write_text(NETS + "def make():\n    return Tiny()\n")
    edgebench.init(tmp_path)
    settings = tmp_path / "edgebench.toml"
    settings.write_text(settings.read_text() + '\n[profile]\ninput = "3x32x32"\n')
    git("init", "-q"), git("add", "."), git("commit", "-qm", "before")
    base = git("rev-parse", "HEAD")
    (tmp_path / "nets.py").write_text(NETS.replace("Part(), nn.", "Part(), nn.Conv2d(3, 3, 3, padding=1), nn."))
    (tmp_path / "nets.py").write_text((tmp_path / "nets.py").read_text() + "def make():\n    return Tiny()\n")
    git("commit", "-qam", "a convolution more")
    script = (tmp_path / starting.WORKFLOW).read_text().partition("- run: |\n")[2]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"BASE": base, "NEW": git("rev-parse", "HEAD"), "RUNNER_TEMP": str(tmp_path / "run"), "PATH": path}
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        env={**environment, "HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    assert "make" in done.stdout and "edgebench.toml says" in done.stderr
