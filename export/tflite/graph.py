"""The Graph of a ready .tflite file, without weights: what an estimate needs of a network that is only a file.

Shapes become torch's. A PAD that only one convolution reads becomes its padding, as in a captured Graph; quantising
and its opposite cost next to nothing beside what they surround and are read as reshapes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite.inspect import DAMAGE, operator_name
from edgebench.graph.operators import (
    Activation,
    Add,
    Concat,
    Conv,
    Dense,
    Function,
    GlobalPool,
    Graph,
    Input,
    LocalResponseNorm,
    Mul,
    Operator,
    Pad,
    Padding,
    Pair,
    Pool,
    Reshape,
    Shape,
    Softmax,
)
from edgebench.ground.errors import DeviceError, UsageError

_FUSED: Final[dict[int, Function | None]] = {
    schema.ActivationFunctionType.NONE: None,
    schema.ActivationFunctionType.RELU: "relu",
    schema.ActivationFunctionType.RELU_N1_TO_1: "relu6",  # a clamp between other bounds, at the same cost
    schema.ActivationFunctionType.RELU6: "relu6",
    schema.ActivationFunctionType.TANH: "tanh",
}
_FUNCTIONS: Final[dict[str, Function]] = {
    "RELU": "relu",
    "RELU_N1_TO_1": "relu6",
    "RELU6": "relu6",
    "LOGISTIC": "sigmoid",
    "TANH": "tanh",
    "HARD_SWISH": "hardswish",
    "GELU": "gelu",
    "ELU": "elu",
    "LEAKY_RELU": "leaky_relu",
}
# One pass over the elements each, whatever the arithmetic.
_ELEMENTWISE: Final = {
    **dict.fromkeys(("ADD", "SUB", "MAXIMUM", "MINIMUM"), Add),
    **dict.fromkeys(("MUL", "DIV", "SQUARE", "SQRT", "RSQRT", "ABS", "NEG"), Mul),
}
_FREE: Final = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE")


def read_graph(path: Path) -> Graph:
    """Returns the Graph of the file's first subgraph, with `weight=None`.

    Raises UsageError for a damaged file, DeviceError for an operator that a Graph does not have.
    """
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
        return _Reader(path, model).graph()
    except DAMAGE as error:
        raise UsageError(f"{path} is damaged or a part of a TFLite file: download or export it again") from error


class _Reader:
    """Turns one subgraph's operators into a Graph's, in their order."""

    def __init__(self, path: Path, model: Any) -> None:
        self.path = path
        self.kinds = [operator_name(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
        self.subgraph = model.subgraphs[0]
        self.buffers = model.buffers
        self.made: dict[int, Operator] = {}  # by index of the output tensor

    def graph(self) -> Graph:
        (source,) = self.subgraph.inputs
        self.made[source] = Input(name=self._name(source), inputs=(), shape=self._shape(source))
        for operator in self.subgraph.operators:
            found = self._operator(operator)
            if found is not None:
                self.made[operator.outputs[0]] = found
        operators = _without_pads(tuple(self.made.values()))
        return Graph(operators, self.made[self.subgraph.outputs[0]].name)

    def _operator(self, operator: Any) -> Operator | None:
        """The Graph's operator; None where it only unpacks a constant."""
        kind = self.kinds[operator.opcodeIndex]
        output = operator.outputs[0]
        sources = tuple(self.made[index].name for index in operator.inputs if index in self.made)
        if not sources:
            return None
        common: dict[str, Any] = {"name": self._name(output), "inputs": sources, "shape": self._shape(output)}
        options = operator.builtinOptions
        if kind in _FUNCTIONS:
            return Activation(**common, function=_FUNCTIONS[kind])
        if kind in _FREE:
            return Reshape(**common)
        if kind in _ELEMENTWISE:
            activation = _FUSED.get(getattr(options, "fusedActivationFunction", 0))
            return _ELEMENTWISE[kind](**common, activation=activation)
        if kind not in self._MAKE:
            raise DeviceError(
                f"{self.path} has the operator {kind}, whose cost edgebench cannot estimate: measure the file instead "
                "(`device='host'`, or a board with `connect`)"
            )
        return self._MAKE[kind](self, operator, common)

    def _convolution(self, operator: Any, common: dict[str, Any]) -> Operator:
        options, image = operator.builtinOptions, self._shape(operator.inputs[0])
        filters = [int(size) for size in self.subgraph.tensors[operator.inputs[1]].shape]
        kernel = (filters[1], filters[2])
        depthwise = isinstance(options, schema.DepthwiseConv2DOptionsT)
        stride, dilation = (options.strideH, options.strideW), (options.dilationHFactor, options.dilationWFactor)
        return Conv(
            **common,
            in_channels=image[1],
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            padding=_padding(options.padding, image, kernel, stride, dilation),
            groups=image[1] if depthwise else image[1] // filters[3],
            activation=_FUSED.get(options.fusedActivationFunction),
        )

    def _dense(self, operator: Any, common: dict[str, Any]) -> Operator:
        columns = int(self.subgraph.tensors[operator.inputs[1]].shape[-1])
        activation = _FUSED.get(operator.builtinOptions.fusedActivationFunction)
        return Dense(**common, in_features=columns, activation=activation)

    def _pool(self, operator: Any, common: dict[str, Any]) -> Operator:
        options, image = operator.builtinOptions, self._shape(operator.inputs[0])
        window, stride = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
        average = self.kinds[operator.opcodeIndex] == "AVERAGE_POOL_2D"
        if average and window == image[2:]:
            return GlobalPool(**common)
        padding = _padding(options.padding, image, window, stride, (1, 1))
        return Pool(**common, mode="average" if average else "max", window=window, stride=stride, padding=padding)

    def _pad(self, operator: Any, common: dict[str, Any]) -> Operator:
        (_, _), (top, bottom), (left, right), channels = self._constant(operator.inputs[1]).reshape(4, 2).tolist()
        return Pad(**common, padding=(top, bottom, left, right), channels=tuple(channels))

    def _response_norm(self, operator: Any, common: dict[str, Any]) -> Operator:
        options = operator.builtinOptions
        size = 2 * options.radius + 1
        return LocalResponseNorm(**common, size=size, alpha=options.alpha * size, beta=options.beta, k=options.bias)

    _MAKE: Final[dict[str, Callable[[_Reader, Any, dict[str, Any]], Operator]]] = {
        "CONV_2D": _convolution,
        "DEPTHWISE_CONV_2D": _convolution,
        "FULLY_CONNECTED": _dense,
        "AVERAGE_POOL_2D": _pool,
        "MAX_POOL_2D": _pool,
        "MEAN": lambda _, operator, common: GlobalPool(**common),
        "PAD": _pad,
        "PADV2": _pad,
        "MIRROR_PAD": _pad,
        "CONCATENATION": lambda _, operator, common: Concat(**common),
        "SOFTMAX": lambda _, operator, common: Softmax(**common),
        "LOCAL_RESPONSE_NORMALIZATION": _response_norm,
    }

    def _name(self, index: int) -> str:
        return f"{index}:{(self.subgraph.tensors[index].name or b'').decode()}"

    def _shape(self, index: int) -> Shape:
        """Torch's shape of a tensor, at batch 1."""
        _, *sizes = (max(1, int(size)) for size in self.subgraph.tensors[index].shape)
        return (1, sizes[-1], *sizes[:-1]) if len(sizes) == 3 else (1, *sizes)

    def _constant(self, index: int) -> Any:
        tensor = self.subgraph.tensors[index]
        dtype = np.int64 if tensor.type == schema.TensorType.INT64 else np.int32
        return np.frombuffer(bytes(self.buffers[tensor.buffer].data), dtype)


