"""A TFLite model as it grows: tensors, constants, operators, one signature. It knows the format and no network.

A negative size in a shape is that of the axis that holds the batch, for one image; the file leaves that axis open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    "bool": schema.TensorType.BOOL,
}
_SHARED_OPTIONS: Final = {
    "MEAN": "Reducer",
    "SUM": "Reducer",
    "REDUCE_MAX": "Reducer",
    "REDUCE_MIN": "Reducer",
    "MAX_POOL_2D": "Pool2D",
    "AVERAGE_POOL_2D": "Pool2D",
    "MAXIMUM": "MaximumMinimum",
    "MINIMUM": "MaximumMinimum",
}
# Most operators have options of their own name: CONV_2D has Conv2DOptions.
_OPTIONS: Final = {name.removesuffix("Options").lower(): name for name in vars(schema.BuiltinOptions)}


@dataclass
class Tensor:
    """A tensor of the file; `data` is there for a constant."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: flatbuffer.Weights | None = None


@dataclass(frozen=True)
class _Operator:
    code: int
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    fields: Mapping[str, Any]


class Model:
    """One subgraph under construction. Tensors are referred to by their index."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._tensors: list[Tensor] = []
        self._operators: list[_Operator] = []
        self._shared: dict[tuple[str, tuple[int, ...], bytes], int] = {}
        self._names: Counter[str] = Counter()

    def computed(self, name: str, shape: Sequence[int], dtype: str = "float32") -> int:
        """Adds a tensor that an operator computes."""
        self._tensors.append(Tensor(self._unique(name), tuple(int(size) for size in shape), dtype))
        return len(self._tensors) - 1

    def constant(self, name: str, array: npt.NDArray[Any], shape: Sequence[int] | None = None, dtype: str = "") -> int:
        """Adds a constant tensor of `array`'s elements, as `dtype` and in another `shape` where these are given.

        The array is read when the file is written, so it must not change before.
        """
        dtype = dtype or array.dtype.name
        shape = array.shape if shape is None else tuple(shape)
        key = (dtype, shape, array.tobytes()) if array.size <= SHARED_ELEMENTS else None
        if key in self._shared:
            return self._shared[key]
        tensor = self.computed(name, shape, dtype)
        self._tensors[tensor].data = flatbuffer.Weights(array, np.dtype(dtype))
        if key is not None:
            self._shared[key] = tensor
        return tensor

    def operator(self, code: int, inputs: Sequence[int], output: int, version: int = 1, **fields: Any) -> int:
        """Adds an operator and returns its output. `fields` are those of the schema's options for it."""
        self.several(code, inputs, (output,), version, **fields)
        return output

    def several(
        self, code: int, inputs: Sequence[int], outputs: Sequence[int], version: int = 1, **fields: Any
    ) -> None:
        """Adds an operator of several outputs."""
        self._operators.append(_Operator(code, version, tuple(inputs), tuple(outputs), fields))

    def shape(self, tensor: int) -> tuple[int, ...]:
        """The shape of a tensor, with a negative batch axis."""
        return self._tensors[tensor].shape

    def dtype(self, tensor: int) -> str:
        """The type of a tensor's elements."""
        return self._tensors[tensor].dtype

    def rename(self, tensor: int, name: str) -> None:
        """Gives a tensor another name."""
        self._tensors[tensor].name = self._unique(name)

    def is_constant(self, tensor: int) -> bool:
        """Whether a tensor is there before anything is computed."""
        return self._tensors[tensor].data is not None

    def counts(self) -> dict[str, int]:
        """How many operators of each of TFLite's kinds, such as CONV_2D."""
        return dict(Counter(OPERATORS[operator.code] for operator in self._operators))

    def keep(self, outputs: Sequence[int]) -> None:
        """Drops the operators that none of `outputs` needs."""
        needed, kept = set(outputs), []
        for operator in reversed(self._operators):
            if not needed.isdisjoint(operator.outputs):
                needed.update(operator.inputs)
                kept.append(operator)
        self._operators = kept[::-1]

    def save(self, path: Path, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> None:
        """Writes the file; `inputs` and `outputs` are the signature's tensors by name.

        Raises ExportError for a file beyond 2 GB.
        """
        used = {*inputs.values(), *outputs.values()}
        used.update(tensor for operator in self._operators for tensor in (*operator.inputs, *operator.outputs))
        place = {tensor: number for number, tensor in enumerate(sorted(used))}
        ends = [{name: place[tensor] for name, tensor in side.items()} for side in (inputs, outputs)]
        codes = list(dict.fromkeys((operator.code, operator.version) for operator in self._operators))
        tail, buffers = flatbuffer.Tail(), [schema.BufferT()]  # buffer 0 is empty, for tensors that are computed
        graph = _made(schema.SubGraphT, name="main")
        graph.tensors = [_tensor(self._tensors[tensor], tail, buffers) for tensor in sorted(used)]
        graph.operators = [_operator(operator, place, codes) for operator in self._operators]
        graph.inputs, graph.outputs = (np.array(list(side.values()), np.int32) for side in ends)
        model = _made(schema.ModelT, version=SCHEMA_VERSION, description=self._description, buffers=buffers)
        model.operatorCodes, model.subgraphs = [_code(*code) for code in codes], [graph]
        named = [[_made(schema.TensorMapT, name=one, tensorIndex=two) for one, two in side.items()] for side in ends]
        model.signatureDefs = [
            _made(schema.SignatureDefT, subgraphIndex=0, signatureKey=SIGNATURE, inputs=named[0], outputs=named[1])
        ]
        flatbuffer.write(model, tail, path)

    def _unique(self, name: str) -> str:
        """Quantizers key on tensor names, so each must occur once."""
        self._names[name] += 1
        return name if self._names[name] == 1 else self._unique(f"{name}__{self._names[name]}")


def _tensor(tensor: Tensor, tail: flatbuffer.Tail, buffers: list[schema.BufferT]) -> schema.TensorT:
    made = _made(schema.TensorT, name=tensor.name, type=_TYPES[tensor.dtype], hasRank=True, buffer=0)
    made.shape = np.array([abs(size) for size in tensor.shape], np.int32)
    if any(size < 0 for size in tensor.shape):
        made.shapeSignature = np.array(opened(tensor.shape), np.int32)
    if tensor.data is not None:
        made.buffer = len(buffers)
        buffers.append(tail.add(tensor.data))
    return made


def opened(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape as TFLite writes it where one size is open: -1 for the axis that holds the batch."""
    return tuple(max(size, -1) for size in shape)


def _operator(operator: _Operator, place: Mapping[int, int], codes: list[tuple[int, int]]) -> schema.OperatorT:
    made = _made(schema.OperatorT, opcodeIndex=codes.index((operator.code, operator.version)))
    made.inputs = np.array([place[tensor] for tensor in operator.inputs], np.int32)
    made.outputs = np.array([place[tensor] for tensor in operator.outputs], np.int32)
    kind = OPERATORS[operator.code]
    options = _OPTIONS.get(_SHARED_OPTIONS.get(kind, kind).replace("_", "").lower())
    if options is not None:
        made.builtinOptionsType = getattr(schema.BuiltinOptions, options)
        made.builtinOptions = _made(getattr(schema, f"{options}T"), **operator.fields)
    return made


def _code(code: int, version: int) -> schema.OperatorCodeT:
    # Readers from before codes beyond 127 existed look at the deprecated field.
    older = min(code, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    return _made(schema.OperatorCodeT, builtinCode=code, version=version, deprecatedBuiltinCode=older)


def _made(table: Any, **fields: Any) -> Any:
    """An object of one of the schema's classes. Raises AttributeError for a field that it does not have."""
    made = table()
    unknown = fields.keys() - vars(made).keys()
    if unknown:
        raise AttributeError(f"{table.__name__} has no {', '.join(sorted(unknown))}")
    vars(made).update(fields)
    return made
