"""TFLite's operators by torch: one function each, of a step and what it reads, as in the schema and its kernels.

A tensor of four axes is held as the file has it (channels last), as an image (channels first), or both once it was
turned; an operator takes it as it needs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor
from torch.nn import functional

from edgebench.formats.blocks import depth_to_space, space_to_depth
from edgebench.ground.errors import UsageError

TO_IMAGE: Final = (0, 3, 1, 2)
TO_FILE: Final = (0, 2, 3, 1)
SAME: Final = schema.Padding.SAME


@dataclass(frozen=True)
class Step:
    """One operator: its kind, its options by the schema, and its outputs' shapes in the file."""

    kind: str
    options: Any
    shapes: tuple[tuple[int, ...], ...]


@dataclass
class Held:
    """A tensor as the file has it, as an image, or both; a constant of whole numbers, or of one number, is `whole`."""

    plain: Tensor | None = None
    image: Tensor | None = None
    whole: npt.NDArray[Any] | None = None

    def file(self) -> Tensor:
        """As the file has it."""
        if self.plain is None and self.whole is not None:
            self.plain = torch.from_numpy(self.whole)
        elif self.plain is None:
            self.plain = self.image.permute(TO_FILE)  # type: ignore[union-attr]
        return self.plain

    def first(self) -> Tensor:
        """Channels first; of fewer axes than four, as it broadcasts with one."""
        if self.image is None:
            plain = self.file()
            self.image = plain.reshape((1,) * (4 - plain.dim()) + tuple(plain.shape)).permute(TO_IMAGE)
        return self.image

    def home(self) -> Tensor:
        """As torch has it: an image channels first, anything else as it is."""
        return self.first() if self.image is not None or self.file().dim() == 4 else self.file()

    def numbers(self) -> list[int]:
        """The whole numbers of a constant."""
        if self.whole is None:
            raise UsageError("the file computes a shape or an axis from its input, which no other format can")
        return [int(number) for number in self.whole.reshape(-1)]

    def number(self) -> float:
        """The one number of a constant."""
        if self.whole is None:
            raise UsageError("the file computes what it pads with from its input, which no other format can")
        return float(self.whole.item())


_DTYPES: Final[dict[int, torch.dtype]] = {
    schema.TensorType.FLOAT32: torch.float32,
    schema.TensorType.INT32: torch.int32,
    schema.TensorType.INT64: torch.int64,
    schema.TensorType.BOOL: torch.bool,
}

Given = Sequence[Any]  # of Held; None where an input is left out
Compute = Callable[[Step, Given], Held | list[Held]]

_FUSED: Final[dict[int, Callable[[Tensor], Tensor]]] = {
    schema.ActivationFunctionType.NONE: lambda x: x,
    schema.ActivationFunctionType.RELU: functional.relu,
    schema.ActivationFunctionType.RELU_N1_TO_1: functional.hardtanh,
    schema.ActivationFunctionType.RELU6: functional.relu6,
    schema.ActivationFunctionType.TANH: torch.tanh,
}


def _fused(step: Step, x: Tensor) -> Tensor:
    return _FUSED[getattr(step.options, "fusedActivationFunction", 0)](x)


def elementwise(compute: Callable[..., Tensor]) -> Compute:
    """Of any number of tensors that broadcast: channels first where one of them lies so and all results have 4 axes."""

    def run(step: Step, given: Given) -> Held:
        images = len(step.shapes[0]) == 4 and any(one.image is not None for one in given)
        made = _fused(step, compute(*(one.first() if images else one.file() for one in given)))
        return Held(image=made) if images else Held(plain=made)

    return run


# ---- windows ----


