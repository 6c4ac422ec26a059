"""What README.md, the pages of edgebench/docs and the workflows show is what there is: commands, options, links."""

import ast
import inspect
import re
import shlex
from contextlib import suppress
from pathlib import Path

import click
import pytest

import edgebench
from edgebench import api
from edgebench.cli import app
from edgebench.commands.help import FOLDER, TOPICS, page

ROOT = Path(__file__).parents[1]
# Of the checkout, whose links lead to what no installation has.
PAGES = [ROOT / "README.md", *sorted((ROOT / "edgebench" / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
STANDS_FOR = {
    "FILE": "net.onnx",
    "FILE|NETWORK": "net.onnx",
    "NAME": "rpi4",
    "PATH": "photos",
    "DIR": "out",
    "BASE": "old",
    "NEW": "new",
}


def commands() -> list[str]:
    """Every command of edgebench in a block of shell or in the text, without its comment."""
    found: list[str] = []
    for path in PAGES:
        text = path.read_text("utf-8")
        for kind, block in BLOCK.findall(text):
            found += [
                line for line in block.replace("\\\n", "").splitlines() if kind == "sh" and not line.startswith("#")
            ]
        found += re.findall(r"`([^`\n]*)`", BLOCK.sub("", text))
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        found += re.findall(r"^[^#\n]*(?:run: |&& )(edgebench [a-z].*)$", path.read_text("utf-8"), re.MULTILINE)
    parts = [part.strip() for line in found for part in re.split(r"&&|;|(?<!-)\s#\s|\s#$", line)]
    return sorted(
        {part.removeprefix(".venv/bin/") for part in parts if re.match(r"(\.venv/bin/)?edgebench [a-z]", part)}
    )


@pytest.mark.parametrize("line", commands())
def test_a_command_is_one_that_there_is(line: str) -> None:
    words = [STANDS_FOR.get(word, word) for word in shlex.split(line.partition(" > ")[0], comments=True)[1:]]
    group: click.Command = app
    while isinstance(group, click.Group) and words:
        found = group.get_command(click.Context(group), words.pop(0))
        assert found is not None, f"there is no such command: {line}"
        group = found
    with suppress(click.MissingParameter):  # of a command that the text speaks of
        group.make_context(group.name or "", [word for word in words if word not in ("TOPIC", "COMMAND")])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_python_calls_what_there_is_with_what_it_takes(path: Path) -> None:
    code = "".join(block for kind, block in BLOCK.findall(path.read_text("utf-8")) if kind == "python")
    for call in ast.walk(ast.parse(code)):
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name), args=given, keywords=named):
                function = getattr({"edgebench": edgebench, "api": api}[owner], name)
                taken = inspect.signature(function).bind(*given, **{each.arg: None for each in named if each.arg})
                assert len(taken.arguments) == len(given) + len(named)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", path.read_text("utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists(), target


def test_every_page_is_a_topic_and_is_listed() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == set(TOPICS)
    readme = (ROOT / "README.md").read_text("utf-8")
    for topic in TOPICS:
        title = page(topic).partition("\n")[0].removeprefix("# ")
        assert f"| [{topic}](edgebench/docs/{topic}.md) | {title} |" in readme
