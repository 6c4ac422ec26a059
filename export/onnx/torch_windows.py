"""ONNX's operators over windows and grids, by torch, as torch_operators has the others: conv, pools, pads, resizing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edgebench.ground.errors import UsageError

Points = np.ndarray[Any, np.dtype[np.float64]]
Indices = np.ndarray[Any, np.dtype[np.int64]]
Value = Any  # a tensor, an array of whole numbers or truths, None for an input that is left out
AVERAGE: Final = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)
MAXIMUM: Final = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
LARGEST: Final = 2**31  # ends of slices beyond it mean "to the end"


@dataclass(frozen=True)
class Node:
    """One operator: its name, attributes, and the version of its operator set."""

    kind: str
    attributes: dict[str, Any]
    version: int
    outputs: int = 1

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def given(self, name: str, inputs: Sequence[Value], place: int) -> list[int] | None:
        """Whole numbers that are an attribute in some versions and an input in others."""
        if name in self.attributes:
            return [int(number) for number in self.attributes[name]]
        if len(inputs) > place and inputs[place] is not None:
            return [int(number) for number in np.asarray(inputs[place]).reshape(-1)]
        return None

    def refuse(self, what: str) -> UsageError:
        """What is raised where torch cannot say the same."""
        return UsageError(f"the ONNX operator {self.kind} {what}, which edgebench does not read")


def tensor(value: Value) -> Tensor:
    """A value as torch has it."""
    if isinstance(value, Tensor):
        return value
    return torch.from_numpy(np.array(value))


Compute = Callable[[Node, list[Value]], Value]


def _pairs(node: Node, axes: int) -> list[tuple[int, int]]:
    flat = node.get("pads") or [0] * 2 * axes
    return list(zip(flat[:axes], flat[axes:], strict=True))


def _padding(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> list[tuple[int, int]]:
    """(before, after) of each axis, `auto_pad` included."""
    axes, automatic = len(kernel), node.get("auto_pad", "NOTSET")
    if automatic in ("NOTSET", "VALID"):
        return _pairs(node, axes)
    strides, dilations = node.get("strides") or [1] * axes, node.get("dilations") or [1] * axes
    found = []
    for size, taps, step, apart in zip(sizes, kernel, strides, dilations, strict=True):
        total = max(0, (math.ceil(size / step) - 1) * step + (taps - 1) * apart + 1 - size)
        less, more = total // 2, total - total // 2
        found.append((less, more) if automatic == "SAME_UPPER" else (more, less))
    return found


def _with_last_window(
    sizes: Sequence[int], kernel: list[int], strides: list[int], dilations: list[int], ends: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The padding with which the last window, where it is incomplete and begins in the image, is whole."""
    found = []
    for size, taps, step, apart, (before, after) in zip(sizes, kernel, strides, dilations, ends, strict=True):
        span = (taps - 1) * apart + 1
        windows = math.ceil((size + before + after - span) / step)
        windows -= windows * step >= size + before
        found.append((before, max(0, windows * step + span - size - before)))
    return found


def _backwards(ends: Sequence[tuple[int, int]]) -> list[int]:
    return [size for pair in reversed(ends) for size in pair]


def _padded(x: Tensor, ends: list[tuple[int, int]], value: float = 0.0) -> tuple[Tensor, list[int]]:
    """The input and the padding that torch does itself; what differs before and after is done here."""
    if all(before == after for before, after in ends):
        return x, [before for before, _ in ends]
    return functional.pad(x, _backwards(ends), value=value), [0] * len(ends)


def convolution(node: Node, inputs: list[Value]) -> Tensor:
    """Conv over one to three axes."""
    x, weight, *bias = inputs
    axes = weight.dim() - 2
    x, padding = _padded(x, _padding(node, x.shape[2:], weight.shape[2:]))
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]
    strides, dilations = node.get("strides") or [1] * axes, node.get("dilations") or [1] * axes
    return convolve(x, weight, bias[0] if bias else None, strides, padding, dilations, node.get("group", 1))


