"""The libraries whose layouts are known, and the look-up of a network in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from edgebench.ground.errors import UsageError
from edgebench.models.layouts import timm, torchvision
from edgebench.models.layouts.layout import Layout


@dataclass(frozen=True, kw_only=True)
class Library:
    """Layouts by the zoo's names; `note` is what a user has to know of every one of them, or ""."""

    layouts: Mapping[str, Layout]
    note: str = ""


LIBRARIES: Final[Mapping[str, Library]] = {
    "torchvision": Library(layouts=torchvision.LAYOUTS),
    "timm": Library(layouts=timm.LAYOUTS),
    "timm-tf": Library(layouts=timm.TENSORFLOW, note=timm.TENSORFLOW_NOTE),
}


def layout(library: str, name: str) -> Layout:
    """The layout of the zoo's network `name`. Raises UsageError, naming those it has, where the library has none."""
    known = LIBRARIES[library].layouts
    if name not in known:
        raise UsageError(f"there is no {library} layout of {name}; there is one of {', '.join(known)}")
    return known[name]


def hint(name: str, keys: Iterable[str], expected: Iterable[str]) -> str:
    """The library whose layout of `name` turns all `keys` into `expected` ones, or ""."""
    given, wanted = list(keys), set(expected)
    for library, known in LIBRARIES.items():
        found = known.layouts.get(name)
        if found and found.rows and given and wanted.issuperset(found.keys(given).values()):
            return library
    return ""
