"""`edgebench schema`: what it prints, and that every command that prints JSON has one."""

import json
import re
from pathlib import Path

import click
import example_records as made
import jsonschema
import msgspec
import pytest
import schemas
from click.testing import CliRunner

from edgebench.cli import COMMANDS, app
from edgebench.commands.help import page
from edgebench.ground.errors import UsageError
from edgebench.report import documents

PRINT = [
    ["models"],
    ["models", "--published"],
    ["devices", "rpi4"],
    ["devices", "--validation"],
    ["devices", "rpi4", "--validation"],
    ["device", "list"],
    ["device", "show", "rpi4"],
    ["device", "show", "rpi4", "--validation"],
    ["doctor"],
    ["export", "lenet5", "--fmt", "onnx"],
    ["profile", "lenet5", "--device", "rpi4"],
    ["deploy", "lenet5", "--to", "python", "-o", "app"],
    ["init"],
]


def _printed(*arguments: str) -> str:
    return CliRunner().invoke(app, ["schema", *arguments], catch_exceptions=False).stdout


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_it_is_a_schema(name: str) -> None:
    made = json.loads(_printed(*name.split()))
    jsonschema.Draft202012Validator.check_schema(made)
    assert made["$defs"] and made["title"] == f"edgebench {name}"
    assert made.get("type") == ("array" if name in documents.LISTS else None)


@pytest.mark.parametrize("arguments", PRINT, ids=" ".join)
def test_what_is_printed_fits(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert not isinstance(done.exception, AssertionError), done.exception
    schemas.check(done.stdout, " ".join(arguments[: 2 if arguments[0] == "device" else 1]))


def test_what_is_stored_fits() -> None:
    for record, name in ((made.measurement(), "measurement"), (made.estimate(), "estimate")):
        schemas.check(msgspec.json.encode(record).decode(), name)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(AssertionError, match="edgebench sweep: 'cells' is a required property"):
        schemas.check("{}", "sweep")
    with pytest.raises(AssertionError, match="has no schema"):
        schemas.check("{}", "augment")


def test_every_command_that_prints_json_has_a_document() -> None:
    context = click.Context(app)
    for name in COMMANDS:
        found = app.get_command(context, name)
        inner = found.commands if isinstance(found, click.Group) else {"": found}
        for own, each in inner.items():
            if {"json", "format"} & {option.name for option in each.params} and name not in ("query", "plot"):
                assert f"{name} {own}".strip() in documents.DOCUMENTS


def test_the_page_lists_every_document_and_key() -> None:
    rows = re.findall(r"^\| (\S[^|]*?) \| .* \| (`.*`) \|$", page("json"), re.MULTILINE)
    assert [name for name, _ in rows] == list(documents.DOCUMENTS) == _printed().split("\n")[:-1]
    for name, keys in rows:
        parts = documents.schema(name)
        one = parts["items"] if name in documents.LISTS else parts
        of = [parts["$defs"][each["$ref"].rpartition("/")[2]]["properties"] for each in one.get("anyOf", [one])]
        assert [set(each.split()) for each in re.findall("`([^`]*)`", keys)] == [{*each} - {"schema"} for each in of]


def test_an_unknown_document_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean profile"):
        _printed("profil")