def transposed_convolution(node: Node, inputs: list[Value]) -> Tensor:
    """ConvTranspose over two axes."""
    x, weight, *bias = inputs
    if node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or node.get("output_shape"):
        raise node.refuse("chooses its padding by the output's shape")
    strides, dilations = node.get("strides") or [1, 1], node.get("dilations") or [1, 1]
    extra, group, ends = node.get("output_padding") or [0, 0], node.get("group", 1), _pairs(node, weight.dim() - 2)
    whole = functional.conv_transpose2d(x, weight, bias[0] if bias else None, strides, 0, extra, group, dilations)
    if any(before != after for before, after in ends):
        return functional.pad(whole, [-size for size in _backwards(ends)])
    padding = [before for before, _ in ends]
    args = (x, weight, bias[0] if bias else None, strides, padding, extra, group, dilations)
    return functional.conv_transpose2d(*args)


def pooling(node: Node, inputs: list[Value]) -> Tensor:
    """MaxPool and AveragePool over one to three axes."""
    (x,), kernel = inputs, node.get("kernel_shape")
    axes, ceil = len(kernel), bool(node.get("ceil_mode", 0))
    strides, dilations = node.get("strides") or [1] * axes, node.get("dilations") or [1] * axes
    ends = _padding(node, x.shape[2:], kernel)
    if ceil and any(before != after for before, after in ends):
        ends, ceil = _with_last_window(x.shape[2:], kernel, strides, dilations, ends), False
    if node.kind == "MaxPool":
        if node.outputs > 1:
            raise node.refuse("gives indices")
        x, padding = _padded(x, ends, float("-inf"))
        pool = MAXIMUM[axes - 1]
        return pool(x, kernel, strides, padding, dilations, ceil)
    counts = bool(node.get("count_include_pad", 0))
    if any(before != after for before, after in ends) and not counts:
        ones = functional.pad(torch.ones_like(x[:, :1]), _backwards(ends))
        average = AVERAGE[axes - 1]
        padded = functional.pad(x, _backwards(ends))
        return average(padded, kernel, strides, 0, ceil) / average(ones, kernel, strides, 0, ceil)
    x, padding = _padded(x, ends)
    return AVERAGE[axes - 1](x, kernel, strides, padding, ceil, counts)


def pad(node: Node, inputs: list[Value]) -> Tensor:
    """Pad by a constant, the mirror image, the edge, or around."""
    x, flat = inputs[0], node.given("pads", inputs, 1) or []
    value = node.get("value", 0.0) if len(inputs) < 3 or inputs[2] is None else float(tensor(inputs[2]))
    axes = (np.asarray(inputs[3]) if len(inputs) > 3 and inputs[3] is not None else np.arange(x.dim())).tolist()
    ends = [(0, 0)] * x.dim()
    for number, axis in enumerate(axes):
        ends[axis] = (flat[number], flat[number + len(axes)])
    mode = {"edge": "replicate", "wrap": "circular"}.get(node.get("mode", "constant"), node.get("mode", "constant"))
    if mode == "constant":
        return functional.pad(x, _backwards(ends), value=value)
    if any(pair != (0, 0) for pair in ends[:2]):
        raise node.refuse(f"in mode {mode} pads channels")
    return functional.pad(x, _backwards(ends[2:]), mode)


