"""Reading the TOML files that people write by hand: every mistake is named with its place."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgebench.ground.errors import UsageError, unknown


def read(path: Path, kind: str) -> dict[str, Any]:
    """The content of a TOML file; `kind` is what it should be. Raises UsageError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the {kind} {path}: {(error.strerror or 'it is not there').lower()}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the {kind} {path} is not TOML: {error}") from error


def check_keys(data: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raises UsageError for a key that is not `known`, with the nearest that are."""
    names = tuple(known)
    for key in data:
        if key not in names:
            raise unknown(f"key in {where}:", key, names)
