"""CoreML's operators, computed by torch: one function for each, its arguments by their names in the MIL specification.

https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html describes each operator, its
arguments and their defaults. Tensors are float32 here whatever they are in the package, stored whole numbers too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Arguments = dict[str, Any]
Compute = Callable[[Arguments], Tensor]
LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}
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


def quantize(arguments: Arguments) -> Tensor:
    """Quantize: input / scale + zero_point, rounded to the nearest even and clipped to output_dtype."""
    low, high = LIMITS[arguments["output_dtype"]]
    scale, zero = _per_channel(arguments)
    return torch.clamp(torch.round(arguments["input"] / scale) + zero, low, high)


def dequantize(arguments: Arguments) -> Tensor:
    """Dequantize: (input - zero_point) * scale."""
    stored: Tensor = arguments["input"]
    scale, zero = _per_channel(arguments)
    return (stored - zero) * scale


def _per_channel(arguments: Arguments) -> tuple[Tensor, Tensor]:
    """Scale and zero point, either of them along `axis` where it has more than one value."""
    given = (arguments["scale"], arguments.get("zero_point", 0))
    scale, zero = (torch.as_tensor(value, dtype=torch.float32) for value in given)
    sizes = [1] * arguments["input"].dim()
    if max(scale.dim(), zero.dim()):
        sizes[int(arguments["axis"])] = -1
    return tuple(one.reshape(sizes) if one.dim() else one for one in (scale, zero))  # type: ignore[return-value]


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


def expand_dims(arguments: Arguments) -> Tensor:
    """expand_dims: axes count in the result."""
    x: Tensor = arguments["x"]
    rank = x.dim() + len(arguments["axes"])
    for axis in sorted(axis % rank for axis in integers(arguments["axes"])):
        x = x.unsqueeze(axis)
    return x


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


def number(arguments: Arguments, name: str, default: float) -> float:
    """A scalar argument."""
    return float(arguments.get(name, default))


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
    "batch_norm": lambda given: functional.batch_norm(
        given["x"],
        given["mean"],
        given["variance"],
        given.get("gamma"),
        given.get("beta"),
        eps=number(given, "epsilon", 1e-5),
    ),
    "cast": unary(lambda x: x),  # the result is rounded to its declared type, as every result is
    "clip": lambda given: torch.clamp(given["x"], float(given["alpha"]), float(given["beta"])),
    "concat": lambda given: torch.cat(given["values"], int(given["axis"])),
    "conv": convolution,
    "dequantize": dequantize,
    "elu": lambda given: functional.elu(given["x"], number(given, "alpha", 1)),
    "exp": unary(torch.exp),
    "expand_dims": expand_dims,
    "gelu": lambda given: functional.gelu(
        given["x"], approximate="none" if given.get("mode", "EXACT") == "EXACT" else "tanh"
    ),
    "identity": unary(lambda x: x),
    "leaky_relu": lambda given: functional.leaky_relu(given["x"], number(given, "alpha", 0.01)),
    "linear": lambda given: functional.linear(given["x"], given["weight"], given.get("bias")),
    "local_response_norm": lambda given: functional.local_response_norm(
        given["x"], int(given["size"]), number(given, "alpha", 1e-4), number(given, "beta", 0.75), number(given, "k", 1)
    ),
    "matmul": lambda given: torch.matmul(
        *(given[name].mT if given.get(f"transpose_{name}", False) else given[name] for name in ("x", "y"))
    ),
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
    "sigmoid_hard": lambda given: torch.clamp(
        given["x"] * number(given, "alpha", 0.2) + number(given, "beta", 0.5), 0, 1
    ),
    "silu": unary(functional.silu),
    "slice_by_index": slice_by_index,
    "softmax": lambda given: functional.softmax(given["x"], int(given.get("axis", -1))),
    "sqrt": unary(torch.sqrt),
    "square": unary(torch.square),
    "squeeze": lambda given: given["x"].squeeze(tuple(integers(given.get("axes", range(given["x"].dim()))))),
    "sub": binary(torch.sub),
    "tanh": unary(torch.tanh),
    "thresholded_relu": lambda given: torch.where(given["x"] >= number(given, "alpha", 1), given["x"], 0),
    "transpose": lambda given: given["x"].permute(integers(given["perm"])),
}