def resize(node: Node, inputs: list[Value]) -> Value:
    """Resize and Upsample of the last two axes: nearest, linear and cubic, where torch has the same grid."""
    x = inputs[0]
    scales, sizes = _resizing(node, inputs)
    targets = [int(size) for size in sizes] if sizes else [int(n * s) for n, s in zip(x.shape, scales, strict=True)]
    if targets[:2] != list(x.shape[:2]):
        raise node.refuse("changes batch or channels")
    old = [int(size) for size in x.shape[2:]]  # tensors to whoever traces this
    factors = list(scales[2:]) if scales else [n / m for n, m in zip(targets[2:], old, strict=True)]
    grid = node.get("coordinate_transformation_mode", "half_pixel" if node.version > 10 else "asymmetric")
    mode = node.get("mode", "nearest")
    exact = all(abs(n / m - f) < 1e-6 for n, m, f in zip(targets[2:], old, factors, strict=True))
    centers = grid in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric") and exact
    if mode in ("linear", "cubic") and (centers or grid == "align_corners"):
        kind = "bilinear" if mode == "linear" else "bicubic"
        if mode == "cubic" and node.get("cubic_coeff_a", -0.75) != -0.75:
            raise node.refuse("has another cubic coefficient than torch's -0.75")
        return functional.interpolate(x, targets[2:], mode=kind, align_corners=grid == "align_corners")
    points = [_grid(node, grid, *each) for each in zip(old, targets[2:], factors, strict=True)]
    if mode == "nearest":
        return _nearest(x, old, [_chosen(node, *each) for each in zip(points, old, strict=True)])
    for axis, each in enumerate(points, start=2):
        x = _interpolated(node, x, axis, each)
    return x


def _resizing(node: Node, inputs: list[Value]) -> tuple[list[float], list[int]]:
    """Scales and sizes, of which one is given; by version as an attribute or an input."""
    given: list[Any] = [None if each is None or not np.size(each) else np.asarray(each).tolist() for each in inputs[1:]]
    if node.kind == "Upsample" or node.version == 10:
        return node.get("scales") or (given[0] if given else []), []
    scales, sizes = (*given[1:3], None, None)[:2]
    return list(scales or []), list(sizes or [])


def _grid(node: Node, grid: str, size: int, target: int, factor: float) -> Points:
    steps = np.arange(target, dtype=np.float64)
    if grid == "align_corners":
        return steps * (size - 1) / max(1, target - 1)
    if grid == "asymmetric":
        return steps / factor
    if grid in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        return (steps + 0.5) / factor - 0.5
    raise node.refuse(f"places pixels by {grid}")


def _chosen(node: Node, points: Points, size: int) -> Indices:
    rounding = node.get("nearest_mode", "round_prefer_floor" if node.version > 10 else "floor")
    round_off: dict[str, Callable[[Points], Points]] = {
        "floor": np.floor,
        "ceil": np.ceil,
        "round_prefer_floor": lambda p: np.ceil(p - 0.5),
        "round_prefer_ceil": lambda p: np.floor(p + 0.5),
    }
    return np.clip(round_off[rounding](points), 0, size - 1).astype(np.int64)


def _nearest(x: Tensor, old: Sequence[int], chosen: Sequence[Indices]) -> Tensor:
    """Torch's own resize where it chooses the same pixels: formats have a name for that, and none for others."""
    usual = [np.arange(len(each)) * size // len(each) for each, size in zip(chosen, old, strict=True)]
    if all(map(np.array_equal, chosen, usual)):
        return functional.interpolate(x, [len(each) for each in chosen], mode="nearest")
    for axis, each in enumerate(chosen, start=2):
        x = x.index_select(axis, torch.from_numpy(each))
    return x


def _interpolated(node: Node, x: Tensor, axis: int, points: Points) -> Tensor:
    if node.get("mode") == "cubic":
        raise node.refuse("is cubic on a grid that torch does not have")
    points = np.clip(points, 0, x.shape[axis] - 1)
    matrix = np.zeros((len(points), x.shape[axis]), np.float32)
    low = np.floor(points).astype(np.int64)
    np.add.at(matrix, (np.arange(len(points)), low), 1 - (points - low))
    np.add.at(matrix, (np.arange(len(points)), np.minimum(low + 1, x.shape[axis] - 1)), points - low)
    return functional.linear(x.movedim(axis, -1), torch.from_numpy(matrix).to(x.dtype)).movedim(-1, axis)
