"""TFLite metadata: what the outputs are called and how an image becomes the input, as task libraries read it.

The table is that of metadata_schema.fbs (TensorFlow Lite Support, identifier M001), in a buffer of the model; the names
are a text file in a zip archive behind the model's end.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.network import INPUT, OUTPUT
from edgebench.formats.tflite.flatbuffer import read, rewrite
from edgebench.ground.records import Preprocessing

NAME: Final = "TFLITE_METADATA"
IDENTIFIER: Final = b"M001"
FILE: Final = "labels.txt"
AXIS_LABELS, IMAGE, NORMALIZATION = 2, 2, 1  # of AssociatedFileType, ContentProperties, ProcessUnitOptions
RGB, GREY = 1, 2  # of ColorSpaceType
LEVELS: Final = 255.0  # the schema's values are those of 8-bit pixels
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the zip format's earliest time: the same network gives the same file


def attach(path: Path, labels: Sequence[str], preprocessing: Preprocessing | None) -> None:
    """Adds the metadata to the file at `path`, which stays as it is otherwise. Raises ExportError beyond 2 GB."""
    model = read(path)
    entry, table = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer = NAME, len(model.buffers)
    table.data = np.frombuffer(_table(preprocessing), np.uint8)
    model.buffers.append(table)
    model.metadata = [*(model.metadata or ()), entry]
    rewrite(model, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(FILE, _EPOCH), "".join(f"{label}\n" for label in labels))


def _table(preprocessing: Preprocessing | None) -> bytes:
    """The ModelMetadata table; every table's fields are given by their places in the schema."""
    builder = flatbuffers.Builder(1024)

    def made(fields: Mapping[int, int], *, places: int, bytes_: Mapping[int, int] | None = None) -> int:
        builder.StartObject(places)
        for place, offset in fields.items():
            builder.PrependUOffsetTRelativeSlot(place, offset, 0)
        for place, value in (bytes_ or {}).items():
            builder.PrependUint8Slot(place, value, 0)
        return int(builder.EndObject())

    def vector(*offsets: int) -> int:
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    names = made({0: builder.CreateString(FILE)}, places=5, bytes_={2: AXIS_LABELS})
    output = made({0: builder.CreateString(OUTPUT), 6: vector(names)}, places=7)
    source = {0: builder.CreateString(INPUT)}
    if preprocessing is not None and preprocessing.channels == "rgb":
        colours = GREY if len(preprocessing.mean) == 1 else RGB
        image = made({}, places=2, bytes_={0: colours})
        source[3] = made({1: image}, places=3, bytes_={0: IMAGE})
        both = [np.asarray(values, np.float32) * LEVELS for values in (preprocessing.mean, preprocessing.std)]
        options = made(
            {place: builder.CreateNumpyVector(np.float32(values)) for place, values in enumerate(both)}, places=2
        )
        source[4] = vector(made({1: options}, places=2, bytes_={0: NORMALIZATION}))
    given = made(source, places=7)
    graph = made({2: vector(given), 3: vector(output)}, places=9)
    root = made({0: builder.CreateString("edgebench"), 3: vector(graph)}, places=8)
    builder.Finish(root, IDENTIFIER)
    return bytes(builder.Output())
