"""Steps as a graph of XNNPACK's, in the form in which ExecuTorch's delegate reads it.

The tables are those of executorch/backends/xnnpack/serialization/runtime_schema.fbs, whose slots are counted here, and
the header before them that of xnnpack_graph_serialize.py. Constants are the program's, by their digests: what lies in
the delegate's own data is gone once it is prepared, while XNNPACK still adds constants from where they lay.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.executorch.source import IMAGE_AXES, Source, Step, Tensor, Values
from edgebench.formats.tables import Packed, written

IDENTIFIER: Final = b"XN00"
MAGIC: Final = b"XH00"
VERSION: Final = "0"
ALIGNMENT: Final = 16
HEADER: Final = 32  # bytes, of which 30 are used
ABSENT: Final = 2**32 - 1
ELSEWHERE: Final = np.uint64(2**64 - 1)  # a constant's place where it has a name
EXTERNAL_INPUT, EXTERNAL_OUTPUT = 1, 2
TRANSPOSE_B, KEEP_DIMS, ALIGN_CORNERS, LEGACY = 1, 64, 8, 4
DTYPES: Final = {"float32": 1, "float16": 2, "int8": 3, "uint8": 4, "int32": 5}
BY_CHANNEL: Final = {"int8": 6, "int32": 7}  # where there is a scale for each channel
COMPUTED: Final = ("float32", "float16", "int8", "uint8")
CLAMPS: Final = {
    schema.ActivationFunctionType.NONE: None,
    schema.ActivationFunctionType.RELU: (0.0, math.inf),
    schema.ActivationFunctionType.RELU6: (0.0, 6.0),
    schema.ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
}
# Kinds of nodes, in the order in which the union counts them from 1.
NODES: Final = (
    "Add", "FullyConnected", "Softmax", "Sigmoid", "StaticTranspose", "Clamp", "Conv2d", "Div",
    "StaticResizeBilinear2D", "StaticConstantPad", "AvgPooling2d", "Minimum", "DepthwiseConv2d", "MaxPooling2d",
    "Multiply", "Subtract", "Floor", "Convert", "GlobalAvgPooling2d", "StaticReshape", "ArgMaxPooling2d",
    "SquareRoot", "Ceiling", "Hardswish", "LeakyReLU", "Maximum", "Negate", "Square", "ELU", "Abs", "PReLU",
    "Concatenate2", "Concatenate3", "Concatenate4", "StaticSlice", "ScaledDotProductAttention",
    "BatchMatrixMultiply", "Concatenate5", "ConvTranspose2d", "ReciprocalSquareRoot", "Log", "Gelu", "Tanh", "Exp",
    "Sin", "Copy", "Cos",
)  # fmt: skip
BINARY: Final = {"ADD": "Add", "DIV": "Div", "MINIMUM": "Minimum", "MUL": "Multiply", "SUB": "Subtract",
                 "MAXIMUM": "Maximum", "PRELU": "PReLU"}  # fmt: skip
UNARY: Final = {
    "ABS": "Abs",
    "CEIL": "Ceiling",
    "COS": "Cos",
    "DEQUANTIZE": "Convert",
    "EXP": "Exp",
    "FLOOR": "Floor",
    "GELU": "Gelu",
    "HARD_SWISH": "Hardswish",
    "LOG": "Log",
    "LOGISTIC": "Sigmoid",
    "NEG": "Negate",
    "QUANTIZE": "Convert",
    "RSQRT": "ReciprocalSquareRoot",
    "SIN": "Sin",
    "SOFTMAX": "Softmax",
    "SQRT": "SquareRoot",
    "SQUARE": "Square",
    "TANH": "Tanh",
}
ONES: Final = {"RELU": (0.0, math.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
WEIGHTED: Final = ("FullyConnected", "Conv2d", "DepthwiseConv2d", "ConvTranspose2d")
JOINED: Final = "Concatenate"  # and how many tensors

Sizes = Sequence[int] | npt.NDArray[Any]
Node = tuple[str, Packed, tuple[float, float] | None]


@dataclass
class Nodes:
    """The nodes of one delegate as they are added, over the tensors of `source`."""

    source: Source
    nodes: list[Node] = field(default_factory=list)

    def add(self, kind: str, slots: Packed, clamp: tuple[float, float] | None = None) -> None:
        """Adds a node of which nothing but a clamp may be left out."""
        self.nodes.append((kind, slots, clamp))

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's sizes."""
        return self.source.tensors[tensor].shape

    def like(self, tensor: int, shape: tuple[int, ...]) -> int:
        """A further tensor with the type and scale of another."""
        self.source.tensors.append(replace(self.source.tensors[tensor], shape=shape, data=None))
        return len(self.source.tensors) - 1

    def reshaped(self, tensor: int, made: int) -> int:
        """Adds a reshape to what `made` is."""
        shape = self.shape(made)
        self.add("StaticReshape", (_u(len(shape)), _us(shape), _u(tensor), _u(made), _u(0)))
        return made


