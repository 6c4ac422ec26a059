"""Reading the TOML files that people write by hand, with every mistake named with its place; and writing such."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebench.ground.errors import UsageError, unknown

if TYPE_CHECKING:
    from tomlkit.items import InlineTable


def read(path: Path, kind: str) -> dict[str, Any]:
    """The content of a TOML file; `kind` is what it should be. Raises UsageError when it cannot be read."""
    try:
        return parse(path.read_bytes(), f"the {kind} {path}")
    except OSError as error:
        raise UsageError(f"cannot read the {kind} {path}: {(error.strerror or 'it is not there').lower()}") from error


def parse(data: bytes | str, name: str) -> dict[str, Any]:
    """The content of TOML text; `name` is what messages call it. Raises UsageError."""
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
                table.update({key: _inline(held) if isinstance(held, Mapping) else held for key, held in each.items()})
                array.append(table)
            document.append(name, array)
        else:
            document.append(name, tomlkit.item(value))
    return tomlkit.dumps(document)


def _inline(values: Mapping[str, Any]) -> InlineTable:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(values)
    return table
