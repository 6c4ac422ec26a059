"""A .tflite file whose image is of float32 pixels, made to take them as bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite.flatbuffer import read, rewrite


def take_bytes(path: Path) -> None:
    """Rewrites the file: its input becomes uint8, and is widened, or put into int8, by its first operator."""
    model = read(path)
    graph = model.subgraphs[0]
    (place,) = (int(number) for number in graph.inputs)
    old = graph.tensors[place]
    new = _pixels(old)
    graph.tensors.append(new)
    number = len(graph.tensors) - 1
    readers = [operator for operator in graph.operators if place in operator.inputs]
    quantize = _code(model, schema.BuiltinOperator.QUANTIZE)
    if len(readers) == 1 and readers[0].opcodeIndex == quantize:
        readers[0].inputs = [number]
    else:
        widen = schema.OperatorT()
        widen.opcodeIndex = _code(model, schema.BuiltinOperator.DEQUANTIZE)
        widen.inputs, widen.outputs = [number], [place]
        graph.operators.insert(0, widen)
        old.name = old.name + b"/pixels"
    graph.inputs = [number]
    for signature in model.signatureDefs or ():
        for given in signature.inputs:
            given.tensorIndex = number
    rewrite(model, path)


def _pixels(old: Any) -> Any:
    """A tensor of the same shape and name, of whole pixels."""
    new = schema.TensorT()
    new.name, new.shape, new.shapeSignature = old.name, old.shape, old.shapeSignature
    new.type = schema.TensorType.UINT8
    new.quantization = schema.QuantizationParametersT()
    new.quantization.scale, new.quantization.zeroPoint = [1.0], [0]
    return new


def _code(model: Any, operator: int) -> int:
    """The place of an operator among those that the file uses; added where it uses none yet."""
    for number, code in enumerate(model.operatorCodes):
        if operator in (code.builtinCode, code.deprecatedBuiltinCode):
            return number
    added = schema.OperatorCodeT()
    added.builtinCode = added.deprecatedBuiltinCode = operator
    added.version = 1
    model.operatorCodes.append(added)
    return len(model.operatorCodes) - 1
