"""Reads a .tflite file in Python, without its interpreter: a damaged file would end the process there, not here."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.foreign import Contents
from edgebench.formats.inspect import CONVERSION, DYNAMIC, FP16, FP32, INT8, SHAPE, Inspected, Operator
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Layout, TensorSpec

IDENTIFIER = b"TFL3"  # at offset 4
LAYOUTS: dict[int, Layout] = {2: "NC", 4: "NHWC"}
# What following a wrong offset raises: outside the file, a size that is none, a table that is not there.
DAMAGE = (struct.error, LookupError, ValueError, TypeError, OverflowError, AttributeError)
DTYPES = {code: name.lower() for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
OPERATORS: dict[int, str] = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "CAST")
SHAPES = ("RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "STRIDED_SLICE", "SLICE", "PAD", "SHAPE", "PACK")
HYBRID = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")  # take float activations with int8 weights
TENSORFLOW = "Flex"  # how the name of an operator begins that TensorFlow would have to run
WHOLE = ("int8", "uint8", "int16")


def foreign(path: Path) -> Contents:
    """Returns what is in the file's first subgraph. Raises UsageError for a damaged file, and for one that LiteRT alone
    does not run."""
    found = _read(path)
    if flex := [name for name in found.operators if name.startswith(TENSORFLOW)]:
        raise UsageError(
            f"{path} needs operators of TensorFlow itself ({', '.join(flex)}), which LiteRT does not have: convert it "
            "with TFLite's built-in operators alone"
        )
    return found


def _read(path: Path) -> Contents:
    content = path.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise UsageError(f"{path} is not a TFLite file: it lacks the mark TFL3")
    try:
        return _contents(schema.Model.GetRootAs(content, 0), content)
    except DAMAGE as error:
        raise UsageError(f"{path} is damaged or a part of a TFLite file: download or export it again") from error


def _contents(model: Any, content: bytes) -> Contents:
    graph = model.Subgraphs(0)
    tensors = [_tensor(graph.Tensors(index)) for index in range(graph.TensorsLength())]
    operators: Counter[str] = Counter()
    for index in range(graph.OperatorsLength()):
        code = model.OperatorCodes(graph.Operators(index).OpcodeIndex())
        name = operator_name(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        operators[code.CustomCode().decode() if name == "CUSTOM" else name] += 1
    return Contents(
        inputs=tuple(tensors[index] for index in _indices(graph.InputsAsNumpy())),
        outputs=tuple(tensors[index] for index in _indices(graph.OutputsAsNumpy())),
        operators=dict(operators),
        weights=_weights(model, graph, tensors, content),
        tool_versions={"tflite schema": str(model.Version())},
    )


def _indices(vector: Any) -> list[int]:
    """Returns a vector of tensor indices; an empty one, which flatbuffers leave out, is damage at both ends."""
    indices = [int(index) for index in vector]
    if not indices or min(indices) < 0:
        raise ValueError(f"tensor indices {indices}")
    return indices


def _tensor(tensor: Any) -> TensorSpec:
    sizes = tensor.ShapeSignatureAsNumpy() if tensor.ShapeSignatureLength() else tensor.ShapeAsNumpy()
    shape = tuple(int(size) if size >= 0 else None for size in sizes) if tensor.ShapeLength() else ()
    dtype = DTYPES.get(tensor.Type())
    if dtype is None:
        raise ValueError(f"tensor type {tensor.Type()}")
    parameters = tensor.Quantization()
    single = parameters is not None and parameters.ScaleLength() == parameters.ZeroPointLength() == 1
    return TensorSpec(
        name=(tensor.Name() or b"").decode(),
        shape=shape,
        dtype=dtype,
        layout=LAYOUTS.get(len(shape)),
        scale=float(parameters.Scale(0)) if single else None,
        zero_point=int(parameters.ZeroPoint(0)) if single else None,
    )


def operator_name(code: int, older: int) -> str:
    """Returns an operator's name by both fields of its code: codes above 127 do not fit the older, which holds 127.

    Raises LookupError for a code that the schema does not have.
    """
    return OPERATORS[max(code, older)]


def operators(content: bytes) -> Iterator[tuple[str, Any, Any]]:
    """Yields each operator of a whole file's first subgraph where it lies, with its kind, and the subgraph."""
    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    codes = [model.OperatorCodes(at) for at in range(model.OperatorCodesLength())]
    kinds = [operator_name(code.BuiltinCode(), code.DeprecatedBuiltinCode()) for code in codes]
    for operator in map(graph.Operators, range(graph.OperatorsLength())):
        yield kinds[operator.OpcodeIndex()], operator, graph


def name_of(graph: Any, tensor: int) -> str:
    """The name of a subgraph's tensor."""
    return _name(graph.Tensors(int(tensor)))


def holds_data(model: Any, tensor: Any) -> bool:
    """Whether a tensor is a constant."""
    return _size(model, tensor) > 0


def _weights(model: Any, graph: Any, tensors: list[TensorSpec], content: bytes) -> dict[str, int]:
    """Counts the constants' elements by dtype, and so reads every buffer's extent: a cut file ends inside one."""
    weights: Counter[str] = Counter()
    for index, tensor in enumerate(tensors):
        size = _buffer_size(model.Buffers(graph.Tensors(index).Buffer()), content)
        if size:
            weights[tensor.dtype] += math.prod(length or 0 for length in tensor.shape)
    return dict(weights)


def _buffer_size(buffer: Any, content: bytes) -> int:
    """Returns the bytes of a buffer, inside the flatbuffer or, in large files, behind it."""
    if buffer.Offset() > 1:
        if buffer.Offset() + buffer.Size() > len(content):
            raise ValueError("a buffer ends behind the file")
        return int(buffer.Size())
    return int(np.size(buffer.DataAsNumpy())) if buffer.DataLength() else 0


def inspect(path: Path) -> Inspected:
    """Returns what is in the file's first subgraph. Raises UsageError for a file that is damaged."""
    contents = _read(path)  # follows every offset once, so that the rest can rely on them
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    operators = tuple(_operator(model, graph, graph.Operators(index)) for index in range(graph.OperatorsLength()))
    return Inspected(contents.inputs, contents.outputs, operators)


def _operator(model: Any, graph: Any, operator: Any) -> Operator:
    code = model.OperatorCodes(operator.OpcodeIndex())
    kind = operator_name(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    given = [graph.Tensors(int(index)) for index in operator.InputsAsNumpy() if index >= 0]
    written = [graph.Tensors(int(index)) for index in operator.OutputsAsNumpy()]
    constant = [one for one in given if _size(model, one)]
    flowing = [one for one in given if not _size(model, one)]
    weights: Counter[str] = Counter()
    for tensor in constant:
        weights[DTYPES[tensor.Type()]] += _size(model, tensor)
    return Operator(
        name=_name(written[0]),
        kind=kind,
        computes=_computes(kind, [DTYPES[one.Type()] for one in flowing], weights),
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
