"""The names of the outputs and the normalisation in a file's metadata, read back as the schema says."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import encode, number_types, packer
from flatbuffers.table import Table
from torch import nn

from edgebench.formats.network import Network
from edgebench.formats.tflite import metadata
from edgebench.formats.tflite.shorten import cut
from edgebench.formats.tflite.writer import write
from edgebench.graph.capture import capture
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec, Preprocessing
from edgebench.runtimes.litert import engine as litert

SPEC = ModelSpec(name="nets.py:Tiny", family="user", resolution=8)
LABELS = ("cat", "dog, hound", "été", "owl", "newt")
PREPARED = Preprocessing(resize=8, crop=8, interpolation="bilinear", mean=(0.5, 0.4, 0.2), std=(0.25, 0.2, 0.1))


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)).eval()
    return Network(SPEC, module, preprocessing=PREPARED, labels=LABELS)


def at(table: Table, place: int) -> int:
    """Where a field of a table begins; 0 where it is left out."""
    offset = table.Offset(4 + 2 * place)
    return offset + table.Pos if offset else 0


def below(table: Table, place: int, *, number: int | None = None) -> Table:
    """The table in a field, or in a vector of tables there."""
    offset = table.Offset(4 + 2 * place)
    start = table.Indirect(at(table, place)) if number is None else table.Indirect(table.Vector(offset) + 4 * number)
    return Table(table.Bytes, start)


def floats(table: Table, place: int) -> list[float]:
    return table.GetVectorAsNumpy(number_types.Float32Flags, table.Offset(4 + 2 * place)).tolist()


def byte(table: Table, place: int) -> int:
    return table.Get(number_types.Uint8Flags, at(table, place))


def read(path: Path) -> tuple[Any, Table]:
    """The model, and the root of its metadata."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    [entry] = [each for each in model.metadata if each.name == b"TFLITE_METADATA"]
    data = bytearray(np.asarray(model.buffers[entry.buffer].data, np.uint8).tobytes())
    assert bytes(data[4:8]) == b"M001"
    return model, Table(data, encode.Get(packer.uoffset, data, 0))


def test_names_and_normalisation_are_in_the_file_and_it_computes_as_before(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    write(capture(network.module, SPEC.input_shape), path)
    x = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
    before = litert.load(str(path)).run(x)
    metadata.attach(path, LABELS, PREPARED)
    assert np.array_equal(litert.load(str(path)).run(x), before)
    assert zipfile.ZipFile(path).read("labels.txt").decode() == "".join(f"{label}\n" for label in LABELS)
    _, root = read(path)
    graph = below(root, 3, number=0)
    given, output = below(graph, 2, number=0), below(graph, 3, number=0)
    assert [table.String(at(table, 0)) for table in (given, output)] == [b"image", b"logits"]
    names = below(output, 6, number=0)
    assert (names.String(at(names, 0)), byte(names, 2)) == (b"labels.txt", 2)
    assert (byte(below(given, 3), 0), byte(below(below(given, 3), 1), 0)) == (2, 1)
    unit = below(given, 4, number=0)
    assert byte(unit, 0) == 1
    np.testing.assert_allclose(floats(below(unit, 1), 0), [127.5, 102, 51])
    np.testing.assert_allclose(floats(below(unit, 1), 1), [63.75, 51, 25.5])
    again = tmp_path / "again.tflite"
    write(capture(network.module, SPEC.input_shape), again)
    metadata.attach(again, LABELS, PREPARED)
    assert again.read_bytes() == path.read_bytes()


def test_values_that_lie_behind_the_tables_stay_what_they_are(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    write(capture(network.module, SPEC.input_shape), path)
    x = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
    before = litert.load(str(path)).run(x)
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    moved = [(buffer, bytes(bytearray(buffer.data))) for buffer in model.buffers if buffer.data is not None]
    tables, place = b"", 2**20
    for _ in range(2):  # once for the tables' size, once with the places behind them
        for buffer, values in moved:
            buffer.data, buffer.offset, buffer.size = None, place, len(values)
            place += -(-len(values) // 16) * 16
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        tables = bytes(builder.Output())
        place = -(-len(tables) // 16) * 16
    padded = [values.ljust(-(-len(values) // 16) * 16, b"\0") for _, values in moved]
    path.write_bytes(tables.ljust(place, b"\0") + b"".join(padded))
    assert np.array_equal(litert.load(str(path)).run(x), before)
    (tmp_path / "parts").mkdir()
    whole = cut(path, tmp_path / "parts")[-1]
    metadata.attach(path, LABELS, PREPARED)
    for same in (path, whole.path):
        assert np.array_equal(litert.load(str(same)).run(x), before)


def test_names_are_the_given_ones_or_the_modules_own(network: Network) -> None:
    assert network.names == LABELS
    network.module.class_names = list(LABELS)  # type: ignore[assignment]
    assert Network(SPEC, network.module).names == LABELS
    network.module.class_names = ["another", "number"]  # type: ignore[assignment]
    assert Network(SPEC, network.module).names == ()
    with pytest.raises(UsageError, match="Tiny-r8 has 5 outputs, and 2 `labels` are given"):
        _ = Network(SPEC, network.module, labels=("a", "b")).names
