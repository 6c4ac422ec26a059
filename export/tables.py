"""Flatbuffers without generated classes: written from plain Python, and read field by field.

A table is a tuple with a value for each slot of its schema, None where it has none: a numpy scalar or array, a string,
a table, or a list of tables. A union takes two slots, a uint8 and a table.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import flatbuffers
import numpy as np
import numpy.typing as npt
from flatbuffers import number_types

Packed = tuple[Any, ...]
DAMAGE: Final = (struct.error, LookupError, ValueError)  # what reading a damaged file ends in

_FLAGS: Final = {
    "bool": number_types.BoolFlags,
    "int8": number_types.Int8Flags,
    "uint8": number_types.Uint8Flags,
    "int16": number_types.Int16Flags,
    "int32": number_types.Int32Flags,
    "uint32": number_types.Uint32Flags,
    "int64": number_types.Int64Flags,
    "uint64": number_types.Uint64Flags,
    "float32": number_types.Float32Flags,
    "float64": number_types.Float64Flags,
}


def written(root: Packed, identifier: bytes) -> bytes:
    """The bytes of a flatbuffer."""
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(_table(builder, root), identifier)
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, slots: Packed) -> int:
    behind = [each if each is None or isinstance(each, np.generic) else _behind(builder, each) for each in slots]
    builder.StartObject(len(slots))
    for slot, value in enumerate(behind):
        if isinstance(value, np.generic):
            builder.PrependSlot(_FLAGS[value.dtype.name], slot, value.item(), 0)
        elif value is not None:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return int(builder.EndObject())


def _behind(builder: flatbuffers.Builder, value: Any) -> int:
    """Writes what a table refers to; returns where."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, tuple):
        return _table(builder, value)
    places = [_table(builder, each) for each in value]
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())


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
