"""What a project's own file says in place of options: edgebench.toml, or [tool.edgebench] of pyproject.toml.

    model = "nets.py:make"
    device = "rpi4"
    data = "photos"

    [profile]
    processes = 10

Keys are the names of options. What stands at the top goes to the commands that work on the network (a device to
`profile` and `scale`, data to those that read labelled images), a table to the command of its name. An option that is
typed goes before the file. Only the current folder is looked at, from which paths count as they do when they are typed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from edgebench.ground import toml
from edgebench.ground.errors import UsageError, unknown

FILES: Final = ("edgebench.toml", "pyproject.toml")
SHARED: Final = ("export", "profile", "evaluate", "deploy", "train")
ELSEWHERE: Final = {"device": ("profile", "scale"), "data": ("evaluate", "train", "augment")}


def settings(folder: Path) -> tuple[str, Mapping[str, Any]]:
    """The file's name and what it says; nothing where there is no file. Raises UsageError for what is no TOML."""
    for name in FILES:
        path = folder / name
        if path.is_file():
            said = toml.read(path, "project file")
            said = said if name == FILES[0] else said.get("tool", {}).get("edgebench", {})
            if said:
                return name, said
    return "", {}


def fill(
    command: str,
    own: Sequence[click.Parameter],
    commands: Collection[str],
    options: Callable[[], Iterable[click.Parameter]],
) -> tuple[str, list[str]]:
    """Makes what the file says the defaults of a command's `own` options; returns its name and those of the options.

    `options` gives those of all commands. Raises UsageError for a key that is neither one of them nor of `commands`.
    """
    file, said = settings(Path.cwd())
    if not said:
        return "", []
    at_top = {spelling for each in options() for spelling in _spellings(each)}
    named = {spelling: each for each in own for spelling in _spellings(each)}
    tables = {name: value for name, value in said.items() if isinstance(value, Mapping) and name in commands}
    for where, keys, known in (
        (file, said.keys() - tables.keys(), at_top | {*commands}),
        (f"[{command}] of {file}", tables.get(command, {}), named),
    ):
        for key in sorted(keys):
            if key not in known:
                raise unknown(f"key in {where}:", key, sorted(known))
    shared = {
        name: value
        for name, value in said.items()
        if name in named and name not in tables and command in ELSEWHERE.get(name, SHARED)
    }
    filled = []
    for key, value in {**shared, **tables.get(command, {})}.items():
        option = named[key]
        option.default, option.required = _typed(value, option, f"{key} of {file}"), False
        filled.append(option.name or key)
    return file, filled


def _spellings(option: click.Parameter) -> set[str]:
    flags = [flag.removeprefix("--").replace("-", "_") for flag in option.opts if flag.startswith("--")]
    return {option.name or "", *flags}


def _typed(value: Any, option: click.Parameter, where: str) -> Any:
    """A value of the file as it would have been typed."""
    if isinstance(value, Mapping) and option.multiple:
        return tuple(f"{name}={_word(each)}" for name, each in value.items())
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        words = [_word(each) for each in value]
        return tuple(words) if option.nargs == -1 else ",".join(words)
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int | float):
        return (_word(value),) if option.nargs == -1 else _word(value)
    raise UsageError(f"{where} is a {type(value).__name__}: give a text, a number, true, false, or a list of these")


def _word(value: str | int | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