def _ends(step: Step, size: Sequence[int], taps: Sequence[int], dilation: Sequence[int] = (1, 1)) -> list[int]:
    """torch's left, right, top, bottom for the schema's padding: none, or what SAME needs with the odd one behind."""
    options, ends = step.options, []
    if options.padding != SAME:
        return [0, 0, 0, 0]
    for length, kernel, apart, stride in zip(size, taps, dilation, (options.strideH, options.strideW), strict=True):
        missing = max(0, (math.ceil(length / stride) - 1) * stride + (kernel - 1) * apart + 1 - length)
        ends.append([missing // 2, missing - missing // 2])
    return [*ends[1], *ends[0]]


def _padded(x: Tensor, ends: list[int], value: float = 0.0) -> tuple[Tensor, tuple[int, int]]:
    """The image and the padding that the kernel adds by itself, none where it is not alike on either side."""
    left, right, top, bottom = ends
    return (x, (top, left)) if (left, top) == (right, bottom) else (functional.pad(x, ends, value=value), (0, 0))


def _bias(given: Given, at: int) -> Tensor | None:
    """A layer's bias, which a file may hold with axes of size 1 before it."""
    return given[at].file().reshape(-1) if len(given) > at and given[at] is not None else None


def convolution(step: Step, given: Given) -> Held:
    """CONV_2D with filters (out, H, W, in / groups) and DEPTHWISE_CONV_2D with (1, H, W, out)."""
    image, options = given[0].first(), step.options
    depthwise = step.kind == "DEPTHWISE_CONV_2D"
    weight = given[1].file().permute((3, 0, 1, 2) if depthwise else TO_IMAGE)
    dilation = (options.dilationHFactor, options.dilationWFactor)
    bias = _bias(given, 2)
    image, padding = _padded(image, _ends(step, image.shape[2:], weight.shape[2:], dilation))
    groups = image.shape[1] // weight.shape[1]
    stride = (options.strideH, options.strideW)
    return Held(image=_fused(step, functional.conv2d(image, weight, bias, stride, padding, dilation, groups)))


def transposed(step: Step, given: Given) -> Held:
    """TRANSPOSE_CONV: the whole result, cut to the shape that the file states as SAME or VALID says."""
    image, weight = given[2].first(), given[1].file().permute(3, 0, 1, 2)
    stride = (step.options.strideH, step.options.strideW)
    made = functional.conv_transpose2d(image, weight, None, stride)
    for axis, size in zip((2, 3), step.shapes[0][1:3], strict=True):
        over = max(0, (image.shape[axis] - 1) * stride[axis - 2] + weight.shape[axis] - size)
        before = over // 2 if step.options.padding == SAME else 0
        short = max(0, before + size - made.shape[axis])
        made = functional.pad(made, [0, 0, 0, short] if axis == 2 else [0, short])
        made = made.narrow(axis, before, size)
    bias = _bias(given, 3)
    return Held(image=_fused(step, made if bias is None else made + bias.reshape(1, -1, 1, 1)))


def pool(step: Step, given: Given) -> Held:
    """MAX_POOL_2D and AVERAGE_POOL_2D; an average is over the cells that lie in the image."""
    image, options = given[0].first(), step.options
    window, stride = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
    ends = _ends(step, image.shape[2:], window)
    if step.kind == "MAX_POOL_2D":
        image, padding = _padded(image, ends, -math.inf)
        return Held(image=_fused(step, functional.max_pool2d(image, window, stride, padding)))
    if (ends[0], ends[2]) == (ends[1], ends[3]):
        made = functional.avg_pool2d(image, window, stride, (ends[2], ends[0]), count_include_pad=False)
        return Held(image=_fused(step, made))
    total = functional.avg_pool2d(functional.pad(image, ends), window, stride)
    cells = functional.avg_pool2d(functional.pad(torch.ones(1, 1, *image.shape[2:]), ends), window, stride)
    return Held(image=_fused(step, total / cells))


def resize(step: Step, given: Given) -> Held:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR, with pixels' centres at one half or corners on corners."""
    image, size, options = given[0].first(), step.shapes[0][1:3], step.options
    halves, corners = options.halfPixelCenters, options.alignCorners
    whole = all(new % old == 0 for new, old in zip(size, image.shape[2:], strict=True))
    if step.kind == "RESIZE_BILINEAR" and (halves or corners):
        return Held(image=functional.interpolate(image, size, mode="bilinear", align_corners=bool(corners)))
    if step.kind == "RESIZE_NEAREST_NEIGHBOR" and not corners and (whole or not halves):
        return Held(image=functional.interpolate(image, size, mode="nearest"))
    if step.kind == "RESIZE_NEAREST_NEIGHBOR" and not corners:
        return Held(image=functional.interpolate(image, size, mode="nearest-exact"))
    return Held(image=_by_corner(image, size, nearest=step.kind == "RESIZE_NEAREST_NEIGHBOR", corners=corners))


def _by_corner(image: Tensor, size: Sequence[int], *, nearest: bool, corners: bool) -> Tensor:
    """TensorFlow's oldest resizing: place i comes from i times the ratio; either axis by its matrix."""
    for axis, new in zip((2, 3), size, strict=True):
        old = image.shape[axis]
        ratio = (old - 1) / (new - 1) if corners and new > 1 else old / new
        places = torch.arange(new, dtype=torch.float64) * ratio
        if nearest:
            image = image.index_select(axis, (places + 0.5).floor().long().clamp(max=old - 1))
            continue
        low = places.floor().long().clamp(max=old - 1)
        share = (places - low).float().reshape([-1 if at == axis else 1 for at in range(4)])
        one, other = image.index_select(axis, low), image.index_select(axis, (low + 1).clamp(max=old - 1))
        image = one + (other - one) * share
    return image


# ---- products ----


def dense(step: Step, given: Given) -> Held:
    """FULLY_CONNECTED: rows of the weight are outputs; without kept dimensions the input is flattened to its rows."""
    x, weight = given[0].file(), given[1].file()
    bias = _bias(given, 2)
    rows = x if step.options.keepNumDims else x.reshape(-1, weight.shape[1])
    return Held(plain=_fused(step, functional.linear(rows, weight, bias)).reshape(step.shapes[0]))


def product(step: Step, given: Given) -> Held:
    """BATCH_MATMUL."""
    x, y = given[0].file(), given[1].file()
    x, y = (x.transpose(-1, -2) if step.options.adjX else x), (y.transpose(-1, -2) if step.options.adjY else y)
    return Held(plain=torch.matmul(x, y))


# ---- axes and moves, as the file has them ----


def reduction(reduce: Callable[..., Tensor]) -> Compute:
    """MEAN, SUM and the like over constant axes."""

    def run(step: Step, given: Given) -> Held:
        if given[0].plain is None:
            axes = [TO_FILE[axis % 4] for axis in given[1].numbers()]
            kept = reduce(given[0].first(), axes, True)
            return (
                Held(image=kept) if step.options.keepDims else Held(plain=kept.permute(TO_FILE).reshape(step.shapes[0]))
            )
        return Held(plain=reduce(given[0].file(), given[1].numbers(), bool(step.options.keepDims)))

    return run


def plain(compute: Callable[[Step, Tensor, Given], Tensor]) -> Compute:
    """Of the first tensor as the file has it, with what else the operator reads."""
    return lambda step, given: Held(plain=compute(step, given[0].file(), given[1:]))


def padding(step: Step, given: Given) -> Held:
    """PAD, PADV2 and MIRROR_PAD."""
    amounts = given[1].numbers()
    both = list(zip(amounts[::2], amounts[1::2], strict=True))
    images = len(both) == 4
    x = given[0].first() if images else given[0].file()
    order = [both[axis] for axis in TO_IMAGE] if images else both
    flat = [amount for pair in reversed(order) for amount in pair]
    if step.kind != "MIRROR_PAD":
        value = given[2].number() if len(given) > 2 else 0.0
        made = functional.pad(x, flat, value=value)
    elif step.options.mode or not images or any(map(any, order[:2])):
        raise UsageError("MIRROR_PAD is read where it mirrors the rows and columns of an image, without their edge")
    else:
        made = functional.pad(x, flat[:4], mode="reflect")
    return Held(image=made) if images else Held(plain=made)


def concatenation(step: Step, given: Given) -> Held:
    """CONCATENATION."""
    axis = step.options.axis % len(step.shapes[0])
    if len(step.shapes[0]) == 4 and any(one.image is not None for one in given):
        return Held(image=_fused(step, torch.cat([one.first() for one in given], TO_IMAGE.index(axis))))
    return Held(plain=_fused(step, torch.cat([one.file() for one in given], axis)))


def parts(step: Step, given: Given) -> list[Held]:
    """SPLIT (axis, x) and SPLIT_V (x, sizes, axis)."""
    x, axis = (given[1], given[0]) if step.kind == "SPLIT" else (given[0], given[2])
    (number,) = axis.numbers()
    sizes = [shape[number] for shape in step.shapes]
    return [Held(plain=part) for part in torch.split(x.file(), sizes, number)]


def unpacked(step: Step, given: Given) -> list[Held]:
    """UNPACK."""
    return [Held(plain=part) for part in torch.unbind(given[0].file(), step.options.axis)]


def largest(step: Step, given: Given) -> list[Held]:
    """TOPK_V2 of the last axis: values and indices."""
    return [Held(plain=part) for part in given[0].file().topk(step.shapes[0][-1])]


def packed(step: Step, given: Given) -> Held:
    """PACK."""
    return Held(plain=torch.stack([one.file() for one in given], step.options.axis))


def strided(step: Step, x: Tensor, given: Given) -> Tensor:
    """STRIDED_SLICE with steps above zero; masks leave ends open, the last drops axes."""
    options = step.options
    begin, end, steps = (one.numbers() for one in given)
    if min(steps) < 1 or options.ellipsisMask or options.newAxisMask:
        raise UsageError("STRIDED_SLICE is read with steps above zero, without an ellipsis or new axes")
    for axis in range(len(begin)):
        single = bool(options.shrinkAxisMask >> axis & 1)
        first = None if options.beginMask >> axis & 1 else begin[axis]
        last = None if options.endMask >> axis & 1 else end[axis]
        stop = (begin[axis] + 1 or None) if single else last
        x = x[(*[slice(None)] * axis, slice(first, stop, steps[axis]))]
    return x.reshape(step.shapes[0])


def sliced(step: Step, x: Tensor, given: Given) -> Tensor:
    """SLICE: so many elements of each axis from a start."""
    for axis, (begin, size) in enumerate(zip(given[0].numbers(), step.shapes[0], strict=True)):
        x = x.narrow(axis, begin, size)
    return x


def prelu(step: Step, given: Given) -> Held:
    """PRELU with a slope a channel."""
    return Held(image=functional.prelu(given[0].first(), given[1].file().reshape(-1)))


def blocks(move: Callable[[Tensor, int], Tensor]) -> Compute:
    """DEPTH_TO_SPACE and SPACE_TO_DEPTH."""
    return lambda step, given: Held(image=move(given[0].first(), step.options.blockSize))


_ELEMENTWISE: Final[dict[str, Callable[..., Tensor]]] = {
    "ABS": torch.abs,
    "ADD": torch.add,
    "CEIL": torch.ceil,
    "COS": torch.cos,
    "DEQUANTIZE": lambda x: x.float(),
    "DIV": torch.div,
    "EQUAL": torch.eq,
    "EXP": torch.exp,
    "FLOOR": torch.floor,
    "GREATER": torch.gt,
    "GREATER_EQUAL": torch.ge,
    "HARD_SWISH": functional.hardswish,
    "LESS": torch.lt,
    "LESS_EQUAL": torch.le,
    "LOG": torch.log,
    "LOGICAL_AND": torch.logical_and,
    "LOGICAL_NOT": torch.logical_not,
    "LOGICAL_OR": torch.logical_or,
    "LOGISTIC": torch.sigmoid,
    "MAXIMUM": torch.maximum,
    "MINIMUM": torch.minimum,
    "MUL": torch.mul,
    "NEG": torch.neg,
    "NOT_EQUAL": torch.ne,
    "POW": torch.pow,
    "RELU": functional.relu,
    "RELU6": functional.relu6,
    "RELU_N1_TO_1": functional.hardtanh,
    "RELU_0_TO_1": lambda x: x.clamp(0, 1),
    "ROUND": torch.round,
    "RSQRT": torch.rsqrt,
    "SELECT": torch.where,
    "SELECT_V2": torch.where,
    "SIGN": torch.sign,
    "SIN": torch.sin,
    "SQRT": torch.sqrt,
    "SQUARE": torch.square,
    "SQUARED_DIFFERENCE": lambda x, y: torch.square(x - y),
    "SUB": torch.sub,
    "TANH": torch.tanh,
    "ELU": functional.elu,
}
OPERATORS: Final[dict[str, Compute]] = {
    **{name: elementwise(compute) for name, compute in _ELEMENTWISE.items()},
    "ARG_MAX": plain(lambda step, x, given: x.argmax(given[0].numbers()[0])),
    "BATCH_MATMUL": product,
    "BROADCAST_TO": plain(lambda step, x, given: x.expand(step.shapes[0])),
    "CAST": plain(lambda step, x, given: x.to(_DTYPES[step.options.outDataType])),
    "CONCATENATION": concatenation,
    "EXPAND_DIMS": plain(lambda step, x, given: x.reshape(step.shapes[0])),
    "FULLY_CONNECTED": dense,
    "GATHER": plain(
        lambda step, x, given: x.index_select(step.options.axis, given[0].file().long().reshape(-1)).reshape(
            step.shapes[0]
        )
    ),
    "GELU": lambda step, given: Held(
        plain=functional.gelu(given[0].file(), approximate="tanh" if step.options.approximate else "none")
    ),
    "LEAKY_RELU": lambda step, given: elementwise(lambda x: functional.leaky_relu(x, step.options.alpha))(step, given),
    "MEAN": reduction(torch.mean),
    "PACK": packed,
    "PRELU": prelu,
    "REDUCE_MAX": reduction(torch.amax),
    "REDUCE_MIN": reduction(torch.amin),
    "RESHAPE": plain(lambda step, x, given: x.reshape(step.shapes[0])),
    "SLICE": plain(sliced),
    "SOFTMAX": plain(lambda step, x, given: torch.softmax(x * step.options.beta, -1)),
    "SQUEEZE": plain(lambda step, x, given: x.reshape(step.shapes[0])),
    "STRIDED_SLICE": plain(strided),
    "SUM": reduction(torch.sum),
    "TILE": plain(lambda step, x, given: x.tile(given[0].numbers())),
    "TRANSPOSE": plain(lambda step, x, given: x.permute(given[0].numbers())),
    "TOPK_V2": largest,
    "TRANSPOSE_CONV": transposed,
    "UNPACK": unpacked,
    "DEPTH_TO_SPACE": blocks(depth_to_space),
    "SPACE_TO_DEPTH": blocks(space_to_depth),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), convolution),
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D"), pool),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), padding),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), resize),
    **dict.fromkeys(("SPLIT", "SPLIT_V"), parts),
}