def _u(value: int) -> np.uint32:
    return np.uint32(value)


def _us(values: Sizes) -> npt.NDArray[np.uint32]:
    return np.array(values, np.uint32)


def _each(*values: int) -> Packed:
    return tuple(map(_u, values))


# ---- operators ----


def _clamp(step: Step) -> tuple[float, float] | None:
    return CLAMPS[getattr(step.options, "fusedActivationFunction", 0)]


def _unary(nodes: Nodes, step: Step) -> None:
    nodes.add(UNARY[step.kind], _each(step.inputs[0], step.outputs[0], 0))


def _clamped(nodes: Nodes, step: Step) -> None:
    nodes.add("Clamp", _each(step.inputs[0], step.outputs[0], 0), ONES[step.kind])


def _binary(nodes: Nodes, step: Step) -> None:
    nodes.add(BINARY[step.kind], _each(*step.inputs, step.outputs[0], 0), _clamp(step))


def _with_slope(kind: str) -> Callable[[Nodes, Step], None]:
    def add(nodes: Nodes, step: Step) -> None:
        slope = np.float32(getattr(step.options, "alpha", 1.0))
        nodes.add(kind, (slope, *_each(step.inputs[0], step.outputs[0], 0)))

    return add


def ends(step: Step, size: Sizes, taps: Sizes, dilation: Sizes = (1, 1)) -> list[int]:
    """Top, right, bottom, left of the schema's padding, which is none or what SAME needs with the odd one behind."""
    found = []
    for length, kernel, apart, stride in zip(size, taps, dilation, _stride(step), strict=True):
        same = step.options.padding == schema.Padding.SAME
        missing = max(0, (math.ceil(length / stride) - 1) * stride + (kernel - 1) * apart + 1 - length) if same else 0
        found.append((missing // 2, missing - missing // 2))
    (top, bottom), (left, right) = found
    return [top, right, bottom, left]


def _stride(step: Step) -> tuple[int, int]:
    return step.options.strideH, step.options.strideW


def _convolution(nodes: Nodes, step: Step) -> None:
    image, (first, *taps, last) = nodes.shape(step.inputs[0]), nodes.shape(step.inputs[1])
    dilation = (step.options.dilationHFactor, step.options.dilationWFactor)
    padding = [a + b for a, b in zip(ends(step, image[1:3], taps, dilation), step.padding, strict=True)]
    depthwise = step.kind == "DEPTHWISE_CONV_2D"
    groups = image[3] if depthwise else image[3] // last
    channels = (1, last // groups, groups) if depthwise else (last, first // groups, groups)
    sizes = (*padding, *taps, *_stride(step), *dilation, *channels, 0, 0)
    nodes.add("DepthwiseConv2d" if depthwise else "Conv2d", _each(*sizes, *_weighted(step), 0), _clamp(step))


def _weighted(step: Step) -> tuple[int, int, int, int]:
    """Input, filter, bias and output."""
    x, weight, *bias = step.inputs
    return x, weight, bias[0] if bias and bias[0] >= 0 else ABSENT, step.outputs[0]


def _transposed(nodes: Nodes, step: Step) -> None:
    (outputs, *taps, inputs), made = nodes.shape(step.inputs[1]), nodes.shape(step.outputs[0])
    found = []
    for axis, kernel, stride in zip((1, 2), taps, _stride(step), strict=True):
        over = (nodes.shape(step.inputs[2])[axis] - 1) * stride + kernel - made[axis]
        before = max(0, over) // 2 if step.options.padding == schema.Padding.SAME else 0
        found.append((before, max(0, over) - before, max(0, -over)))
    (top, bottom, high), (left, right, wide) = found
    sizes = (top, right, bottom, left, *taps, *_stride(step), 1, 1, inputs, outputs, 1, high, wide)
    bias = step.inputs[3] if len(step.inputs) > 3 else ABSENT
    nodes.add("ConvTranspose2d", _each(*sizes, step.inputs[2], step.inputs[1], bias, step.outputs[0], 0), _clamp(step))


def _dense(nodes: Nodes, step: Step) -> None:
    x, weight, bias, made = _weighted(step)
    rows, columns = nodes.shape(made), nodes.shape(weight)[1]
    if nodes.shape(x) != (*rows[:-1], columns):
        x = nodes.reshaped(x, nodes.like(x, (*rows[:-1], columns)))
    nodes.add("FullyConnected", _each(x, weight, bias, made, 0), _clamp(step))


def _pool(nodes: Nodes, step: Step) -> None:
    options = step.options
    window = (options.filterHeight, options.filterWidth)
    sizes = (*ends(step, nodes.shape(step.inputs[0])[1:3], window), *window, *_stride(step), 1, 1)
    kind = "MaxPooling2d" if step.kind == "MAX_POOL_2D" else "AvgPooling2d"
    nodes.add(kind, _each(*sizes, step.inputs[0], step.outputs[0], 0), _clamp(step))


def _mean(nodes: Nodes, step: Step) -> None:
    x, (made,) = step.inputs[0], step.outputs
    batch, _, _, channels = nodes.shape(x)
    whole = made if step.options.keepDims else nodes.like(made, (batch, 1, 1, channels))
    nodes.add("GlobalAvgPooling2d", _each(x, whole, KEEP_DIMS))
    if whole != made:
        nodes.reshaped(whole, made)


def _resize(nodes: Nodes, step: Step) -> None:
    options, size = step.options, nodes.shape(step.outputs[0])[1:3]
    flag = ALIGN_CORNERS if options.alignCorners else 0 if options.halfPixelCenters else LEGACY
    nodes.add("StaticResizeBilinear2D", _each(*size, step.inputs[0], step.outputs[0], flag))


def _pad(nodes: Nodes, step: Step) -> None:
    before, after = nodes.source.constant(step.inputs[1]).reshape(-1, 2).T
    value = np.float32(nodes.source.constant(step.inputs[2]).item() if len(step.inputs) > 2 else 0)
    nodes.add("StaticConstantPad", (_us(before), _us(after), value, *_each(step.inputs[0], step.outputs[0], 0)))


def _reshape(nodes: Nodes, step: Step) -> None:
    nodes.reshaped(step.inputs[0], step.outputs[0])


def _transpose(nodes: Nodes, step: Step) -> None:
    order = nodes.source.constant(step.inputs[1]).reshape(-1)
    nodes.add("StaticTranspose", (_u(len(order)), _us(order), *_each(step.inputs[0], step.outputs[0], 0)))


def _concat(nodes: Nodes, step: Step) -> None:
    axis, parts = step.options.axis % len(nodes.shape(step.outputs[0])), step.inputs
    four, fifth = (*parts, *[ABSENT] * 3)[:4], parts[4] if len(parts) > 4 else ABSENT
    nodes.add(f"{JOINED}{len(parts)}", _each(axis, *four, step.outputs[0], 0, fifth))


def slices(source: Source, step: Step) -> list[tuple[int, int, int]]:
    """Start, size and step of every axis of a STRIDED_SLICE that drops none."""
    starts, stops, steps = (source.constant(at).reshape(-1).tolist() for at in step.inputs[1:4])
    found, options = [], step.options
    for axis, length in enumerate(source.tensors[step.inputs[0]].shape):
        cut = slice(
            None if options.beginMask >> axis & 1 else starts[axis],
            None if options.endMask >> axis & 1 else stops[axis],
            steps[axis],
        )
        chosen = range(*cut.indices(length))
        found.append((chosen.start, len(chosen), chosen.step))
    return found


def _slice(nodes: Nodes, step: Step) -> None:
    starts, sizes, _ = zip(*slices(nodes.source, step), strict=True)
    nodes.add("StaticSlice", (_u(len(sizes)), _us(starts), _us(sizes), *_each(step.inputs[0], step.outputs[0], 0)))


def _product(nodes: Nodes, step: Step) -> None:
    nodes.add("BatchMatrixMultiply", _each(*step.inputs, step.outputs[0], TRANSPOSE_B if step.options.adjY else 0))


def _in_blocks(nodes: Nodes, step: Step) -> None:
    """DEPTH_TO_SPACE and SPACE_TO_DEPTH: six axes, of which two change places."""
    (x,), (made,), block = step.inputs, step.outputs, step.options.blockSize
    if step.kind == "DEPTH_TO_SPACE":
        (n, h, w, c), order = nodes.shape(x), (0, 1, 3, 2, 4, 5)
        split = (n, h, w, block, block, c // block**2)
    else:
        (n, h, w, c), order = nodes.shape(x), (0, 1, 3, 2, 4, 5)
        split = (n, h // block, block, w // block, block, c)
    apart = nodes.reshaped(x, nodes.like(x, split))
    moved = nodes.like(made, tuple(split[axis] for axis in order))
    nodes.add("StaticTranspose", (_u(len(order)), _us(order), *_each(apart, moved, 0)))
    nodes.reshaped(moved, made)


EMITTERS: Final[dict[str, Callable[[Nodes, Step], None]]] = {
    **dict.fromkeys(UNARY, _unary),
    **dict.fromkeys(ONES, _clamped),
    **dict.fromkeys(BINARY, _binary),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), _convolution),
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D"), _pool),
    **dict.fromkeys(("PAD", "PADV2"), _pad),
    **dict.fromkeys(("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), _in_blocks),
    "BATCH_MATMUL": _product,
    "CONCATENATION": _concat,
    "ELU": _with_slope("ELU"),
    "FULLY_CONNECTED": _dense,
    "LEAKY_RELU": _with_slope("LeakyReLU"),
    "MEAN": _mean,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize,
    "STRIDED_SLICE": _slice,
    "TRANSPOSE": _transpose,
    "TRANSPOSE_CONV": _transposed,
}
# What an operator must be besides.
CONDITIONS: Final[dict[str, Callable[[Source, Step], bool]]] = {
    "GELU": lambda source, step: not step.options.approximate,
    "MEAN": lambda source, step: _of_images(source, step),
    "STRIDED_SLICE": lambda source, step: all(stride == 1 for *_, stride in slices(source, step)),
}


def _of_images(source: Source, step: Step) -> bool:
    axes = sorted(source.constant(step.inputs[1]).reshape(-1).tolist())
    return len(source.tensors[step.inputs[0]].shape) == IMAGE_AXES and axes == [1, 2]


def takes(source: Source, step: Step) -> bool:
    """Whether XNNPACK has a step: of floats or of bytes with a scale, and as the tables above say."""
    tensors = [source.tensors[at] for at in (*step.inputs, *step.outputs) if at >= 0]
    flowing = [each for each in tensors if each.data is None]
    if step.kind not in EMITTERS or not all(each.dtype in COMPUTED and each.shape for each in flowing):
        return False
    return step.kind not in CONDITIONS or CONDITIONS[step.kind](source, step)


# ---- the delegate's bytes ----


def payload(
    source: Source, steps: Sequence[Step], inputs: Sequence[int], outputs: Sequence[int], keep: Callable[[Values], str]
) -> bytes:
    """What the delegate is given to compute `outputs` from `inputs` by these steps; `keep` stores a constant."""
    nodes = Nodes(source)
    for step in steps:
        EMITTERS[step.kind](nodes, step)
    constants: list[Packed] = [(None, None, None)]  # the first stands for none
    values = []
    for tensor in sorted({*_tensors(nodes), *inputs, *outputs}):
        data = source.tensors[tensor].data
        if data is not None:
            constants.append((ELSEWHERE, np.uint64(data.nbytes), keep(data)))
        values.append(_value(source.tensors[tensor], tensor, inputs, outputs, len(constants) - 1))
    nodes_written = [_node(number, *node) for number, node in enumerate(nodes.nodes)]
    ends_count = _u(len(inputs) + len(outputs))
    graph = (VERSION, nodes_written, values, ends_count, _us(inputs), _us(outputs), None, None, constants)
    tables = written(graph, IDENTIFIER)
    padded = tables + bytes(-len(tables) % ALIGNMENT)
    header = bytes(4) + MAGIC + struct.pack("<HIIIQ", HEADER - 2, HEADER, len(tables), HEADER + len(padded), 0)
    return header + bytes(HEADER - len(header)) + padded


def _tensors(nodes: Nodes) -> set[int]:
    """The tensors that nodes refer to."""
    found = {int(slots[at]) for kind, slots, _ in nodes.nodes for at in references(kind)}
    return found - {ABSENT}


# The slots before those that name tensors, of nodes that have any.
BEFORE: Final = {"Conv2d": 15, "DepthwiseConv2d": 15, "ConvTranspose2d": 15, "AvgPooling2d": 10, "MaxPooling2d": 10,
                 "StaticTranspose": 2, "StaticReshape": 2, "StaticResizeBilinear2D": 2, "StaticConstantPad": 3,
                 "StaticSlice": 3, "ELU": 1, "LeakyReLU": 1}  # fmt: skip


def references(kind: str) -> Sequence[int]:
    """The slots of a node that name tensors, its output last."""
    if kind.startswith(JOINED):
        return (1, 2, 3, 4, 7, 5)
    count = 4 if kind in WEIGHTED else 3 if kind in (*BINARY.values(), "BatchMatrixMultiply") else 2
    return range(BEFORE.get(kind, 0), BEFORE.get(kind, 0) + count)


def _node(number: int, kind: str, slots: Packed, clamp: tuple[float, float] | None) -> Packed:
    limits = None if clamp is None else tuple(map(np.float32, clamp))
    return np.uint8(1 + NODES.index(kind)), slots, _u(number), limits


def _value(tensor: Tensor, number: int, inputs: Sequence[int], outputs: Sequence[int], constants: int) -> Packed:
    external, flags = ABSENT, 0
    if number in inputs:
        external, flags = inputs.index(number), EXTERNAL_INPUT
    elif number in outputs:
        external, flags = len(inputs) + outputs.index(number), EXTERNAL_OUTPUT
    several = tensor.scales is not None and len(tensor.scales) > 1
    shape = tensor.shape or (1,)
    held = constants if tensor.data is not None else 0
    value = (
        np.int16((BY_CHANNEL if several else DTYPES)[tensor.dtype]),
        _u(len(shape)),
        _us(shape),
        *_each(held, external, flags, number),
    )
    if tensor.scales is None:
        return np.uint8(1), value
    one = (np.float32(tensor.scales[0]), np.int32(tensor.zero))
    quantized = (np.uint8(1), (tensor.scales, np.int32(tensor.axis))) if several else (np.uint8(2), one)
    return np.uint8(2), (value, *quantized)
