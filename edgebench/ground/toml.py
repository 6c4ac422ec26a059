"""Reading the TOML files that people write by hand, with every mistake named with its place; and writing such."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgebench.ground.errors import UsageError, reason, unknown
from edgebench.ground.paths import check_no_pipe


def read(path: Path, kind: str) -> dict[str, Any]:
    """The content of a TOML file; `kind` is what it should be. Raises UsageError when it cannot be read."""
    try:
        check_no_pipe(path)
        return parse(path.read_bytes(), f"the {kind} {path}")
    except OSError as error:
        raise UsageError(f"cannot read the {kind} {path}: {reason(error)}") from error


def parse(data: bytes | str, name: str) -> dict[str, Any]:
    """The content of TOML text; `name` is what messages call it. Raises UsageError."""
    import tomllib  # a shell that asks for names needs none of it

    try:
        return tomllib.loads(data if isinstance(data, str) else data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not TOML: it is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:  # an endless number, or brackets without end
        raise UsageError(f"{name} is not TOML: {error}") from error


def check_keys(data: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raises UsageError for a key that is not `known`, with the nearest that are."""
    names = tuple(known)
    for key in data:
        if key not in names:
            raise unknown(f"key in {where}:", key, names)


def show(data: Mapping[str, Any]) -> str:
    """`data` as TOML: a list of tables as an array of tables, and tables within these each on a line of its own."""
    import tomlkit

    document = tomlkit.document()
    for name, value in data.items():
        if isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
            array = tomlkit.aot()
            for each in value:
                table = tomlkit.table()
                for key, held in each.items():
                    inline = tomlkit.inline_table()
                    if isinstance(held, Mapping):
                        inline.update(held)
                    table[key] = inline if isinstance(held, Mapping) else held
                array.append(table)
            document.append(name, array)
        else:
            document.append(name, tomlkit.item(value))
    return tomlkit.dumps(document)
