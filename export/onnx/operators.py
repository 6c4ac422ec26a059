"""What each operator of the Graph is in ONNX: nearly all are one node, as both have torch's axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np

from edgebench.formats.onnx.emit import TYPES, Emission, Emitter
from edgebench.graph.norms import Norm
from edgebench.graph.operators import (
    Activation,
    ArgMax,
    Binary,
    Cast,
    Compare,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Expand,
    Function,
    Gather,
    GlobalPool,
    LocalResponseNorm,
    MatMul,
    Operator,
    Pad,
    Padding,
    Pick,
    Pool,
    PReLU,
    Reduce,
    Reshape,
    Resize,
    Shape,
    Slice,
    Softmax,
    SpaceToDepth,
    Subsample,
    TopK,
    Transpose,
    TransposedConv,
    Where,
)

ARITHMETIC: Final = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "maximum": "Max", "minimum": "Min", "pow": "Pow"
}  # fmt: skip
COMPARISONS: Final = {
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "equal": "Equal",
    "logical_and": "And",
    "logical_or": "Or",
}
REDUCTIONS: Final = {"mean": "ReduceMean", "sum": "ReduceSum", "max": "ReduceMax", "min": "ReduceMin"}

Made = Callable[[Emission, str], str]


def _one(kind: str, **attributes: Any) -> Made:
    return lambda emission, x: emission.add(kind, [x], **attributes)


def _clip(low: float, high: float) -> Made:
    def clip(emission: Emission, x: str) -> str:
        dtype = emission.operator.dtype
        return emission.add("Clip", [x, emission.number(low, dtype), emission.number(high, dtype)])

    return clip


def _square(emission: Emission, x: str) -> str:
    return emission.add("Mul", [x, x])


def _silu(emission: Emission, x: str) -> str:
    return emission.add("Mul", [x, emission.add("Sigmoid", [x])])


def _rsqrt(emission: Emission, x: str) -> str:
    return emission.add("Reciprocal", [emission.add("Sqrt", [x])])


FUNCTIONS: Final[dict[Function, Made]] = {
    "relu": _one("Relu"),
    "relu6": _clip(0, 6),
    "relu_n1_to_1": _clip(-1, 1),
    "sigmoid": _one("Sigmoid"),
    "silu": _silu,
    "tanh": _one("Tanh"),
    "hardswish": _one("HardSwish"),
    "hardsigmoid": _one("HardSigmoid", alpha=1 / 6, beta=0.5),
    "gelu": _one("Gelu"),
    "gelu_tanh": _one("Gelu", approximate="tanh"),
    "softplus": _one("Softplus"),
    "mish": _one("Mish"),
    "square": _square,
    "rsqrt": _rsqrt,
    "logical_not": _one("Not"),
    **{name: _one(name.capitalize()) for name in (
        "abs", "neg", "exp", "log", "sqrt", "floor", "ceil", "round", "sign", "sin", "cos", "erf")},
}  # fmt: skip
SLOPED: Final = {"leaky_relu": "LeakyRelu", "elu": "Elu"}


# ---- layers ----


def conv(emission: Emission, one: Conv) -> str:
    """Conv."""
    inputs = [*emission.inputs(one), emission.weight(one.weight), *emission.bias(one.bias)]
    return emission.add(
        "Conv",
        inputs,
        kernel_shape=one.kernel,
        strides=one.stride,
        pads=_pads(one.padding),
        dilations=one.dilation,
        group=one.groups,
    )


def transposed_conv(emission: Emission, one: TransposedConv) -> str:
    """ConvTranspose; what the output has beyond the whole product is its output padding."""
    inputs = [*emission.inputs(one), emission.weight(one.weight), *emission.bias(one.bias)]
    sizes = emission.shape(one.inputs[0])[2:]
    beyond = [
        wanted + cut - (count - 1) * step - kernel
        for wanted, cut, count, step, kernel in zip(
            one.shape[2:], one.padding, sizes, one.stride, one.kernel, strict=True
        )
    ]
    return emission.add(
        "ConvTranspose",
        inputs,
        kernel_shape=one.kernel,
        strides=one.stride,
        pads=[*one.padding, *(max(-size, 0) for size in beyond)],
        output_padding=[max(size, 0) for size in beyond],
        group=one.groups,
    )


def dense(emission: Emission, one: Dense) -> str:
    """Gemm of two axes; of more, MatMul and Add."""
    (x,) = emission.inputs(one)
    if len(one.shape) == 2:
        return emission.add("Gemm", [x, emission.weight(one.weight), *emission.bias(one.bias)], transB=1)
    weight = emission.weight(None if one.weight is None else one.weight.T)
    made = emission.add("MatMul", [x, weight])
    return made if one.bias is None else emission.add("Add", [made, *emission.bias(one.bias)])


def _pads(padding: Padding) -> list[int]:
    top, bottom, left, right = padding
    return [top, left, bottom, right]


# ---- windows ----


def pool(emission: Emission, one: Pool) -> str:
    """MaxPool or AveragePool."""
    (x,) = emission.inputs(one)
    fields: dict[str, Any] = {"kernel_shape": one.window, "strides": one.stride}
    if one.mode == "max":
        return emission.add("MaxPool", [x], pads=_pads(one.padding), dilations=one.dilation, **fields)
    if one.divisor:
        made = emission.add("AveragePool", [x], pads=_pads(one.padding), count_include_pad=1, **fields)
        return emission.add("Mul", [made, emission.number(math.prod(one.window) / one.divisor)])
    top, bottom, left, right = one.padding
    counted = one.counts_padding and (bottom > top or right > left)
    if counted:  # what ceil mode adds behind the padding is not counted
        x = _zeros_around(emission, one, x, (top, min(top, bottom), left, min(left, right)))
        top, bottom, left, right = 0, max(bottom - top, 0), 0, max(right - left, 0)
    include = int(one.counts_padding and not counted)
    return emission.add("AveragePool", [x], pads=[top, left, bottom, right], count_include_pad=include, **fields)


def _zeros_around(emission: Emission, one: Pool, x: str, padding: Padding) -> str:
    top, bottom, left, right = padding
    batch, channels, height, width = emission.shape(one.inputs[0])
    shape = (batch, channels, height + top + bottom, width + left + right)
    return emission.add("Pad", [x, emission.ints(0, 0, top, left, 0, 0, bottom, right)], shape)


def resize(emission: Emission, one: Resize) -> str:
    """Resize of height and width by their factors where float32 has these, else to sizes behind the batch's own.

    onnxruntime loses sizes that are given with `axes` among int8 operators.
    """
    (x,) = emission.inputs(one)
    grid = "align_corners" if one.align_corners else "half_pixel"
    factors = [new / old for new, old in zip(one.shape[2:], emission.shape(one.inputs[0])[2:], strict=True)]
    if all(np.float32(factor) == factor for factor in factors):
        target = ["", emission.constant("factors", np.array([1, 1, *factors], np.float32))]
    else:
        kept = emission.add("Shape", [x], (2,), "int64", end=2)
        target = ["", "", emission.add("Concat", [kept, emission.ints(*one.shape[2:])], (4,), "int64", axis=0)]
    return emission.add("Resize", [x, *target], mode="linear", coordinate_transformation_mode=grid)


def local_response_norm(emission: Emission, one: LocalResponseNorm) -> str:
    """LRN; an even window, which onnxruntime does not have, as a product with a band of ones.

    torch's even window has the odd channel before the centre. None of these operators is one that int8 would round.
    """
    (x,) = emission.inputs(one)
    if one.size % 2:
        return emission.add("LRN", [x], size=one.size, alpha=one.alpha, beta=one.beta, bias=one.k)
    offset = np.arange(one.shape[1])[None] - np.arange(one.shape[1])[:, None]
    inside = (offset >= -(one.size // 2)) & (offset <= (one.size - 1) // 2)
    band = emission.constant(f"{one.name}.band", inside.astype(np.float32) * np.float32(one.alpha / one.size))
    total = emission.add("Einsum", [band, emission.add("Pow", [x, emission.number(2)])], equation="oc,nchw->nohw")
    divisor = emission.add("Pow", [emission.add("Sum", [total, emission.number(one.k)]), emission.number(one.beta)])
    return emission.add("Div", [x, divisor])


# ---- element by element ----


def compare(emission: Emission, one: Compare) -> str:
    """A comparison; ONNX has no "not equal"."""
    inputs = emission.inputs(one)
    if one.function == "not_equal":
        return emission.add("Not", [emission.add("Equal", inputs)])
    return emission.add(COMPARISONS[one.function], inputs)


def activation(emission: Emission, one: Activation) -> str:
    """A function of each element."""
    (x,) = emission.inputs(one)
    if one.function in SLOPED:
        return emission.add(SLOPED[one.function], [x], alpha=one.slope)
    return FUNCTIONS[one.function](emission, x)


# ---- over axes, and moves ----


def global_pool(emission: Emission, one: GlobalPool) -> str:
    """GlobalAveragePool, flattened where the axes are dropped: onnxruntime has it in 8 bits, and no ReduceMean."""
    kept = (*emission.shapes[one.name][:2], 1, 1)
    made = emission.add("GlobalAveragePool", emission.inputs(one), kept)
    return made if len(one.shape) == 4 else emission.add("Flatten", [made], axis=1)


def normalised(emission: Emission, norm: Norm) -> str:
    """LayerNormalization, or InstanceNormalization where a value an image or a channel is less than one an element."""
    x, name, first = emission.get(norm.source), emission.operator.name, norm.axes[0]
    shape = emission.shapes[name]
    plain = norm.weight is None is norm.bias
    layer = first == len(shape) - 1 or first > 2 or shape[1] < 0 or not (plain or norm.by_channel)
    values = shape[first:] if layer else shape[1:2] if first == 2 else (1,)
    scale = np.ones(values, np.float32) if norm.weight is None else norm.weight
    shift = np.zeros(values, np.float32) if norm.bias is None else norm.bias
    weights = [emission.constant(f"{name}.scale", scale), emission.constant(f"{name}.shift", shift)]
    if layer:
        return emission.add("LayerNormalization", [x, *weights], axis=first, epsilon=norm.epsilon)
    if first == 2:
        return emission.add("InstanceNormalization", [x, *weights], epsilon=norm.epsilon)
    flat = (*shape[:1], 1, math.prod(shape[1:]))
    made = emission.add("InstanceNormalization", [emission.reshaped(x, flat), *weights], flat, epsilon=norm.epsilon)
    return emission.reshaped(made, shape)


def argmax(emission: Emission, one: ArgMax) -> str:
    """ArgMax, whose indices have 64 bits in ONNX."""
    made = emission.add("ArgMax", emission.inputs(one), axis=one.axis, keepdims=int(one.keep))
    emission.types[made] = emission.types[made][0], "int64"
    return emission.add("Cast", [made], to=TYPES["int32"])


def concat(emission: Emission, one: Concat) -> str:
    """Concat; where the batch is open, constants are repeated to it first."""
    names, constants = list(one.inputs), emission.graph.constants
    batch = next((axis for axis, size in enumerate(emission.shapes[one.name]) if size < 0), None)
    inputs = emission.inputs(one)
    if batch is not None and any(name in constants for name in names):
        computed = next(tensor for name, tensor in zip(names, inputs, strict=True) if name not in constants)
        open_axis = emission.add("Shape", [computed], (1,), "int64", start=batch, end=batch + 1)
        for number, name in enumerate(names):
            if name in constants:
                inputs[number] = _repeated(emission, inputs[number], constants[name].shape, batch, open_axis)
    return emission.add("Concat", inputs, axis=one.axis)


def _repeated(emission: Emission, constant: str, shape: Shape, batch: int, open_axis: str) -> str:
    """A constant as often along the axis `batch` as the tensor `open_axis` says."""
    sizes = [emission.ints(*part) for part in (shape[:batch], shape[batch + 1 :]) if part]
    sizes.insert(1 if batch else 0, open_axis)
    target = emission.add("Concat", sizes, (len(shape),), "int64", axis=0)
    grown = (*shape[:batch], emission.shapes[emission.operator.name][batch], *shape[batch + 1 :])
    return emission.add("Expand", [constant, target], grown)


def pad(emission: Emission, one: Pad) -> str:
    """Pad."""
    amounts = emission.ints(*(before for before, _ in one.amounts), *(after for _, after in one.amounts))
    inputs = [*emission.inputs(one), amounts]
    if one.mode == "constant" and one.value:
        inputs.append(emission.number(one.value, one.dtype))
    return emission.add("Pad", inputs, mode=one.mode)


def slice_(emission: Emission, one: Slice) -> str:
    """Slice."""
    stop = one.start + (one.shape[one.axis] - 1) * one.step + 1
    numbers = [emission.ints(number) for number in (one.start, stop, one.axis, one.step)]
    return emission.add("Slice", [*emission.inputs(one), *numbers])


def expand(emission: Emission, one: Expand) -> str:
    """Expand, which leaves alone what it is told to make 1 of: the batch."""
    return emission.add("Expand", [*emission.inputs(one), emission.ints(*map(_open, emission.shapes[one.name]))])


def _open(size: int) -> int:
    return max(size, 1)


def pick(emission: Emission, one: Pick) -> str:
    """Gather, its indices computed."""
    return emission.add("Gather", emission.inputs(one), axis=one.axis)


def topk(emission: Emission, one: TopK) -> str:
    """TopK, whose indices have 64 bits in ONNX."""
    given = [*emission.inputs(one), emission.ints(one.shape[one.axis])]
    made = emission.add("TopK", given, dtype="float32", axis=one.axis)
    places = f"{made}/indices"
    emission.nodes[-1].output.append(places)
    emission.types[places] = emission.shapes[one.name], "int64"
    return emission.add("Cast", [places], to=TYPES["int32"]) if one.indices else made


def gather(emission: Emission, one: Gather) -> str:
    """Gather."""
    return emission.add("Gather", [*emission.inputs(one), emission.ints(*one.indices)], axis=one.axis)


def subsample(emission: Emission, one: Subsample) -> str:
    """MaxPool of single pixels, which onnxruntime has in every layout and in 8 bits."""
    return emission.add("MaxPool", emission.inputs(one), kernel_shape=(1, 1), strides=one.stride)


def _node(kind: str, emission: Emission, one: Operator, **attributes: Any) -> str:
    return emission.add(kind, emission.inputs(one), **attributes)


EMITTERS: Final[dict[type[Operator], Emitter[Any]]] = {
    Conv: conv,
    TransposedConv: transposed_conv,
    Dense: dense,
    MatMul: partial(_node, "MatMul"),
    Pool: pool,
    Resize: resize,
    DepthToSpace: lambda emission, one: _node("DepthToSpace", emission, one, blocksize=one.block),
    SpaceToDepth: lambda emission, one: _node("SpaceToDepth", emission, one, blocksize=one.block),
    LocalResponseNorm: local_response_norm,
    Binary: lambda emission, one: _node(ARITHMETIC[one.function], emission, one),
    Compare: compare,
    Where: partial(_node, "Where"),
    Activation: activation,
    PReLU: partial(_node, "PRelu"),
    Cast: lambda emission, one: _node("Cast", emission, one, to=TYPES[one.dtype]),
    GlobalPool: global_pool,
    Reduce: lambda emission, one: emission.add(
        REDUCTIONS[one.function], [*emission.inputs(one), emission.ints(*one.axes)], keepdims=1
    ),
    Softmax: lambda emission, one: _node("Softmax", emission, one, axis=one.axis),
    ArgMax: argmax,
    Concat: concat,
    Reshape: lambda emission, one: emission.reshaped(emission.get(one.inputs[0]), emission.shapes[one.name]),
    Transpose: lambda emission, one: _node("Transpose", emission, one, perm=one.permutation),
    Slice: slice_,
    Subsample: subsample,
    Pad: pad,
    Expand: expand,
    Gather: gather,
    Pick: pick,
    TopK: topk,
}
