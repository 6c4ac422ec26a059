"""What is inside an .mnn file, as MNN's own converter writes it as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgebench.formats.inspect import CONVERSION, FP16, FP32, SHAPE, Inspected, Operator
from edgebench.formats.mnn.tool import run
from edgebench.formats.native import session
from edgebench.formats.network import LAYOUTS
from edgebench.ground.errors import ExportError, UsageError
from edgebench.ground.records import TensorSpec

LONG = 4096  # characters of a line: an array of weights
MOVES = ("ConvertTensor", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Permute", "Concat", "Slice")
IN_8_BITS = ("ConvInt8", "DepthwiseConvInt8", "EltwiseInt8", "PoolInt8")


def inspect(path: Path) -> Inspected:
    """Returns what is in the file. Raises UsageError for one that is damaged."""
    try:
        found = operators(path)
    except (ExportError, ValueError, LookupError) as error:
        raise UsageError(f"{path} cannot be read: it is damaged, or no MNN file; copy or export it again") from error
    inputs, outputs = tensors(path)
    return Inspected(inputs=inputs, outputs=outputs, operators=tuple(found), int8_kinds=IN_8_BITS)


def tensors(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and outputs of a file."""
    loaded = session("mnn", str(path), exact=True)
    return tuple(map(_tensor, loaded.inputs)), tuple(map(_tensor, loaded.outputs))


def _tensor(known: dict[str, Any]) -> TensorSpec:
    shape = tuple(known["shape"])
    return TensorSpec(name=known["name"], shape=shape, dtype=known["dtype"], layout=LAYOUTS.get(len(shape)))


def operators(path: Path) -> list[Operator]:
    """The operators of a file, without its inputs and constants. Raises ExportError where it cannot be read."""
    with TemporaryDirectory() as folder:
        text = Path(folder) / "network.json"
        run(text, "-f", "MNN", "--modelFile", str(path), "--JsonFile", str(text))
        known = json.loads("".join(_without_weights(text)))
    names = known["tensorName"]
    return [_operator(one, names) for one in known["oplists"] if one["type"] not in ("Input", "Const")]


def _without_weights(text: Path) -> Iterator[str]:
    """The lines, with the number of its elements in place of every long array of numbers."""
    with text.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            yield line if len(line) < LONG or '"' in line else f"[{line.count(',') + 1}]\n"


def _operator(one: dict[str, Any], names: list[str]) -> Operator:
    main = one.get("main", {})
    halves, floats = _count(main.get("quanParameter", {}).get("buffer", [])), _count(main.get("weight", []))
    weights = {"float16": halves} if halves else {"float32": 4 * floats} if floats else {}
    kind = one["type"]
    moved = CONVERSION if kind == "ConvertTensor" else SHAPE if kind in MOVES else ""
    return Operator(
        name=one.get("name", kind),
        kind=kind,
        computes=moved or (FP16 if halves else FP32),
        inputs=tuple(names[at] for at in one.get("inputIndexes", [])),
        outputs=tuple(names[at] for at in one["outputIndexes"]),
        weights=weights,
    )


def _count(array: list[float]) -> int:
    """How many elements an array has, or had."""
    return int(array[0]) if len(array) == 1 else len(array)
