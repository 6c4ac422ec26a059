"""CoreML's operators, computed by torch: one function for each, its arguments by their names in the MIL specification.

https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html describes each operator, its
arguments and their defaults. Tensors are float32 here whatever they are in the package, stored whole numbers too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from edgebench.formats.blocks import depth_to_space, space_to_depth
from edgebench.formats.coreml import mil_windows as windows
from edgebench.formats.coreml.mil_windows import Arguments, backwards, integers, pairs
from edgebench.ground.errors import Uncheckable

Compute = Callable[[Arguments], Tensor | tuple[Tensor, ...]]
LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}


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
    x, mode, ends = arguments["x"], arguments.get("mode", "constant"), pairs(integers(arguments["pad"]))
    if mode == "constant":
        return functional.pad(x, backwards(ends), value=float(arguments.get("constant_val", 0)))
    for axis, (before, after) in enumerate(ends, x.dim() - len(ends)):
        last = x.shape[axis] - 1
        places = torch.arange(-before, last + 1 + after)
        reflected = last - (last - places.abs()).abs()
        x = x.index_select(axis, reflected if mode == "reflect" else places.clamp(0, last))
    return x  # type: ignore[no-any-return]


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


def normalization(arguments: Arguments) -> Tensor:
    """layer_norm over `axes` (default: all), by the biased variance; gamma and beta have the shape of those axes."""
    x: Tensor = arguments["x"]
    axes = sorted(axis % x.dim() for axis in integers(arguments.get("axes", range(x.dim()))))
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    normal = (x - mean) * torch.rsqrt(variance + number(arguments, "epsilon", 1e-5))
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.dim())]
    return _affine(normal, arguments, shape)


def instance_normalization(arguments: Arguments) -> Tensor:
    """instance_norm: each channel of each image over its own pixels."""
    x: Tensor = arguments["x"]
    axes = list(range(2, x.dim()))
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    normal = (x - mean) * torch.rsqrt(variance + number(arguments, "epsilon", 1e-5))
    return _affine(normal, arguments, [1, -1, *[1] * len(axes)])


def _affine(x: Tensor, arguments: Arguments, shape: list[int]) -> Tensor:
    gamma, beta = arguments.get("gamma"), arguments.get("beta")
    x = x if gamma is None else x * torch.as_tensor(gamma).reshape(shape)
    return x if beta is None else x + torch.as_tensor(beta).reshape(shape)


def split(arguments: Arguments) -> tuple[Tensor, ...]:
    """Split along `axis`, into `split_sizes` or into `num_splits` equal parts."""
    x, axis = arguments["x"], int(arguments["axis"])
    sizes = arguments.get("split_sizes")
    parts = integers(sizes) if sizes is not None else x.shape[axis] // int(arguments["num_splits"])
    return tuple(torch.split(x, parts, axis))


def gather(arguments: Arguments) -> Tensor:
    """Gather along `axis`; the indices, of any rank, take that axis's place; negative ones count from the end."""
    x, axis = torch.as_tensor(arguments["x"]), int(arguments.get("axis", 0))
    indices = torch.as_tensor(arguments["indices"]).long()
    batch = int(arguments.get("batch_dims", 0))
    if batch:
        raise Uncheckable("the file cannot be compared with torch here: its gather has batch_dims; see `unchecked`")
    axis %= x.dim()
    picked = x.index_select(axis, (indices % x.shape[axis]).reshape(-1))
    return picked.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def largest(arguments: Arguments) -> tuple[Tensor, ...]:
    """Topk: values and indices of the k largest, or smallest where `ascending`, along `axis`."""
    smallest = bool(arguments.get("ascending", False))
    found = torch.topk(arguments["x"], int(arguments.get("k", 1)), int(arguments.get("axis", -1)), not smallest)
    return (found.values, found.indices) if arguments.get("return_indices", True) else (found.values,)


def position(find: Callable[..., Tensor]) -> Compute:
    """reduce_argmax and reduce_argmin along `axis`, which stays where `keep_dims` (the default)."""
    return lambda given: find(given["x"], int(given.get("axis", -1)), bool(given.get("keep_dims", True)))


def cast(arguments: Arguments) -> Tensor:
    """Cast: whole numbers are cut, everything but zero is true; other types are rounded to when a result is stored."""
    x, kind = torch.as_tensor(arguments["x"]), arguments["dtype"]
    if kind == "bool":
        return x != 0
    return x.float().trunc() if "int" in kind else x.float()


