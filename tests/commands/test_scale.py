"""`edgebench scale` as a command: tables, JSON, exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgebench.cli import app
from edgebench.ground.errors import EdgebenchError

CHOICE = ["scale", "--device", "rpi4", "--family", "mobilenetv1", "--max-latency", "30ms", "--no-confirm"]


def test_the_table_names_the_pick(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*CHOICE, "--explain"])
    assert done.exit_code == 0, done.output
    assert "pick" in done.stdout and "Why the others lost" in done.stdout


def test_json_is_one_document_and_nothing_else() -> None:
    done = CliRunner().invoke(app, [*CHOICE, "--json"])
    found = json.loads(done.stdout)
    assert found["picked"]["latency_s"]["value"] <= 0.03
    assert {"budget", "frontier", "rejected", "headroom", "ties", "upgrade", "recipes"} <= set(found)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--max-latency", "30"], 2, "not a duration"),
        (["--threads", "one"], 2, "must be whole numbers"),
        (["--fmt", "onxx"], 2, "unknown format"),
        (["--max-latency", "1ms"], 1, "tightest"),
    ],
)
def test_bad_input_ends_with_the_right_code(arguments: list[str], code: int, message: str) -> None:
    done = CliRunner().invoke(app, [*CHOICE, *arguments])
    assert isinstance(done.exception, EdgebenchError)
    assert done.exception.exit_code == code
    assert message in str(done.exception)


def test_a_sweep_file_is_run_and_resumed(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text('[sweep]\nmodels = ["mobilenetv1"]\nwidths = [0.25, 0.5, 1.0]\ndevices = ["rpi4"]\n')
    arguments = ["sweep", str(file), "--jobs", "1", "--results", str(tmp_path / "results"), "--json"]
    first = json.loads(CliRunner().invoke(app, arguments).stdout)
    again = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert (first["cells"], first["run"], again["run"]) == (3, 3, 0)
    assert len(list((tmp_path / "results" / "rpi4").glob("*.jsonl"))) == 1
