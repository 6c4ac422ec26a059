"""The operators of a .tflite file, read in Python, without its interpreter."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.inspect import CONVERSION, DYNAMIC, FP16, FP32, INT8, SHAPE, Inside, Operator
from edgebench.formats.tflite import foreign

CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "CAST")
SHAPES = ("RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "STRIDED_SLICE", "SLICE", "PAD", "SHAPE", "PACK")
HYBRID = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")  # take float activations with int8 weights
WHOLE = ("int8", "uint8", "int16")


def read(path: Path) -> Inside:
    """Returns what is in the file's first subgraph. Raises UsageError for a file that is damaged."""
    contents = foreign.read(path)  # follows every offset once, so that the rest can rely on them
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    operators = tuple(_operator(model, graph, graph.Operators(index)) for index in range(graph.OperatorsLength()))
    return Inside(contents.inputs, contents.outputs, operators)


def _operator(model: Any, graph: Any, operator: Any) -> Operator:
    code = model.OperatorCodes(operator.OpcodeIndex())
    kind = foreign.operator_name(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    given = [graph.Tensors(int(index)) for index in operator.InputsAsNumpy() if index >= 0]
    written = [graph.Tensors(int(index)) for index in operator.OutputsAsNumpy()]
    constant = [one for one in given if _size(model, one)]
    flowing = [one for one in given if not _size(model, one)]
    weights: Counter[str] = Counter()
    for tensor in constant:
        weights[foreign.DTYPES[tensor.Type()]] += _size(model, tensor)
    return Operator(
        name=_name(written[0]),
        kind=kind,
        computes=_computes(kind, [foreign.DTYPES[one.Type()] for one in flowing], weights),
        inputs=tuple(map(_name, flowing)),
        outputs=tuple(map(_name, written)),
        shape=tuple(int(size) for size in written[0].ShapeAsNumpy()) if written[0].ShapeLength() else (),
        weights=dict(weights),
    )


def _name(tensor: Any) -> str:
    return str((tensor.Name() or b"").decode())


def _size(model: Any, tensor: Any) -> int:
    buffer = model.Buffers(tensor.Buffer())
    return int(buffer.Size()) if buffer.Offset() > 1 else int(buffer.DataLength())


def _computes(kind: str, flowing: list[str], weights: Counter[str]) -> str:
    """By the types that flow in: a float activation is computed with in float, but for dynamic-range layers."""
    if kind in CONVERSIONS:
        return CONVERSION
    if kind in SHAPES:
        return SHAPE
    if flowing and flowing[0] in WHOLE:
        return INT8
    if kind in HYBRID and any(dtype in weights for dtype in WHOLE):
        return DYNAMIC
    return FP16 if "float16" in (*flowing, *weights) else FP32
