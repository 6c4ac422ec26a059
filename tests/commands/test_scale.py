"""`edgebench scale` as a command: tables, JSON, exit codes."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edgebench.commands.scale import scale
from edgebench.errors import EdgebenchError

app = typer.Typer()
app.command()(scale)

CHOICE = ["--device", "rpi4", "--family", "mobilenetv1", "--max-latency", "30ms", "--no-confirm"]


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
        (["--threads", "one"], 2, "not a list of numbers"),
        (["--fmt", "onxx"], 2, "unknown format"),
        (["--max-latency", "1ms"], 1, "tightest"),
    ],
)
def test_bad_input_ends_with_the_right_code(arguments: list[str], code: int, message: str) -> None:
    done = CliRunner().invoke(app, [*CHOICE, *arguments])
    assert isinstance(done.exception, EdgebenchError)
    assert done.exception.exit_code == code
    assert message in str(done.exception)