def concat(arguments: Arguments) -> Tensor:
    """concat; interleaved, the first of each come before the second of each, as a shuffle of channels becomes."""
    values, axis = [torch.as_tensor(each) for each in arguments["values"]], int(arguments["axis"])
    if not arguments.get("interleave", False):
        return torch.cat(values, axis)
    axis %= values[0].ndim
    return torch.stack(values, axis + 1).flatten(axis, axis + 1)


def pixel_unshuffle(arguments: Arguments) -> Tensor:
    """pixel_unshuffle, as torch's."""
    return functional.pixel_unshuffle(arguments["x"], int(arguments["downscale_factor"]))


def slice_by_size(arguments: Arguments) -> Tensor:
    """slice_by_size: `size` elements of each axis from `begin`; -1 is all that are left."""
    x: Tensor = arguments["x"]
    for axis, (begin, size) in enumerate(zip(integers(arguments["begin"]), integers(arguments["size"]), strict=True)):
        x = x.narrow(axis, begin, x.shape[axis] - begin if size == -1 else size)
    return x


def prelu(arguments: Arguments) -> Tensor:
    """Prelu: a slope a channel, which is axis 1."""
    return functional.prelu(arguments["x"], torch.as_tensor(arguments["alpha"]).reshape(-1))


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
    "acos": unary(torch.acos),
    "add": binary(torch.add),
    "asin": unary(torch.asin),
    "atan": unary(torch.atan),
    "avg_pool": windows.average_pooling,
    "batch_norm": lambda given: functional.batch_norm(
        given["x"],
        given["mean"],
        given["variance"],
        given.get("gamma"),
        given.get("beta"),
        eps=number(given, "epsilon", 1e-5),
    ),
    "cast": cast,
    "ceil": unary(torch.ceil),
    "clamped_relu": lambda given: torch.clamp(
        torch.where(given["x"] >= 0, given["x"], given["x"] * float(given["alpha"])), max=float(given["beta"])
    ),
    "clip": lambda given: torch.clamp(given["x"], float(given["alpha"]), float(given["beta"])),
    "concat": concat,
    "conv": windows.convolution,
    "conv_transpose": windows.transposed_convolution,
    "cos": unary(torch.cos),
    "crop": lambda given: functional.pad(
        given["x"], [-int(size) for name in ("crop_width", "crop_height") for size in given[name]]
    ),
    "cumsum": lambda given: torch.cumsum(given["x"], int(given.get("axis", 0))),
    "depth_to_space": lambda given: depth_to_space(given["x"], int(given["block_size"])),
    "dequantize": dequantize,
    "einsum": lambda given: torch.einsum(given["equation"], *given["values"]),
    "elu": lambda given: functional.elu(given["x"], number(given, "alpha", 1)),
    "equal": binary(torch.eq),
    "erf": unary(torch.erf),
    "exp": unary(torch.exp),
    "exp2": unary(torch.exp2),
    "expand_dims": expand_dims,
    "floor": unary(torch.floor),
    "floor_div": binary(torch.floor_divide),
    "gather": gather,
    "gather_along_axis": lambda given: torch.gather(
        given["x"], int(given.get("axis", 0)), torch.as_tensor(given["indices"]).long()
    ),
    "gelu": lambda given: functional.gelu(
        given["x"], approximate="none" if given.get("mode", "EXACT") == "EXACT" else "tanh"
    ),
    "greater": binary(torch.gt),
    "greater_equal": binary(torch.ge),
    "identity": unary(lambda x: x),
    "instance_norm": instance_normalization,
    "inverse": lambda given: 1 / (given["x"] + number(given, "epsilon", 1e-4)),
    "l2_norm": lambda given: (
        given["x"] * torch.rsqrt(given["x"].square().sum((-3, -2, -1), keepdim=True) + number(given, "epsilon", 1e-6))
    ),
    "layer_norm": normalization,
    "leaky_relu": lambda given: functional.leaky_relu(given["x"], number(given, "alpha", 0.01)),
    "less": binary(torch.lt),
    "less_equal": binary(torch.le),
    "linear": lambda given: functional.linear(given["x"], given["weight"], given.get("bias")),
    "linear_activation": lambda given: given["x"] * float(given["alpha"]) + number(given, "beta", 0),
    "local_response_norm": lambda given: functional.local_response_norm(
        given["x"], int(given["size"]), number(given, "alpha", 1e-4), number(given, "beta", 0.75), number(given, "k", 1)
    ),
    "log": lambda given: torch.log(given["x"] + number(given, "epsilon", 1e-45)),
    "logical_and": binary(torch.logical_and),
    "logical_not": unary(torch.logical_not),
    "logical_or": binary(torch.logical_or),
    "logical_xor": binary(torch.logical_xor),
    "matmul": lambda given: torch.matmul(
        *(given[name].mT if given.get(f"transpose_{name}", False) else given[name] for name in ("x", "y"))
    ),
    "max_pool": windows.max_pooling,
    "maximum": binary(torch.maximum),
    "minimum": binary(torch.minimum),
    "mod": binary(torch.remainder),
    "mul": binary(torch.mul),
    "not_equal": binary(torch.ne),
    "pad": padding,
    "pixel_shuffle": lambda given: functional.pixel_shuffle(given["x"], int(given["upscale_factor"])),
    "pixel_unshuffle": pixel_unshuffle,
    "pow": binary(torch.pow),
    "prelu": prelu,
    "quantize": quantize,
    "real_div": binary(torch.div),
    "reduce_argmax": position(torch.argmax),
    "reduce_argmin": position(torch.argmin),
    "reduce_l1_norm": reduction(lambda x, dim, keepdim: x.abs().sum(dim, keepdim)),
    "reduce_l2_norm": reduction(lambda x, dim, keepdim: x.square().sum(dim, keepdim).sqrt()),
    "reduce_log_sum_exp": reduction(torch.logsumexp),
    "reduce_max": reduction(torch.amax),
    "reduce_mean": reduction(torch.mean),
    "reduce_min": reduction(torch.amin),
    "reduce_sum": reduction(torch.sum),
    "reduce_sum_square": reduction(lambda x, dim, keepdim: x.square().sum(dim, keepdim)),
    "relu": unary(functional.relu),
    "relu6": unary(functional.relu6),
    "reshape": reshape,
    "resize_bilinear": windows.resize_bilinear,
    "resize_nearest_neighbor": windows.nearest,
    "reverse": lambda given: given["x"].flip(integers(given.get("axes", range(given["x"].dim())))),
    "round": unary(torch.round),
    "rsqrt": lambda given: torch.rsqrt(given["x"] + number(given, "epsilon", 1e-12)),
    "select": lambda given: torch.where(
        torch.as_tensor(given["cond"]).bool(), torch.as_tensor(given["a"]), torch.as_tensor(given["b"])
    ),
    "sigmoid": unary(torch.sigmoid),
    "sigmoid_hard": lambda given: torch.clamp(
        given["x"] * number(given, "alpha", 0.2) + number(given, "beta", 0.5), 0, 1
    ),
    "sign": unary(torch.sign),
    "silu": unary(functional.silu),
    "sin": unary(torch.sin),
    "slice_by_index": slice_by_index,
    "slice_by_size": slice_by_size,
    "softmax": lambda given: functional.softmax(given["x"], int(given.get("axis", -1))),
    "softplus": unary(functional.softplus),
    "softsign": unary(functional.softsign),
    "space_to_depth": lambda given: space_to_depth(given["x"], int(given["block_size"])),
    "split": split,
    "sqrt": unary(torch.sqrt),
    "square": unary(torch.square),
    "squeeze": lambda given: given["x"].squeeze(tuple(integers(given.get("axes", range(given["x"].dim()))))),
    "stack": lambda given: torch.stack([torch.as_tensor(each) for each in given["values"]], int(given["axis"])),
    "sub": binary(torch.sub),
    "tan": unary(torch.tan),
    "tanh": unary(torch.tanh),
    "threshold": lambda given: torch.clamp(given["x"], min=float(given["alpha"])),
    "thresholded_relu": lambda given: torch.where(given["x"] >= number(given, "alpha", 1), given["x"], 0),
    "tile": lambda given: given["x"].repeat(integers(given["reps"])),
    "topk": largest,
    "transpose": lambda given: given["x"].permute(integers(given["perm"])),
    "upsample_bilinear": windows.upsample_bilinear,
    "upsample_nearest_neighbor": windows.nearest,
}
