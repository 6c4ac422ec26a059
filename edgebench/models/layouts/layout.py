"""What one library's weights of one family are: key names as a table, and what else is not ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Rows = tuple[tuple[str, str], ...]

LAYOUT_KEY: Final = "edgebench.layout"
"""The metadata entry of a .safetensors file that names the library whose layout its keys have."""

_BLOCK: Final = re.compile(r"blocks\.(\d+)\.(\d+)\.")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One library's weights of one family.

    `rows` map module paths, theirs to ours; without rows they are the same. In theirs `{s}` is a stage's and `{b}` a
    block's number; ours may use these, `{S}` (the stage, counted from one), `{B}` (the block, counted from one through
    the whole network) and `{E}` (one more than there are blocks). `eps` is the epsilon of their batch norms where it
    is not ours, `images` what differs in Preprocessing, by field.
    """

    rows: Rows = ()
    eps: float | None = None
    images: Mapping[str, Any] = field(default_factory=dict)

    def keys(self, theirs: Iterable[str]) -> dict[str, str]:
        """Our name of each of their keys; one that the table does not know keeps its own, and will not fit."""
        names = list(theirs)
        blocks = sorted({(int(found[1]), int(found[2])) for name in names if (found := _BLOCK.match(name))})
        count = {block: index for index, block in enumerate(blocks, 1)}
        patterns = [(_pattern(left), right) for left, right in self.rows]
        return {name: _ours(name, patterns, count) for name in names}


def _pattern(path: str) -> re.Pattern[str]:
    """A regular expression for a row's left side; a stage that it spells out is kept as the group of its number."""
    escaped = re.escape(path).replace(r"\{s\}", r"(?P<s>\d+)").replace(r"\{b\}", r"(?P<b>\d+)")
    return re.compile(re.sub(r"^blocks\\\.(\d+)\\\.", r"blocks\\.(?P<s>\1)\\.", escaped))


def _ours(name: str, patterns: list[tuple[re.Pattern[str], str]], count: Mapping[tuple[int, int], int]) -> str:
    path, _, leaf = name.rpartition(".")
    for pattern, right in patterns:
        if found := pattern.fullmatch(path):
            numbers = {key: int(value) for key, value in found.groupdict().items()}
            fields = numbers | {"E": len(count) + 1}
            if "b" in numbers:
                fields |= {"S": numbers["s"] + 1, "B": count[numbers["s"], numbers["b"]]}
            return f"{right.format(**fields)}.{leaf}"
    return name
