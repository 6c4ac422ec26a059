"""CoreML's operators, computed by torch: one function for each, its arguments by their names in the MIL specification.

https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html describes each operator, its
arguments and their defaults. Tensors are float32 here whatever they are in the package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from edgebench.formats.coreml.mil_rounding import dequantize, quantize

Arguments = dict[str, Any]
Compute = Callable[[Arguments], Tensor]
Ends = tuple[int, int]  # before and after an axis


def integers(values: Any) -> list[int]:
    """Returns a constant as a list of integers."""
    return [int(value) for value in values]


def convolution(arguments: Arguments) -> Tensor:
    """Conv: x (N, C, H, W), weight (out, C / groups, height, width)."""
    x, weight = arguments["x"], arguments["weight"]
    strides, dilations = _per_axis(arguments, "strides", 2), _per_axis(arguments, "dilations", 2)
    x = functional.pad(x, backwards(_padding(arguments, x, weight.shape[2:], strides, dilations)))
    groups = int(arguments.get("groups", 1))
    return functional.conv2d(x, weight, arguments.get("bias"), strides, 0, dilations, groups)


def max_pooling(arguments: Arguments) -> Tensor:
    """max_pool over one to three axes: padding never wins."""
    x, kernel, strides, padding = _window(arguments)
    pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[len(kernel) - 1]
    return pool(functional.pad(x, padding, value=float("-inf")), kernel, strides)


def average_pooling(arguments: Arguments) -> Tensor:
    """avg_pool over one to three axes: divides by the window, or, where asked, by its part inside the image."""
    x, kernel, strides, padding = _window(arguments)
    pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[len(kernel) - 1]
    mean = pool(functional.pad(x, padding), kernel, strides)
    if not arguments.get("exclude_padding_from_average", False):
        return mean
    return mean / pool(functional.pad(torch.ones_like(x), padding), kernel, strides)


def _window(arguments: Arguments) -> tuple[Tensor, list[int], list[int], list[int]]:
    """Returns the input, the window and its strides, and the padding in torch's order."""
    x, kernel = arguments["x"], integers(arguments["kernel_sizes"])
    strides = _per_axis(arguments, "strides", len(kernel))
    padding = _padding(arguments, x, kernel, strides, [1] * len(kernel))
    if arguments.get("ceil_mode", False):
        sizes = x.shape[2:]
        padding = [_ceiling(*one) for one in zip(sizes, padding, kernel, strides, strict=True)]
    return x, kernel, strides, backwards(padding)


