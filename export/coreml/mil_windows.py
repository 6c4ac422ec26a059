"""CoreML's operators over windows and grids, as mil_operators has the others: convolution, pooling, resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Arguments = dict[str, Any]
Ends = tuple[int, int]  # before and after an axis


def integers(values: Any) -> list[int]:
    """Returns a constant as a list of integers."""
    return [int(value) for value in values]


def convolution(arguments: Arguments) -> Tensor:
    """Conv over one to three axes: x (N, C, *sizes), weight (out, C / groups, *kernel)."""
    x, weight = arguments["x"], arguments["weight"]
    axes = x.dim() - 2
    strides, dilations = _per_axis(arguments, "strides", axes), _per_axis(arguments, "dilations", axes)
    x = functional.pad(x, backwards(_padding(arguments, x, weight.shape[2:], strides, dilations)))
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]
    return convolve(x, weight, arguments.get("bias"), strides, 0, dilations, int(arguments.get("groups", 1)))


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


def transposed_convolution(arguments: Arguments) -> Tensor:
    """conv_transpose: x (N, C, H, W), weight (C, out / groups, height, width); `output_shape` decides where given."""
    x, weight = arguments["x"], arguments["weight"]
    axes = x.dim() - 2
    strides, dilations = _per_axis(arguments, "strides", axes), _per_axis(arguments, "dilations", axes)
    groups = int(arguments.get("groups", 1))
    convolve = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[axes - 1]
    whole = convolve(x, weight, None, strides, 0, 0, groups, dilations)
    spans = whole.shape[2:]
    if arguments.get("pad_type", "valid") == "custom":
        ends = pairs(integers(arguments["pad"]))
        wanted = [span - sum(cut) for span, cut in zip(spans, ends, strict=True)]
        before = [cut[0] for cut in ends]
    else:
        same = arguments.get("pad_type", "valid") == "same"
        wanted = [size * step for size, step in zip(x.shape[2:], strides, strict=True)] if same else list(spans)
        before = [max(0, span - size) // 2 for span, size in zip(spans, wanted, strict=True)]
    if arguments.get("output_shape") is not None:
        wanted = integers(arguments["output_shape"])[-axes:]
    # What is asked for beyond the last tap is zero: torch's output_padding.
    missing = [(0, max(0, first + size - span)) for first, size, span in zip(before, wanted, spans, strict=True)]
    whole = functional.pad(whole, backwards(missing))
    for axis, (first, size) in enumerate(zip(before, wanted, strict=True), start=2):
        whole = whole.narrow(axis, first, size)
    bias = arguments.get("bias")
    return whole if bias is None else whole + torch.as_tensor(bias).reshape(1, -1, *[1] * axes)


def resize_bilinear(arguments: Arguments) -> Tensor:
    """resize_bilinear to a target size, its grid points by `sampling_mode`."""
    mode = arguments.get("sampling_mode", "DEFAULT")
    targets = [int(arguments.get(f"target_size_{axis}", 1)) for axis in ("height", "width")]
    x: Tensor = arguments["x"]
    for axis, target in zip((-2, -1), targets, strict=True):
        x = _interpolated(x, axis, _grid(x.shape[axis], target, mode))
    return x


def upsample_bilinear(arguments: Arguments) -> Tensor:
    """upsample_bilinear by factors; the output's size is rounded down, the grid is spaced by the factor itself."""
    x: Tensor = arguments["x"]
    corners = bool(arguments.get("align_corners", True))
    centers = bool(arguments.get("half_pixel_centers", not corners))
    for axis, name in ((-2, "height"), (-1, "width")):
        factor, size = float(arguments.get(f"scale_factor_{name}", 1)), x.shape[axis]
        target = int(size * factor)
        steps = torch.arange(target, dtype=torch.float64)
        if corners:
            points = _grid(size, target, "STRICT_ALIGN_CORNERS")
        else:
            points = (steps + 0.5) / factor - 0.5 if centers else steps / factor
        x = _interpolated(x, axis, points)
    return x


def nearest(arguments: Arguments) -> Tensor:
    """resize_nearest_neighbor to a size, upsample_nearest_neighbor by factors: a pixel is the one at or before it."""
    x: Tensor = arguments["x"]
    for axis, name in ((-2, "height"), (-1, "width")):
        size = x.shape[axis]
        target = arguments.get(f"target_size_{name}")
        factor = float(arguments.get(f"scale_factor_{name}", 1)) if target is None else int(target) / size
        count = int(size * factor) if target is None else int(target)
        x = x.index_select(axis, (torch.arange(count, dtype=torch.float64) / factor).long().clamp(max=size - 1))
    return x


def _grid(size: int, target: int, mode: str) -> Tensor:
    """Where in the input each pixel of the output lies, by the formulas of resize_bilinear's specification."""
    steps = torch.arange(target, dtype=torch.float64)
    if mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        if target == 1:
            return torch.tensor([(size - 1) / 2 if mode == "ALIGN_CORNERS" else 0.0], dtype=torch.float64)
        return steps * (size - 1) / (target - 1)
    if mode == "UNALIGN_CORNERS":
        return (steps + 0.5) * size / target - 0.5
    if mode == "OFFSET_CORNERS":
        return (steps + 0.5) * max(1, size - 1) / target
    return steps * size / target


def _interpolated(x: Tensor, axis: int, points: Tensor) -> Tensor:
    """Linear interpolation along one axis at `points`, which are kept inside it."""
    points = points.clamp(0, x.shape[axis] - 1)
    low = points.floor().long()
    high = (low + 1).clamp(max=x.shape[axis] - 1)
    share = (points - low).to(x.dtype).reshape([-1 if other == axis % x.dim() else 1 for other in range(x.dim())])
    return x.index_select(axis, low) * (1 - share) + x.index_select(axis, high) * share