def _padding(kind: int, image: Shape, kernel: Pair, stride: Pair, dilation: Pair) -> Padding:
    """TFLite's padding in pixels: none, or what SAME needs with the odd one behind (schema.fbs, Padding)."""
    if kind == schema.Padding.VALID:
        return (0, 0, 0, 0)
    ends = []
    for size, taps, step, apart in zip(image[2:], kernel, stride, dilation, strict=True):
        missing = max(0, (math.ceil(size / step) - 1) * step + (taps - 1) * apart + 1 - size)
        ends += [missing // 2, missing - missing // 2]
    return (ends[0], ends[1], ends[2], ends[3])


def _without_pads(operators: tuple[Operator, ...]) -> tuple[Operator, ...]:
    """Puts every PAD that one convolution alone reads into that convolution."""
    readers = Counter(name for operator in operators for name in operator.inputs)
    pads = {
        operator.name: operator
        for operator in operators
        if isinstance(operator, Pad) and operator.channels == (0, 0) and readers[operator.name] == 1
    }
    found: list[Operator] = []
    merged: set[str] = set()
    for operator in operators:
        pad = pads.get(operator.inputs[0]) if isinstance(operator, Conv) else None
        if pad is not None and isinstance(operator, Conv):
            top, bottom, left, right = (own + more for own, more in zip(operator.padding, pad.padding, strict=True))
            operator = replace(operator, inputs=pad.inputs, padding=(top, bottom, left, right))
            merged.add(pad.name)
        found.append(operator)
    return tuple(operator for operator in found if operator.name not in merged)
