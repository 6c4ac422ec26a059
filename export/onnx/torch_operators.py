"""ONNX's operators, computed by torch: one function for each, of its inputs and attributes.

https://onnx.ai/onnx/operators/ defines each, by version of the operator set; where versions differ, what an older one
has as an attribute is looked for there. Inputs are torch tensors where they are floating-point or depend on the image,
else numpy arrays: sizes, axes and indices, which torch.export has to see as plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edgebench.formats.blocks import depth_to_space, space_to_depth
from edgebench.formats.onnx import torch_windows as windows
from edgebench.formats.onnx.torch_windows import LARGEST, Compute, Node, Value, tensor


def batch_norm(node: Node, inputs: list[Value]) -> Tensor:
    """BatchNormalization in evaluation."""
    x, scale, bias, mean, variance = inputs
    return functional.batch_norm(x, mean, variance, scale, bias, False, 0.0, node.get("epsilon", 1e-5))


def layer_norm(node: Node, inputs: list[Value]) -> Tensor:
    """LayerNormalization over the axes from `axis` on."""
    x, scale, *bias = inputs
    axis = node.get("axis", -1) % x.dim()
    return functional.layer_norm(x, x.shape[axis:], scale, bias[0] if bias else None, node.get("epsilon", 1e-5))


def gemm(node: Node, inputs: list[Value]) -> Value:
    """Gemm: alpha A' B' + beta C."""
    a, b, *c = inputs
    a, b = (a.T if node.get("transA") else a), (b if node.get("transB") else b.T)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    bias = c[0] * beta if c and c[0] is not None and beta != 1 else c[0] if c else None
    if bias is not None and bias.dim() > 1:
        return functional.linear(a, b * alpha if alpha != 1 else b) + bias
    return functional.linear(a, b * alpha if alpha != 1 else b, bias)


def reshape(node: Node, inputs: list[Value]) -> Value:
    """Reshape; a 0 keeps the axis unless allowzero."""
    x, sizes = inputs[0], node.given("shape", inputs, 1) or []
    if not node.get("allowzero", 0):
        sizes = [size or x.shape[axis] for axis, size in enumerate(sizes)]
    return x.reshape(sizes)


def flatten(node: Node, inputs: list[Value]) -> Value:
    """Flatten to two axes."""
    x, axis = inputs[0], node.get("axis", 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), -1)


def squeeze(node: Node, inputs: list[Value]) -> Value:
    """Squeeze the given axes, or all of size 1."""
    x, axes = inputs[0], node.given("axes", inputs, 1)
    rank = len(x.shape)
    dropped = [a % rank for a in axes] if axes is not None else [a for a in range(rank) if x.shape[a] == 1]
    return x.reshape([size for axis, size in enumerate(x.shape) if axis not in dropped])


def unsqueeze(node: Node, inputs: list[Value]) -> Value:
    """Unsqueeze: axes count in the result."""
    x, axes = inputs[0], node.given("axes", inputs, 1) or []
    sizes, rank = list(x.shape), len(x.shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        sizes.insert(axis, 1)
    return x.reshape(sizes)


def transpose(node: Node, inputs: list[Value]) -> Value:
    """Transpose; without `perm` all axes backwards."""
    x = inputs[0]
    order = node.get("perm") or list(range(len(x.shape)))[::-1]
    return x.permute(order) if isinstance(x, Tensor) else x.transpose(order)


def concat(node: Node, inputs: list[Value]) -> Value:
    """Concat."""
    if any(isinstance(each, Tensor) for each in inputs):
        return torch.cat([tensor(each) for each in inputs], node.get("axis"))
    return np.concatenate([np.atleast_1d(each) for each in inputs], node.get("axis"))


def slices(node: Node, inputs: list[Value]) -> Value:
    """Slice, with steps of either sign."""
    x = inputs[0]
    starts, ends = node.given("starts", inputs, 1) or [], node.given("ends", inputs, 2) or []
    axes = node.given("axes", inputs, 3) or list(range(len(starts)))
    steps = node.given("steps", inputs, 4) or [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        index = range(x.shape[axis])[slice(start, None if abs(end) >= LARGEST else end, step)]
        if step < 0 and isinstance(x, Tensor):
            x = x.index_select(axis, torch.tensor(list(index)))
        else:
            cut = slice(index.start, index.stop if index.stop >= 0 else None, step)
            x = x[(slice(None),) * (axis % len(x.shape)) + (cut,)]
    return x


def split(node: Node, inputs: list[Value]) -> tuple[Value, ...]:
    """Split into given sizes, or into as many parts as there are outputs."""
    x, axis = inputs[0], node.get("axis", 0)
    sizes = node.given("split", inputs, 1)
    if sizes is None:
        each = math.ceil(x.shape[axis] / node.outputs)
        sizes = [min(each, x.shape[axis] - each * number) for number in range(node.outputs)]
    return tuple(torch.split(tensor(x), sizes, axis))


def gather(node: Node, inputs: list[Value]) -> Value:
    """Gather along an axis; negative indices count from the end."""
    x, indices = inputs
    axis = node.get("axis", 0) % max(1, len(x.shape))
    if not isinstance(x, Tensor) and not isinstance(indices, Tensor):
        return np.take(x, indices, axis)
    x, indices = tensor(x), tensor(indices)
    picked = x.index_select(axis, (indices % x.shape[axis]).reshape(-1))
    return picked.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def reduction(reduce: Callable[[Tensor, list[int], bool], Tensor]) -> Compute:
    """A Reduce* operator: over `axes`, or all of them."""

    def compute(node: Node, inputs: list[Value]) -> Value:
        x, axes = tensor(inputs[0]), node.given("axes", inputs, 1)
        if axes is None and node.get("noop_with_empty_axes", 0):
            return x
        return reduce(x, axes or list(range(x.dim())), bool(node.get("keepdims", 1)))

    return compute


def softmax(node: Node, inputs: list[Value]) -> Tensor:
    """Softmax and LogSoftmax; before version 13 over all axes from `axis` on."""
    x, axis = inputs[0], node.get("axis", -1 if node.version >= 13 else 1)
    compute: Callable[..., Tensor] = functional.log_softmax if node.kind == "LogSoftmax" else functional.softmax
    if node.version >= 13 or axis % x.dim() == x.dim() - 1 or math.prod(x.shape[axis + 1 :]) == 1:
        return compute(x, axis)
    return compute(x.flatten(axis), axis).reshape(x.shape)


def clip(node: Node, inputs: list[Value]) -> Tensor:
    """Clip between an attribute's or an input's bounds."""
    bounds = []
    for place, name in ((1, "min"), (2, "max")):
        found = inputs[place] if len(inputs) > place else None
        bounds.append(node.get(name) if found is None else float(tensor(found)))
    return torch.clamp(inputs[0], *bounds) if bounds != [0.0, 6.0] else functional.relu6(inputs[0])


def cast(node: Node, inputs: list[Value]) -> Value:
    """Cast; every floating-point type is float32 here."""
    import onnx

    kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.get("to")))
    if kind.kind == "f":
        return tensor(inputs[0]).float()
    return tensor(inputs[0]).to(getattr(torch, kind.name)) if isinstance(inputs[0], Tensor) else inputs[0].astype(kind)


def expand(node: Node, inputs: list[Value]) -> Value:
    """Expand: broadcasting both ways."""
    shape = np.broadcast_shapes(tuple(inputs[0].shape), tuple(int(size) for size in inputs[1]))
    return inputs[0].expand(shape) if isinstance(inputs[0], Tensor) else np.broadcast_to(inputs[0], shape)


def where(node: Node, inputs: list[Value]) -> Value:
    """Where."""
    if not any(isinstance(each, Tensor) for each in inputs):
        return np.where(*inputs)
    condition, *values = (tensor(each) for each in inputs)
    return torch.where(condition.bool(), *values)


def filled(node: Node, inputs: list[Value]) -> Value:
    """ConstantOfShape."""
    given = node.get("value")
    value = np.zeros(1, np.float32) if given is None else given
    full = np.full([int(size) for size in inputs[0]], value.reshape(-1)[0])
    return torch.from_numpy(full) if full.dtype.kind == "f" else full


def from_depth(node: Node, inputs: list[Value]) -> Value:
    """DepthToSpace in its mode CRD (torch's) or DCR."""
    crd = node.get("mode", "DCR") == "CRD"
    return (functional.pixel_shuffle if crd else depth_to_space)(inputs[0], node.get("blocksize"))


def quantize(node: Node, inputs: list[Value]) -> Value:
    """QuantizeLinear: whole numbers, kept as float32."""
    x, scale, *zero = inputs
    point = tensor(zero[0]) if zero else torch.zeros((), dtype=torch.uint8)
    limits = torch.iinfo(point.dtype)
    whole = torch.round(x / _along(node, scale, x)) + _along(node, point.float(), x)
    return whole.clamp(limits.min, limits.max)


def dequantize(node: Node, inputs: list[Value]) -> Value:
    """DequantizeLinear: (x - zero point) * scale."""
    x, scale, *zero = inputs
    x = tensor(x).float()
    point = tensor(zero[0]).float() if zero else torch.zeros(())
    return (x - _along(node, point, x)) * _along(node, scale, x)


def _along(node: Node, value: Value, x: Tensor) -> Value:
    value = tensor(value)
    if value.numel() == 1:
        return value.reshape(())
    return value.reshape([-1 if axis == node.get("axis", 1) % x.dim() else 1 for axis in range(x.dim())])


def arithmetic(compute: Callable[..., Tensor], whole: Callable[..., Any]) -> Compute:
    """An element-wise operator: by numpy as long as it is about sizes and indices."""

    def operate(node: Node, inputs: list[Value]) -> Value:
        if any(isinstance(each, Tensor) for each in inputs):
            return compute(*(tensor(each) for each in inputs))
        return whole(*inputs)

    return operate


def division(a: Value, b: Value) -> Value:
    """Div of whole numbers, which is cut."""
    return np.trunc(np.asarray(a) / np.asarray(b)).astype(np.asarray(a).dtype)


def unary(compute: Callable[[Tensor], Tensor]) -> Compute:
    """An operator of one tensor alone."""
    return lambda node, inputs: compute(tensor(inputs[0]))


def argmax(node: Node, inputs: list[Value]) -> Value:
    """ArgMax, the first of equals."""
    if node.get("select_last_index", 0):
        raise node.refuse("wants the last of equals")
    return inputs[0].argmax(node.get("axis", 0), bool(node.get("keepdims", 1)))


def topk(node: Node, inputs: list[Value]) -> tuple[Value, ...]:
    """TopK in order: values and indices."""
    count = node.get("k", 0) or int(np.asarray(inputs[1]).item())  # an attribute before version 10
    values, places = tensor(inputs[0]).topk(count, node.get("axis", -1), bool(node.get("largest", 1)))
    return values, places


def _norm(power: int) -> Callable[[Tensor, list[int], bool], Tensor]:
    return lambda x, axes, keep: torch.linalg.vector_norm(x, power, axes, keep)


MODULO, REMAINDER = arithmetic(torch.fmod, np.fmod), arithmetic(torch.remainder, np.mod)

OPERATORS: Final[dict[str, Compute]] = {
    "Abs": unary(torch.abs),
    "Add": arithmetic(torch.add, np.add),
    "And": arithmetic(torch.logical_and, np.logical_and),
    "ArgMax": argmax,
    "AveragePool": windows.pooling,
    "BatchNormalization": batch_norm,
    "Cast": cast,
    "Ceil": unary(torch.ceil),
    "Celu": lambda node, x: functional.celu(x[0], node.get("alpha", 1.0)),
    "Clip": clip,
    "Concat": concat,
    "ConstantOfShape": filled,
    "Conv": windows.convolution,
    "ConvTranspose": windows.transposed_convolution,
    "Cos": unary(torch.cos),
    "DepthToSpace": from_depth,
    "DequantizeLinear": dequantize,
    "Div": arithmetic(torch.div, division),
    "Dropout": lambda node, x: x[0],
    "Einsum": lambda node, x: torch.einsum(node.get("equation"), *x),
    "Elu": lambda node, x: functional.elu(x[0], node.get("alpha", 1.0)),
    "Equal": arithmetic(torch.eq, np.equal),
    "Erf": unary(torch.erf),
    "Exp": unary(torch.exp),
    "Expand": expand,
    "Flatten": flatten,
    "Floor": unary(torch.floor),
    "Gather": gather,
    "Gelu": lambda node, x: functional.gelu(x[0], approximate=node.get("approximate", "none")),
    "Gemm": gemm,
    "GlobalAveragePool": lambda node, x: functional.adaptive_avg_pool2d(x[0], 1),
    "GlobalMaxPool": lambda node, x: x[0].amax((2, 3), keepdim=True),
    "Greater": arithmetic(torch.gt, np.greater),
    "GreaterOrEqual": arithmetic(torch.ge, np.greater_equal),
    "HardSigmoid": lambda node, x: (
        functional.hardsigmoid(x[0])
        if abs(node.get("alpha", 0.2) - 1 / 6) < 1e-6
        else torch.clamp(x[0] * node.get("alpha", 0.2) + node.get("beta", 0.5), 0, 1)
    ),
    "HardSwish": unary(functional.hardswish),
    "Identity": lambda node, x: x[0],
    "InstanceNormalization": lambda node, x: functional.instance_norm(
        x[0], weight=x[1], bias=x[2], eps=node.get("epsilon", 1e-5)
    ),
    "LRN": lambda node, x: functional.local_response_norm(
        x[0], node.get("size"), node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0)
    ),
    "LayerNormalization": layer_norm,
    "LeakyRelu": lambda node, x: functional.leaky_relu(x[0], node.get("alpha", 0.01)),
    "Less": arithmetic(torch.lt, np.less),
    "LessOrEqual": arithmetic(torch.le, np.less_equal),
    "Log": unary(torch.log),
    "LogSoftmax": softmax,
    "MatMul": lambda node, x: torch.matmul(tensor(x[0]), tensor(x[1])),
    "Max": arithmetic(torch.maximum, np.maximum),
    "MaxPool": windows.pooling,
    "Min": arithmetic(torch.minimum, np.minimum),
    "Mish": unary(functional.mish),
    "Mod": lambda node, x: (MODULO if node.get("fmod", 0) else REMAINDER)(node, x),
    "Mul": arithmetic(torch.mul, np.multiply),
    "Neg": arithmetic(torch.neg, np.negative),
    "Not": arithmetic(torch.logical_not, np.logical_not),
    "Or": arithmetic(torch.logical_or, np.logical_or),
    "PRelu": lambda node, x: functional.prelu(x[0], tensor(x[1]).reshape(-1)),
    "Pad": windows.pad,
    "Pow": lambda node, x: torch.pow(x[0], float(tensor(x[1])) if np.size(x[1]) == 1 else tensor(x[1])),
    "QuantizeLinear": quantize,
    "Range": lambda node, x: np.arange(*(np.asarray(each).item() for each in x)),
    "Reciprocal": unary(torch.reciprocal),
    "ReduceL1": reduction(_norm(1)),
    "ReduceL2": reduction(_norm(2)),
    "ReduceMax": reduction(torch.amax),
    "ReduceMean": reduction(torch.mean),
    "ReduceMin": reduction(torch.amin),
    "ReduceSum": reduction(torch.sum),
    "ReduceSumSquare": reduction(lambda x, axes, keep: (x * x).sum(axes, keep)),
    "Relu": unary(functional.relu),
    "Reshape": reshape,
    "Resize": windows.resize,
    "Round": unary(torch.round),
    "Selu": unary(functional.selu),
    "Shape": lambda node, x: np.array(x[0].shape, np.int64)[node.get("start", 0) : node.get("end")],
    "Sigmoid": unary(torch.sigmoid),
    "Sign": unary(torch.sign),
    "Sin": unary(torch.sin),
    "Size": lambda node, x: np.array(math.prod(x[0].shape), np.int64),
    "Slice": slices,
    "Softmax": softmax,
    "Softplus": unary(functional.softplus),
    "Softsign": unary(functional.softsign),
    "SpaceToDepth": lambda node, x: space_to_depth(x[0], node.get("blocksize")),
    "Split": split,
    "Sqrt": unary(torch.sqrt),
    "Squeeze": squeeze,
    "Sub": arithmetic(torch.sub, np.subtract),
    "Sum": lambda node, x: sum(x[1:], start=x[0]),
    "Tanh": unary(torch.tanh),
    "Tile": lambda node, x: x[0].repeat([int(n) for n in x[1]]) if isinstance(x[0], Tensor) else np.tile(x[0], x[1]),
    "TopK": topk,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    "Upsample": windows.resize,
    "Where": where,
    "com.microsoft.Gelu": unary(functional.gelu),
    "com.microsoft.QuickGelu": lambda node, x: x[0] * torch.sigmoid(node.get("alpha", 1.702) * x[0]),
    "Xor": arithmetic(torch.logical_xor, np.logical_xor),
}
