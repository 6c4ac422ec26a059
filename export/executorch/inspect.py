"""What is inside a .pte file: what its delegates' XNNPACK graphs compute, and what it calls kernels for."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from edgebench.formats.executorch.program import BACKEND, DELEGATE, DTYPES, IDENTIFIER, TENSOR
from edgebench.formats.executorch.xnnpack import MAGIC, NODES, references
from edgebench.formats.inspect import CONVERSION, FP16, FP32, INT8, SHAPE, Inspected, Operator
from edgebench.formats.network import LAYOUTS
from edgebench.ground.errors import UsageError
from edgebench.ground.flatbuffer import DAMAGE, Table
from edgebench.ground.records import TensorSpec

STORED: Final = {1: "float32", 2: "float16", 3: "int8", 4: "uint8", 5: "int32", 6: "int8", 7: "int32"}
MOVES: Final = ("StaticTranspose", "StaticReshape", "StaticConstantPad", "StaticSlice", "Copy")
CALLED_MOVES: Final = ("permute", "view", "slice", "constant_pad", "cat", "index_select")
# What XNNPACK computes in float alone.
FLOATS: Final = ("BatchMatrixMultiply", "Cos", "Div", "Exp", "Gelu", "Log", "ReciprocalSquareRoot", "Sin", "Softmax",
                 "Square", "SquareRoot")  # fmt: skip
NAMES: Final = {code: name for name, code in DTYPES.items()}


def inspect(path: Path) -> Inspected:
    """Returns what is in the file. Raises UsageError for one that is damaged, or for other delegates than XNNPACK."""
    content = path.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise UsageError(f"{path} is not an ExecuTorch file: it lacks the mark {IDENTIFIER.decode()}")
    try:
        (plan,) = Table.root(content).tables(1)
        if foreign := [each.text(0) for each in plan.tables(7) if each.text(0) != BACKEND]:
            raise UsageError(f"{path} is for {', '.join(foreign)}, and edgebench reads XNNPACK's delegates alone")
        values = plan.tables(2)
        inputs, outputs = (
            [_spec(values[at], f"{side}_{number}") for number, at in enumerate(plan.array(slot, "<i4"))]
            for slot, side in ((3, "input"), (4, "output"))
        )
        return Inspected(
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            operators=tuple(_operators(content, plan)),
            int8_kinds=tuple(kind for kind in NODES if kind not in FLOATS),
        )
    except DAMAGE as error:
        raise UsageError(f"{path} cannot be read: it is damaged; copy or export it again") from error


def _spec(value: Table, name: str) -> TensorSpec:
    tensor = _within(value, 0)
    if value.number(0, "B") != TENSOR:
        raise ValueError("an end that is no tensor")
    shape, dtype = tuple(tensor.array(2, "<i4").tolist()), NAMES[tensor.number(0, "b")]
    layout = "NHWC" if dtype == "uint8" else LAYOUTS.get(len(shape))
    return TensorSpec(name=name, shape=shape, dtype=dtype, layout=layout)


def _within(table: Table, union: int) -> Table:
    """The table of a union, whose type is in the slot before it."""
    found = table.table(union + 1)
    if found is None:
        raise ValueError("a union without a table")
    return found


def _operators(content: bytes, plan: Table) -> Iterator[Operator]:
    segments = Table.root(content).tables(4)
    (base,) = struct.unpack_from("<Q", content, 8 + 16)
    kernels = [each.text(0) for each in plan.tables(6)]
    (chain,) = plan.tables(5)
    for number, instruction in enumerate(chain.tables(2)):
        call = _within(instruction, 0)
        at = call.number(0, "i")
        if instruction.number(0, "B") != DELEGATE:
            kind = kernels[at].removeprefix("aten::")
            yield Operator(f"{number}", kind, SHAPE if kind.startswith(CALLED_MOVES) else FP32)
            continue
        held = segments[_within_delegate(plan, at)]
        start = base + held.number(0, "Q")
        yield from _nodes(content[start : start + held.number(1, "Q")], f"{number}.")


def _within_delegate(plan: Table, at: int) -> int:
    processed = plan.tables(7)[at].table(1)
    return 0 if processed is None else int(processed.number(1, "I"))


def _nodes(payload: bytes, prefix: str) -> Iterator[Operator]:
    if payload[4:8] != MAGIC:
        raise ValueError("a delegate without a header")
    _, start, size = struct.unpack_from("<HII", payload, 8)
    graph = Table.root(payload[start : start + size])
    sizes = [each.number(1, "Q") for each in graph.tables(8)]
    types: dict[int, str] = {}
    weights: dict[int, int] = {}
    shapes: dict[int, tuple[int, ...]] = {}
    for value in graph.tables(2):
        tensor = _within(value, 0)
        if value.number(0, "B") == 2:
            tensor = tensor.table(0) or tensor
        number, constant = tensor.number(6, "I"), tensor.number(3, "I")
        types[number], shapes[number] = STORED[tensor.number(0, "h")], tuple(tensor.array(2, "<u4").tolist())
        if constant:
            weights[number] = sizes[constant]
    for position, node in enumerate(graph.tables(1)):
        kind = NODES[node.number(0, "B") - 1]
        slots = _within(node, 0)
        *given, made = [number for at in references(kind) if (number := slots.number(at, "I")) in types]
        stored: dict[str, int] = {}
        for each in given:
            if each in weights:
                stored[types[each]] = stored.get(types[each], 0) + weights[each]
        yield Operator(
            name=f"{prefix}{position}",
            kind=kind,
            computes=_computes(kind, types[made], stored),
            inputs=tuple(f"{prefix}{each}" for each in given if each not in weights),
            outputs=(f"{prefix}{made}",),
            shape=shapes[made],
            weights=stored,
        )


def _computes(kind: str, made: str, stored: dict[str, int]) -> str:
    if kind == "Convert" or kind in MOVES:
        return CONVERSION if kind == "Convert" else SHAPE
    return INT8 if np.dtype(made).kind in "iu" else FP16 if "float16" in stored else FP32
