"""Flatbuffers without generated classes, read field by field; export/tables.py writes them."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

DAMAGE: Final = (struct.error, LookupError, ValueError)  # what reading a damaged file ends in


class Table:
    """A table in `content`, at `place`. What a field has not is empty. Raises struct.error beyond the content's end."""

    def __init__(self, content: bytes, place: int) -> None:
        self._content, self._place = content, place

    @classmethod
    def root(cls, content: bytes) -> Table:
        """The outermost table."""
        return cls(content, _at(content, "I", 0))

    def number(self, slot: int, dtype: str, default: Any = 0) -> Any:
        """A scalar of one of struct's types."""
        place = self._field(slot)
        return _at(self._content, dtype, place) if place else default

    def text(self, slot: int) -> str:
        """A string."""
        start, length = self._vector(slot)
        return self._content[start : start + length].decode(errors="replace")

    def array(self, slot: int, dtype: str) -> npt.NDArray[Any]:
        """A vector of scalars of one of numpy's types."""
        start, length = self._vector(slot)
        if start + length * np.dtype(dtype).itemsize > len(self._content):
            raise struct.error(f"a vector of {length} elements ends behind the file")
        return np.frombuffer(self._content, dtype, length, start)

    def table(self, slot: int) -> Table | None:
        """A table."""
        place = self._field(slot)
        return self._behind(place) if place else None

    def tables(self, slot: int) -> list[Table]:
        """A vector of tables."""
        start, length = self._vector(slot)
        return [self._behind(start + 4 * number) for number in range(length)]

    def texts(self, slot: int) -> list[str]:
        """A vector of strings."""
        start, length = self._vector(slot)
        found = []
        for place in range(start, start + 4 * length, 4):
            at = place + _at(self._content, "I", place)
            found.append(self._content[at + 4 : at + 4 + _at(self._content, "I", at)].decode(errors="replace"))
        return found

    def length(self, slot: int) -> int:
        """How many elements a vector has."""
        return self._vector(slot)[1]

    def _field(self, slot: int) -> int:
        """Where a field is; 0 where it is absent."""
        known = self._place - _at(self._content, "i", self._place)
        place = 4 + 2 * slot
        offset = _at(self._content, "H", known + place) if place < _at(self._content, "H", known) else 0
        return self._place + offset if offset else 0

    def _vector(self, slot: int) -> tuple[int, int]:
        place = self._field(slot)
        if not place:
            return 0, 0
        start = place + _at(self._content, "I", place)
        return start + 4, _at(self._content, "I", start)

    def _behind(self, place: int) -> Table:
        return Table(self._content, place + _at(self._content, "I", place))


def _at(content: bytes, dtype: str, place: int) -> Any:
    if place < 0:
        raise struct.error("an offset lies before the file")
    return struct.unpack_from(f"<{dtype}", content, place)[0]