def _ceiling(size: int, padding: Ends, kernel: int, stride: int) -> Ends:
    """Adds padding at the end so that the last, incomplete window counts, if it starts inside the image."""
    before, after = padding
    windows = -(-(size + before + after - kernel) // stride)
    if windows * stride >= size + before:
        windows -= 1
    return before, max(after, windows * stride + kernel - size - before)


def _per_axis(arguments: Arguments, name: str, axes: int) -> list[int]:
    return integers(arguments.get(name, [1] * axes))


def _padding(
    arguments: Arguments, x: Tensor, kernel: Sequence[int], strides: list[int], dilations: list[int]
) -> list[Ends]:
    """Returns the padding before and after each spatial axis."""
    kind = arguments.get("pad_type", "valid")
    if kind == "valid":
        return [(0, 0)] * len(kernel)
    if kind == "custom":
        return pairs(integers(arguments["pad"]))
    windows = zip(x.shape[2:], kernel, strides, dilations, strict=True)
    return [_same(*window, lower=kind == "same_lower") for window in windows]


def _same(size: int, kernel: int, stride: int, dilation: int, *, lower: bool) -> Ends:
    """Padding for ceil(size / stride) outputs; an odd pixel goes to the end, or to the beginning with `lower`."""
    total = max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return (total - total // 2, total // 2) if lower else (total // 2, total - total // 2)


def pairs(flat: list[int]) -> list[Ends]:
    """MIL's flat padding (first axis first) as (before, after) of each axis."""
    return list(zip(flat[::2], flat[1::2], strict=True))


def backwards(padding: list[Ends]) -> list[int]:
    """Flattens padding to torch's order: the last axis first."""
    return [size for ends in reversed(padding) for size in ends]


def batch_norm(arguments: Arguments) -> Tensor:
    """batch_norm in inference: (x - mean) / sqrt(variance + epsilon) * gamma + beta."""
    x, mean, variance = arguments["x"], arguments["mean"], arguments["variance"]
    gamma, beta, epsilon = arguments.get("gamma"), arguments.get("beta"), float(arguments.get("epsilon", 1e-5))
    return functional.batch_norm(x, mean, variance, gamma, beta, eps=epsilon)


def local_response_norm(arguments: Arguments) -> Tensor:
    """local_response_norm across channels, torch's formula."""
    alpha, beta, k = (float(arguments.get(name, usual)) for name, usual in (("alpha", 1e-4), ("beta", 0.75), ("k", 1)))
    return functional.local_response_norm(arguments["x"], int(arguments["size"]), alpha, beta, k)


def linear(arguments: Arguments) -> Tensor:
    """Linear: x @ weight.T + bias."""
    return functional.linear(arguments["x"], arguments["weight"], arguments.get("bias"))


def matrix_product(arguments: Arguments) -> Tensor:
    """Matmul with either side optionally transposed."""
    x, y = cast(Tensor, arguments["x"]), cast(Tensor, arguments["y"])
    return (x.mT if arguments.get("transpose_x", False) else x) @ (y.mT if arguments.get("transpose_y", False) else y)


def clip(arguments: Arguments) -> Tensor:
    """Clip to [alpha, beta]."""
    return torch.clamp(arguments["x"], float(arguments["alpha"]), float(arguments["beta"]))


def thresholded_relu(arguments: Arguments) -> Tensor:
    """thresholded_relu: x where it is at least alpha, else 0."""
    x: Tensor = arguments["x"]
    return torch.where(x >= float(arguments.get("alpha", 1.0)), x, 0)


def hard_sigmoid(arguments: Arguments) -> Tensor:
    """sigmoid_hard: min(max(alpha * x + beta, 0), 1)."""
    slope, offset = float(arguments.get("alpha", 0.2)), float(arguments.get("beta", 0.5))
    return torch.clamp(arguments["x"] * slope + offset, 0, 1)


def leaky_relu(arguments: Arguments) -> Tensor:
    """leaky_relu with slope alpha."""
    return functional.leaky_relu(arguments["x"], float(arguments.get("alpha", 0.01)))


def elu(arguments: Arguments) -> Tensor:
    """Elu with alpha."""
    return functional.elu(arguments["x"], float(arguments.get("alpha", 1.0)))


def gelu(arguments: Arguments) -> Tensor:
    """Gelu, exact or by the hyperbolic tangent."""
    exact = arguments.get("mode", "EXACT") == "EXACT"
    return functional.gelu(arguments["x"], approximate="none" if exact else "tanh")


def softmax(arguments: Arguments) -> Tensor:
    """Softmax along axis."""
    return functional.softmax(arguments["x"], int(arguments.get("axis", -1)))


def reduction(reduce: Callable[..., Tensor]) -> Compute:
    """A reduce_* operator: over `axes`, or over all of them."""

    def compute(arguments: Arguments) -> Tensor:
        x = arguments["x"]
        axes = integers(arguments.get("axes", range(x.dim())))
        return reduce(x, dim=axes, keepdim=bool(arguments.get("keep_dims", False)))

    return compute


def reshape(arguments: Arguments) -> Tensor:
    """Reshape; a 0 keeps the dimension, a -1 is whatever is left."""
    x: Tensor = arguments["x"]
    return x.reshape([size or x.shape[axis] for axis, size in enumerate(integers(arguments["shape"]))])


def transpose(arguments: Arguments) -> Tensor:
    """Transpose by perm."""
    x: Tensor = arguments["x"]
    return x.permute(integers(arguments["perm"]))


def squeeze(arguments: Arguments) -> Tensor:
    """Squeeze axes, or all of size 1."""
    x: Tensor = arguments["x"]
    return x.squeeze(tuple(integers(arguments.get("axes", range(x.dim())))))


def expand_dims(arguments: Arguments) -> Tensor:
    """expand_dims: axes count in the result."""
    x: Tensor = arguments["x"]
    rank = x.dim() + len(arguments["axes"])
    for axis in sorted(axis % rank for axis in integers(arguments["axes"])):
        x = x.unsqueeze(axis)
    return x


def concatenation(arguments: Arguments) -> Tensor:
    """Concat along axis."""
    return torch.cat(arguments["values"], int(arguments["axis"]))


def padding(arguments: Arguments) -> Tensor:
    """Pad: (before, after) of the last dimensions, the first of them first."""
    sizes = backwards(pairs(integers(arguments["pad"])))
    mode = arguments.get("mode", "constant")
    value = float(arguments.get("constant_val", 0)) if mode == "constant" else None
    return functional.pad(arguments["x"], sizes, mode, value)


def slice_by_index(arguments: Arguments) -> Tensor:
    """slice_by_index with positive strides; masks say where a dimension starts or ends by itself."""
    x: Tensor = arguments["x"]
    begin, end = integers(arguments["begin"]), integers(arguments["end"])
    stride = integers(arguments.get("stride", [1] * x.dim()))
    open_begin, open_end, single = (
        list(arguments.get(name, [False] * x.dim())) for name in ("begin_mask", "end_mask", "squeeze_mask")
    )
    index: list[int | slice] = []
    for axis in range(x.dim()):
        first, last = None if open_begin[axis] else begin[axis], None if open_end[axis] else end[axis]
        index.append(begin[axis] if single[axis] else slice(first, last, stride[axis]))
    return x[tuple(index)]


def unary(compute: Callable[[Tensor], Tensor]) -> Compute:
    """An element-wise operator of x."""
    return lambda arguments: compute(arguments["x"])


def binary(compute: Callable[[Tensor, Tensor], Tensor]) -> Compute:
    """An element-wise operator of x and y, either of which may be a constant."""
    return lambda arguments: compute(torch.as_tensor(arguments["x"]), torch.as_tensor(arguments["y"]))


OPERATORS: dict[str, Compute] = {
    "abs": unary(torch.abs),
    "add": binary(torch.add),
    "avg_pool": average_pooling,
    "batch_norm": batch_norm,
    "cast": unary(lambda x: x),  # the result is rounded to its declared type, as every result is
    "clip": clip,
    "concat": concatenation,
    "conv": convolution,
    "dequantize": dequantize,
    "elu": elu,
    "exp": unary(torch.exp),
    "expand_dims": expand_dims,
    "gelu": gelu,
    "identity": unary(lambda x: x),
    "leaky_relu": leaky_relu,
    "linear": linear,
    "local_response_norm": local_response_norm,
    "matmul": matrix_product,
    "max_pool": max_pooling,
    "maximum": binary(torch.maximum),
    "minimum": binary(torch.minimum),
    "mul": binary(torch.mul),
    "pad": padding,
    "pow": binary(torch.pow),
    "quantize": quantize,
    "real_div": binary(torch.div),
    "reduce_max": reduction(torch.amax),
    "reduce_mean": reduction(torch.mean),
    "reduce_sum": reduction(torch.sum),
    "relu": unary(functional.relu),
    "relu6": unary(functional.relu6),
    "reshape": reshape,
    "sigmoid": unary(torch.sigmoid),
    "sigmoid_hard": hard_sigmoid,
    "silu": unary(functional.silu),
    "slice_by_index": slice_by_index,
    "softmax": softmax,
    "sqrt": unary(torch.sqrt),
    "square": unary(torch.square),
    "squeeze": squeeze,
    "sub": binary(torch.sub),
    "tanh": unary(torch.tanh),
    "thresholded_relu": thresholded_relu,
    "transpose": transpose,
}
