"""A TFLite flatbuffer on disk, its weights streamed: memory never holds a second copy of the network.

A flatbuffer refers to its vectors by relative offsets, so the vectors of weights may lie behind everything else. The
builder then sees only the small tables, where a vector behind the builder's end has a negative offset, and each
array is brought into order while it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgebench.ground.errors import ExportError

ALIGNMENT: Final = 16  # schema.fbs: Buffer.data is force_align 16
LIMIT: Final = 2**31 - 1  # bytes; readers check flatbuffers with signed 32-bit offsets
CHUNK: Final = 16 * 2**20  # bytes that are brought into order at a time
IDENTIFIER: Final = b"TFL3"


@dataclass(frozen=True)
class Weights:
    """An array that goes into the file as `dtype`, in its own (perhaps transposed) order of axes."""

    array: npt.NDArray[Any]
    dtype: np.dtype[Any]

    @property
    def size_bytes(self) -> int:
        """Bytes in the file."""
        return self.array.size * self.dtype.itemsize

    def chunks(self) -> Iterator[bytes]:
        """Yields the bytes in pieces, so that only one piece is ever copied."""
        if self.array.ndim == 0:
            yield self.array.astype(self.dtype).tobytes()
            return
        rows = max(1, CHUNK * len(self.array) // max(1, self.size_bytes))
        for start in range(0, len(self.array), rows):
            yield self.array[start : start + rows].astype(self.dtype).tobytes()


@dataclass
class Tail:
    """The vectors behind the tables: each a 32-bit length and its data, the data aligned."""

    weights: list[Weights] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, weights: Weights) -> schema.BufferT:
        """Appends one vector and returns the buffer that refers to it."""
        position = self._data_position(self.size_bytes) - 4
        self.weights.append(weights)
        self.size_bytes = position + 4 + weights.size_bytes
        return _TailBuffer(position)

    def write(self, file: BinaryIO) -> None:
        """Writes all vectors; the file must stand at an aligned position."""
        at = 0
        for weights in self.weights:
            start = self._data_position(at)
            file.write(bytes(start - 4 - at) + np.uint32(weights.size_bytes).tobytes())
            file.writelines(weights.chunks())
            at = start + weights.size_bytes

    @staticmethod
    def _data_position(end: int) -> int:
        return -(-(end + 4) // ALIGNMENT) * ALIGNMENT


class _TailBuffer(schema.BufferT):  # type: ignore[misc]
    """A Buffer whose data lies `position` bytes behind the tables' end."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self._position = position

    def Pack(self, builder: flatbuffers.Builder) -> int:
        """Writes the table; the builder counts offsets back from its end, so what is behind it is negative."""
        schema.BufferStart(builder)
        schema.BufferAddData(builder, -self._position)
        return int(schema.BufferEnd(builder))


def write(model: schema.ModelT, tail: Tail, path: Path) -> None:
    """Writes the tables and then the tail to `path`. Raises ExportError for a file beyond 2 GB."""
    builder = flatbuffers.Builder(1 << 16)
    root = model.Pack(builder)
    builder.minalign = max(builder.minalign, ALIGNMENT)  # the tail starts at the end of the tables, aligned
    builder.Finish(root, IDENTIFIER)
    tables = builder.Output()
    total = len(tables) + tail.size_bytes
    if total > LIMIT:
        raise ExportError(f"the file would have {total} bytes, and TFLite files end at {LIMIT}: export `format='onnx'`")
    with path.open("wb") as file:
        file.write(tables)
        tail.write(file)


def read(path: Path) -> schema.ModelT:
    """The file as objects that may be changed, every buffer with its values."""
    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # they lie behind the tables, as the quantizer writes them (schema.fbs, Buffer.offset)
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def rewrite(model: schema.ModelT, path: Path) -> None:
    """Writes what `read` gave, changed or not. Raises ExportError for a file beyond 2 GB."""
    tail = Tail()
    held = [buffer.data is not None and len(buffer.data) > 0 for buffer in model.buffers]
    model.buffers = [
        tail.add(Weights(np.asarray(buffer.data, np.uint8), np.dtype(np.uint8))) if full else buffer
        for buffer, full in zip(model.buffers, held, strict=True)
    ]
    write(model, tail, path)
