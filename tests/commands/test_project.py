"""A project's own file in place of options."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgebench import api
from edgebench.cli import app
from edgebench.ground.errors import UsageError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What `edgebench train` asked for; no training runs."""
    found: dict[str, Any] = {}

    def train(**values: Any) -> None:
        found.update(values)
        raise UsageError("enough")

    monkeypatch.setattr(api, "train", train)
    monkeypatch.chdir(tmp_path)
    return found


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


FILE = """
model = "nets.py:make"
data = "photos"
device = "rpi4"
mean = [0.5, 0.5, 0.5]
[train]
epochs = 3
ema = 0.9
options = {groups = 2, flat = true}
"""


@pytest.mark.parametrize("name", ["edgebench.toml", "pyproject.toml"])
def test_the_file_says_what_is_not_typed(asked: dict[str, Any], name: str) -> None:
    text = FILE if name == "edgebench.toml" else FILE.replace("\nmodel", "[tool.edgebench]\nmodel")
    Path(name).write_text(text.replace("[train]", "[train]" if name == "edgebench.toml" else "[tool.edgebench.train]"))
    done = call("train", "--epochs", "5")
    assert str(done.exception) == "enough"
    assert (asked["model"], asked["data"], asked["epochs"]) == ("nets.py:make", "photos", 5)
    assert asked["mean"] == "0.5,0.5,0.5" and asked["options"] == {"groups": 2, "flat": True}
    assert f"{name} says model, data, mean, ema, options" in done.stderr
    assert "epochs" not in done.stderr


def test_without_the_file_what_is_missing_is_asked_for(asked: dict[str, Any]) -> None:
    assert call("train", "lenet5").exit_code == 2
    Path("pyproject.toml").write_text("[project]\nname = 'theirs'\n")
    assert call("train", "lenet5").exit_code == 2 and not asked


def test_a_device_goes_to_what_runs_on_it_and_data_to_what_reads_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("edgebench.toml").write_text('device = "nowhere"\ndata = "photos"\n')
    assert "nowhere" in str(call("profile", "lenet5").exception)
    assert "photos" in str(call("evaluate", "lenet5").exception)
    assert call("devices").exit_code == call("models").exit_code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('modle = "x"', "unknown key in edgebench.toml: 'modle'; did you mean model"),
        ("[train]\nepoch = 2", "unknown key in [train] of edgebench.toml: 'epoch'; did you mean epochs"),
        ("[trian]\nepochs = 2", "unknown key in edgebench.toml: 'trian'; did you mean train"),
        ("data = 2026-11-28", "data of edgebench.toml is a date: give a text"),
        ("model = ", "the project file"),
    ],
)
def test_a_mistake_in_it_is_one_sentence(asked: dict[str, Any], text: str, message: str) -> None:
    Path("edgebench.toml").write_text(text)
    done = call("train", "lenet5")
    assert isinstance(done.exception, UsageError) and message in str(done.exception)
    assert not asked
