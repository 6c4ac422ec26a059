"""A TFLite model as it grows: tensors, constants, operators, one signature. It knows the format and no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite import flatbuffer
from edgebench.formats.tflite.inspect import OPERATORS

SIGNATURE: Final = "serving_default"
SCHEMA_VERSION: Final = 3
SHARED_ELEMENTS: Final = 64  # constants up to this size are stored once, however often they are used

_TYPES: Final = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int32": schema.TensorType.INT32,
}


class Model:
    """One subgraph under construction. Tensors are referred to by their index."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._tail = flatbuffer.Tail()
        self._buffers = [schema.BufferT()]  # buffer 0 is empty, for tensors that are computed
        self._tensors: list[schema.TensorT] = []
        self._operators: list[schema.OperatorT] = []
        self._codes: dict[tuple[int, int], int] = {}
        self._shared: dict[tuple[str, tuple[int, ...], bytes], int] = {}
        self._names: Counter[str] = Counter()

    def computed(self, name: str, shape: Sequence[int], *, batched: bool = True) -> int:
        """Adds a float32 tensor that an operator computes. Its first axis is the batch, and dynamic, if `batched`."""
        tensor = self._tensor(name, shape, "float32")
        if batched:
            self._tensors[tensor].shapeSignature = np.array((-1, *shape[1:]), np.int32)
        return tensor

    def constant(self, name: str, array: npt.NDArray[Any], shape: Sequence[int] | None = None, dtype: str = "") -> int:
        """Adds a constant tensor of `array`'s elements, as `dtype` and in another `shape` where these are given.

        The array is read when the file is written, so it must not change before.
        """
        dtype = dtype or array.dtype.name
        shape = array.shape if shape is None else tuple(shape)
        key = (dtype, shape, array.tobytes()) if array.size <= SHARED_ELEMENTS else None
        if key in self._shared:
            return self._shared[key]
        tensor = self._tensor(name, shape, dtype)
        self._tensors[tensor].buffer = len(self._buffers)
        self._buffers.append(self._tail.add(flatbuffer.Weights(array, np.dtype(dtype))))
        if key is not None:
            self._shared[key] = tensor
        return tensor

    def operator(self, code: int, inputs: Sequence[int], output: int, options: Any = None, version: int = 1) -> int:
        """Adds an operator and returns its output. `options` is the schema's object for it, if it has one."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault((code, version), len(self._codes))
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        if options is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            operator.builtinOptions = options
        self._operators.append(operator)
        return output

    def counts(self) -> dict[str, int]:
        """How many operators of each of TFLite's kinds, such as CONV_2D."""
        codes = list(self._codes)
        return dict(Counter(OPERATORS[codes[operator.opcodeIndex][0]] for operator in self._operators))

    def save(self, path: Path, source: tuple[str, int], result: tuple[str, int]) -> None:
        """Writes the file; `source` and `result` are the (name, tensor) of the signature's input and output."""
        model = schema.ModelT()
        model.version, model.description = SCHEMA_VERSION, self._description
        model.buffers, model.operatorCodes = self._buffers, []
        for code, version in self._codes:
            # Readers from before codes beyond 127 existed look at the deprecated field.
            older = min(code, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
            made = _made(schema.OperatorCodeT, builtinCode=code, version=version, deprecatedBuiltinCode=older)
            model.operatorCodes.append(made)
        inputs, outputs = ([_made(schema.TensorMapT, name=end[0], tensorIndex=end[1])] for end in (source, result))
        named = {"signatureKey": SIGNATURE, "inputs": inputs, "outputs": outputs}
        model.signatureDefs = [_made(schema.SignatureDefT, subgraphIndex=0, **named)]
        model.subgraphs = [self._subgraph(source[1], result[1])]
        flatbuffer.write(model, self._tail, path)

    def _tensor(self, name: str, shape: Sequence[int], dtype: str) -> int:
        tensor = schema.TensorT()
        tensor.name = self._unique(name)
        tensor.shape, tensor.type, tensor.hasRank = np.array(shape, np.int32), _TYPES[dtype], True
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _unique(self, name: str) -> str:
        """Quantizers key on tensor names, so each must occur once."""
        self._names[name] += 1
        return name if self._names[name] == 1 else self._unique(f"{name}__{self._names[name]}")

    def _subgraph(self, source: int, result: int) -> schema.SubGraphT:
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = "main", self._tensors, self._operators
        graph.inputs, graph.outputs = np.array([source], np.int32), np.array([result], np.int32)
        return graph


def _made(table: Any, **fields: Any) -> Any:
    """An object of one of the schema's classes."""
    made = table()
    vars(made).update(fields)
    return made
