"""The Graph of a ready .tflite file, without weights: what an estimate needs of a network that is only a file.

Shapes become torch's: tensors of four axes are images, but for factors of a matrix product. A PAD that only one
convolution reads becomes its padding, as in a captured Graph; quantising and its opposite cost next to nothing beside
what they surround and are read as reshapes.
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
    AnyArray,
    ArgMax,
    Arithmetic,
    Binary,
    Cast,
    Compare,
    Comparison,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    DType,
    Expand,
    Function,
    Gather,
    GlobalPool,
    Graph,
    Input,
    LocalResponseNorm,
    MatMul,
    Operator,
    Pad,
    Padding,
    Pair,
    Pick,
    Pool,
    PReLU,
    Reduce,
    Reduction,
    Reshape,
    Resize,
    Shape,
    Slice,
    Softmax,
    SpaceToDepth,
    TopK,
    Transpose,
    TransposedConv,
    Where,
)
from edgebench.ground.errors import DeviceError, UsageError

_FUSED: Final[dict[int, Function | None]] = {
    schema.ActivationFunctionType.NONE: None,
    schema.ActivationFunctionType.RELU: "relu",
    schema.ActivationFunctionType.RELU_N1_TO_1: "relu_n1_to_1",
    schema.ActivationFunctionType.RELU6: "relu6",
    schema.ActivationFunctionType.TANH: "tanh",
}
_FUNCTIONS: Final[dict[str, Function]] = {
    "RELU": "relu",
    "RELU_N1_TO_1": "relu_n1_to_1",
    "RELU_0_TO_1": "relu6",  # a clamp between other bounds, at the same cost
    "RELU6": "relu6",
    "LOGISTIC": "sigmoid",
    "TANH": "tanh",
    "HARD_SWISH": "hardswish",
    "GELU": "gelu",
    "ELU": "elu",
    "LEAKY_RELU": "leaky_relu",
    "ABS": "abs",
    "NEG": "neg",
    "EXP": "exp",
    "LOG": "log",
    "SQRT": "sqrt",
    "RSQRT": "rsqrt",
    "SQUARE": "square",
    "FLOOR": "floor",
    "CEIL": "ceil",
    "ROUND": "round",
    "SIGN": "sign",
    "SIN": "sin",
    "COS": "cos",
    "LOGICAL_NOT": "logical_not",
}
# One pass over the elements each, whatever the arithmetic.
_ARITHMETIC: Final[dict[str, Arithmetic]] = {
    "ADD": "add",
    "SUB": "sub",
    "MUL": "mul",
    "DIV": "div",
    "FLOOR_DIV": "div",
    "MAXIMUM": "maximum",
    "MINIMUM": "minimum",
    "POW": "pow",
    "SQUARED_DIFFERENCE": "sub",
}
_COMPARISONS: Final[dict[str, Comparison]] = {
    "LESS": "less",
    "LESS_EQUAL": "less_equal",
    "GREATER": "greater",
    "GREATER_EQUAL": "greater_equal",
    "EQUAL": "equal",
    "NOT_EQUAL": "not_equal",
    "LOGICAL_AND": "logical_and",
    "LOGICAL_OR": "logical_or",
}
_REDUCTIONS: Final[dict[str, Reduction]] = {"MEAN": "mean", "SUM": "sum", "REDUCE_MAX": "max", "REDUCE_MIN": "min"}
_FREE: Final = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE")
_PARTS: Final = ("SPLIT", "SPLIT_V", "UNPACK")
_PRODUCTS: Final = ("BATCH_MATMUL",)
_DTYPES: Final[dict[int, DType]] = {schema.TensorType.INT32: "int32", schema.TensorType.BOOL: "bool"}
_IMAGE_AXES: Final = (0, 2, 3, 1)  # torch's axis of each of the file's


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
        self.inner: list[Operator] = []  # all operators, those within one of the file's as well
        self.constants: dict[str, AnyArray] = {}
        products = [one for one in self.subgraph.operators if self._kind(one) in _PRODUCTS]
        self.plain = {int(index) for one in products for index in (*one.inputs, *one.outputs)}

    def graph(self) -> Graph:
        for source in map(int, self.subgraph.inputs):
            self._add(source, Input(name=self._name(source), inputs=(), shape=self._shape(source)))
        for operator in self.subgraph.operators:
            if any(int(index) in self.made for index in operator.inputs):
                self._operator(operator)
        outputs = tuple(self.made[int(index)].name for index in self.subgraph.outputs)
        return _without_pads(Graph(tuple(self.inner), outputs, self.constants))

    def _add(self, index: int, operator: Operator) -> None:
        self.made[index] = operator
        self.inner.append(operator)

    def _operator(self, operator: Any) -> None:
        kind = self._kind(operator)
        if kind in _PARTS:
            for output in map(int, operator.outputs):
                self._add(output, self._slice(operator, self._common(operator, output)))
            return
        if kind == "TOPK_V2":
            for number, output in enumerate(map(int, operator.outputs)):
                axis = self._axis(int(operator.inputs[0]), -1)
                self._add(output, TopK(**self._common(operator, output), axis=axis, indices=bool(number)))
            return
        output = int(operator.outputs[0])
        common = self._common(operator, output)
        make = self._MAKE.get(kind)
        if kind in _FUNCTIONS:
            self._add(output, Activation(**common, function=_FUNCTIONS[kind]))
        elif kind in _FREE:
            self._add(output, Reshape(**common))
        elif make is not None:
            self._add(output, make(self, operator, common))
        else:
            raise DeviceError(
                f"{self.path} has the operator {kind}, whose cost edgebench cannot estimate: measure the file instead "
                "(`device='host'`, or a board with `connect`)"
            )

    def _common(self, operator: Any, output: int) -> dict[str, Any]:
        flowing = tuple(self.made[int(index)].name for index in operator.inputs if int(index) in self.made)
        dtype = _DTYPES.get(self.subgraph.tensors[output].type, "float32")
        return {"name": self._name(output), "inputs": flowing, "shape": self._shape(output), "dtype": dtype}

    def _all_inputs(self, operator: Any) -> tuple[str, ...]:
        """The names of what is read, the constants' too: these are of zeros, which take no memory."""
        names = []
        for index in map(int, operator.inputs):
            if index not in self.made and index >= 0:
                self.constants[self._name(index)] = np.broadcast_to(np.float32(0), self._shape(index))
            names.append(self.made[index].name if index in self.made else self._name(index))
        return tuple(names)

    def _binary(self, operator: Any, common: dict[str, Any]) -> Operator:
        activation = _FUSED.get(getattr(operator.builtinOptions, "fusedActivationFunction", 0))
        given = common | {"inputs": self._all_inputs(operator)}
        return Binary(**given, function=_ARITHMETIC[self._kind(operator)], activation=activation)

    def _compare(self, operator: Any, common: dict[str, Any]) -> Operator:
        return Compare(**common | {"inputs": self._all_inputs(operator)}, function=_COMPARISONS[self._kind(operator)])

    def _where(self, operator: Any, common: dict[str, Any]) -> Operator:
        return Where(**common | {"inputs": self._all_inputs(operator)})

    def _matmul(self, operator: Any, common: dict[str, Any]) -> Operator:
        *_, rows, columns = self._shape(int(operator.inputs[0]))
        summed = rows if operator.builtinOptions.adjX else columns
        return MatMul(**common | {"inputs": self._all_inputs(operator)}, in_features=summed)

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

    def _transposed(self, operator: Any, common: dict[str, Any]) -> Operator:
        options = operator.builtinOptions
        _, height, width, channels = (int(size) for size in self.subgraph.tensors[operator.inputs[1]].shape)
        kernel, stride = (height, width), (options.strideH, options.strideW)
        rows, columns = (
            max(0, (size - 1) * step + taps - wanted) // 2
            for size, step, taps, wanted in zip(
                self._shape(operator.inputs[2])[2:], stride, kernel, common["shape"][2:], strict=True
            )
        )
        same = options.padding == schema.Padding.SAME
        return TransposedConv(
            **common, in_channels=channels, kernel=kernel, stride=stride, padding=(rows, columns) if same else (0, 0)
        )

    def _dense(self, operator: Any, common: dict[str, Any]) -> Operator:
        columns = int(self.subgraph.tensors[operator.inputs[1]].shape[-1])
        activation = _FUSED.get(operator.builtinOptions.fusedActivationFunction)
        return Dense(**common, in_features=columns, activation=activation)

    def _pool(self, operator: Any, common: dict[str, Any]) -> Operator:
        options, image = operator.builtinOptions, self._shape(operator.inputs[0])
        window, stride = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
        average = self._kind(operator) == "AVERAGE_POOL_2D"
        if average and window == image[2:]:
            return GlobalPool(**common)
        padding = _padding(options.padding, image, window, stride, (1, 1))
        return Pool(**common, mode="average" if average else "max", window=window, stride=stride, padding=padding)

    def _reduce(self, operator: Any, common: dict[str, Any]) -> Operator:
        source = int(operator.inputs[0])
        shape = self._shape(source)
        axes = tuple(sorted(self._axis(source, axis) for axis in self._constant(operator.inputs[1]).tolist()))
        kind = _REDUCTIONS[self._kind(operator)]
        if kind == "mean" and len(shape) == 4 and axes == (2, 3):
            return GlobalPool(**common)
        kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
        if kept == common["shape"]:
            return Reduce(**common, function=kind, axes=axes)
        whole = Reduce(**common | {"name": f"{common['name']}/{kind}", "shape": kept}, function=kind, axes=axes)
        self.inner.append(whole)
        return Reshape(**common | {"inputs": (whole.name,)})

    def _pad(self, operator: Any, common: dict[str, Any]) -> Operator:
        source = int(operator.inputs[0])
        amounts = self._constant(operator.inputs[1]).reshape(-1, 2).tolist()
        placed = {self._axis(source, axis): tuple(both) for axis, both in enumerate(amounts)}
        return Pad(
            **common,
            amounts=tuple(placed[axis] for axis in range(len(placed))),
            mode="reflect" if self._kind(operator) == "MIRROR_PAD" else "constant",
        )

    def _slice(self, operator: Any, common: dict[str, Any]) -> Operator:
        """Along the first axis that is cut: what a slice costs is what comes out."""
        (source,) = (int(index) for index in operator.inputs if int(index) in self.made)
        both = list(zip(self._shape(source), common["shape"], strict=False))
        return Slice(**common, axis=next((axis for axis, (old, new) in enumerate(both) if old != new), 0), start=0)

    def _transpose(self, operator: Any, common: dict[str, Any]) -> Operator:
        source, target = int(operator.inputs[0]), int(operator.outputs[0])
        moved = {
            self._axis(target, axis): self._axis(source, old)
            for axis, old in enumerate(self._constant(operator.inputs[1]).tolist())
        }
        return Transpose(**common, permutation=tuple(moved[axis] for axis in range(len(moved))))

    def _concat(self, operator: Any, common: dict[str, Any]) -> Operator:
        axis = self._axis(int(operator.outputs[0]), operator.builtinOptions.axis)
        return Concat(**common | {"inputs": self._all_inputs(operator)}, axis=axis)

    def _softmax(self, operator: Any, common: dict[str, Any]) -> Operator:
        return Softmax(**common, axis=self._axis(int(operator.inputs[0]), -1))

    def _argmax(self, operator: Any, common: dict[str, Any]) -> Operator:
        axis = self._axis(int(operator.inputs[0]), int(self._constant(operator.inputs[1])[0]))
        return ArgMax(**common, axis=axis)

    def _gather(self, operator: Any, common: dict[str, Any]) -> Operator:
        axis = self._axis(int(operator.inputs[0]), operator.builtinOptions.axis)
        if int(operator.inputs[1]) in self.made:
            return Pick(**common | {"inputs": self._all_inputs(operator)}, axis=axis)
        return Gather(**common, axis=axis, indices=(0,) * common["shape"][axis])

    def _response_norm(self, operator: Any, common: dict[str, Any]) -> Operator:
        options = operator.builtinOptions
        size = 2 * options.radius + 1
        return LocalResponseNorm(**common, size=size, alpha=options.alpha * size, beta=options.beta, k=options.bias)

    _MAKE: Final[dict[str, Callable[[_Reader, Any, dict[str, Any]], Operator]]] = {
        **dict.fromkeys(_ARITHMETIC, _binary),
        **dict.fromkeys(_COMPARISONS, _compare),
        **dict.fromkeys(_REDUCTIONS, _reduce),
        **dict.fromkeys(("SELECT", "SELECT_V2"), _where),
        **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), _convolution),
        **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), _pool),
        **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), _pad),
        **dict.fromkeys(("SLICE", "STRIDED_SLICE"), _slice),
        **dict.fromkeys(("CONCATENATION", "PACK"), _concat),
        **dict.fromkeys(("SOFTMAX", "LOG_SOFTMAX"), _softmax),
        **dict.fromkeys(("TILE", "BROADCAST_TO"), lambda _, operator, common: Expand(**common)),
        **dict.fromkeys(
            ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
            lambda _, operator, common: Resize(**common, align_corners=operator.builtinOptions.alignCorners),
        ),
        "BATCH_MATMUL": _matmul,
        "FULLY_CONNECTED": _dense,
        "TRANSPOSE_CONV": _transposed,
        "TRANSPOSE": _transpose,
        "ARG_MAX": _argmax,
        "GATHER": _gather,
        "CAST": lambda _, operator, common: Cast(**common),
        "PRELU": lambda self, operator, common: PReLU(**common | {"inputs": self._all_inputs(operator)}),
        "DEPTH_TO_SPACE": lambda _, one, common: DepthToSpace(**common, block=one.builtinOptions.blockSize),
        "SPACE_TO_DEPTH": lambda _, one, common: SpaceToDepth(**common, block=one.builtinOptions.blockSize),
        "LOCAL_RESPONSE_NORMALIZATION": _response_norm,
    }

    def _kind(self, operator: Any) -> str:
        return str(self.kinds[operator.opcodeIndex])

    def _name(self, index: int) -> str:
        return f"{index}:{(self.subgraph.tensors[index].name or b'').decode()}"

    def _shape(self, index: int) -> Shape:
        """Torch's shape of a tensor; a size that is open counts as 1."""
        shape = self.subgraph.tensors[index].shape
        sizes = [max(1, int(size)) for size in (() if shape is None else shape)]
        if len(sizes) != 4 or index in self.plain:
            return tuple(sizes)
        return (sizes[0], sizes[3], sizes[1], sizes[2])

    def _axis(self, index: int, axis: int) -> int:
        """Torch's axis for one of the file's, of a tensor."""
        rank = len(self._shape(index))
        return _IMAGE_AXES[axis % rank] if rank == 4 and index not in self.plain else axis % rank

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


def _without_pads(graph: Graph) -> Graph:
    """Puts every PAD of rows and columns that one convolution alone reads into that convolution."""
    readers = Counter(name for operator in graph.operators for name in operator.inputs)
    pads = {
        operator.name: operator
        for operator in graph.operators
        if isinstance(operator, Pad)
        and operator.amounts[:2] == ((0, 0), (0, 0))
        and readers[operator.name] == 1
        and operator.mode == "constant"
    }
    found: list[Operator] = []
    merged: set[str] = set()
    for operator in graph.operators:
        pad = pads.get(operator.inputs[0]) if isinstance(operator, Conv) else None
        if pad is not None and isinstance(operator, Conv):
            sides = [side for both in pad.amounts[2:] for side in both]
            top, bottom, left, right = (own + more for own, more in zip(operator.padding, sides, strict=True))
            operator = replace(operator, inputs=pad.inputs, padding=(top, bottom, left, right))
            merged.add(pad.name)
        found.append(operator)
    return replace(graph, operators=tuple(operator for operator in found if operator.name not in merged))
