"""Flatbuffers without generated classes, written from plain Python; ground/flatbuffer.py reads them.

A table is a tuple with a value for each slot of its schema, None where it has none: a numpy scalar or array, a string,
a table, or a list of tables. A union takes two slots, a uint8 and a table.
"""

from __future__ import annotations

from typing import Any, Final

import flatbuffers
import numpy as np
from flatbuffers import number_types

Packed = tuple[Any, ...]

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
