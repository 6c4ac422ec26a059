"""Rules of the aten calls that look at windows of an image or change its resolution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from edgebench.graph.capture_call import Call, Result, Rule
from edgebench.graph.capture_layers import one_hot
from edgebench.graph.capture_picks import picked
from edgebench.graph.operators import (
    ArgMax,
    Array,
    DepthToSpace,
    Operator,
    Padding,
    Pair,
    Pool,
    Resize,
    SpaceToDepth,
    TransposedConv,
)

_LOWEST: Final = -3e38

Matrix = npt.NDArray[np.float64]


# ---- pools ----


def max_pool(call: Call) -> Result:
    """aten.max_pool1d and max_pool2d."""
    return _pool(call, "max", dilation=_pair(call, "dilation"))


def avg_pool(call: Call) -> Result:
    """aten.avg_pool1d and avg_pool2d.

    torch divides by the window with its padding (count_include_pad) but never by what ceil mode adds beyond it.
    """
    padded = any(_pair(call, "padding", 0)) and bool(call["count_include_pad"])
    return _pool(call, "average", counts_padding=padded, divisor=call.get("divisor_override"))


def max_pool_with_indices(call: Call) -> Result:
    """aten.max_pool2d_with_indices."""
    read = any(user.args[1] == 1 for user in call.node.users)
    return [max_pool(call), _largest_places(call) if read else None]


def _largest_places(call: Call) -> Operator:
    """Where the largest of each window lies in the flattened image: its cell, and so what that is behind the first."""
    window, stride, padding, dilation = (
        call.pair(name) if call[name] else call.pair("kernel_size")
        for name in ("kernel_size", "stride", "padding", "dilation")
    )
    channels, width = call.x.shape[1], call.x.shape[3]
    framed = call.build.pad(call.x, [(0, 0), (0, 0), *((amount, amount) for amount in padding)], _LOWEST)
    cells = np.tile(one_hot(window), (channels, 1, 1, 1))
    windows = call.build.conv(framed, cells, None, stride, (0, 0, 0, 0), dilation, channels)
    if windows.shape[2:] != call.shape[2:]:
        raise call.refuse("says where its largest are in windows that reach beyond the image (ceil_mode)")
    apart = call.build.reshape(windows, (1, channels, -1, *call.shape[2:]))
    cell = call.build.add(ArgMax, [apart], call.shape, axis=2, dtype="int32")
    starts, steps = (
        [np.arange(count) * step - before for count, step, before in zip(counts, sizes, shifts, strict=True)]
        for counts, sizes, shifts in ((call.shape[2:], stride, padding), (window, dilation, (0, 0)))
    )
    first, behind = (np.add.outer(rows * width, columns).astype(np.int32) for rows, columns in (starts, steps))
    return call.build.binary("add", picked(call, behind.reshape(-1), 0, cell), first)


def max_unpool(call: Call) -> Result:
    """aten.max_unpool2d behind a max pool of windows side by side: each value at all places of its window but one."""
    x, places = call.x, call.operand("indices")
    pool = cast(fx.Node, cast(fx.Node, call.node.args[1]).args[0])
    factors = [new // old for new, old in zip(call.shape[2:], x.shape[2:], strict=True)]
    sides = [list(one) for one in pool.args[1:3] if one]  # type: ignore[arg-type]
    if len(pool.args) > 3 or any(side != factors for side in sides):
        raise call.refuse("puts values back behind a max pool whose windows are not side by side")
    numbers = np.arange(math.prod(call.shape[2:]), dtype=np.int32).reshape(call.shape[2:])
    here = call.build.compare("equal", _repeated(call, places, factors), numbers)
    return call.build.binary("mul", _repeated(call, x, factors), call.build.cast(here, "float32"))


def _pool(call: Call, mode: Literal["max", "average"], **fields: Any) -> Operator:
    image = _image(call.x, call)
    window, before = _pair(call, "kernel_size"), _pair(call, "padding", 0)
    stride = _pair(call, "stride") if call["stride"] else window
    size = call.shape[-2:] if _planar(call) else (1, call.shape[-1])
    if window == (1, 1) and not any(before):
        return call.build.reshape(call.build.subsample(image, stride), call.shape)
    spans = [step * (cells - 1) + 1 for step, cells in zip(fields.get("dilation", (1, 1)), window, strict=True)]
    ends = [
        max(0, (count - 1) * step + span - length - pad) if call["ceil_mode"] else pad
        for pad, count, step, span, length in zip(before, size, stride, spans, image.shape[2:], strict=True)
    ]
    padding = (before[0], ends[0], before[1], ends[1])
    shape = (*image.shape[:2], *size)
    made = call.build.add(Pool, [image], shape, mode=mode, window=window, stride=stride, padding=padding, **fields)
    return call.build.reshape(made, call.shape)


def adaptive_avg_pool(call: Call) -> Result:
    """aten.adaptive_avg_pool1d and 2d: a mean over everything, nothing, equal windows, or a matrix an axis."""
    image, size = _image(call.x, call), _adaptive_size(call)
    if size == (1, 1):
        made = call.build.reduce("mean", image, (2, 3), True)
    elif image.shape[2:] == size:
        made = image
    elif all(n % parts == 0 for n, parts in zip(image.shape[2:], size, strict=True)):
        made = _even_pool(call, image, size, "average")
    else:
        rows, columns = (_mean_matrix(n, parts) for n, parts in zip(image.shape[2:], size, strict=True))
        made = call.build.resample(image, rows, columns)
    return call.build.reshape(made, call.shape)


def adaptive_max_pool(call: Call) -> Result:
    """aten.adaptive_max_pool1d and 2d; uneven windows one by one, first along the rows, then along the columns."""
    image, size = _image(call.x, call), _adaptive_size(call)
    if image.shape[2:] == size:
        return [call.x, None]
    if all(n % parts == 0 for n, parts in zip(image.shape[2:], size, strict=True)):
        return [call.build.reshape(_even_pool(call, image, size, "max"), call.shape), None]
    for axis, parts in zip((2, 3), size, strict=True):
        cuts = [call.build.slice(image, axis, *ends) for ends in _windows(image.shape[axis], parts)]
        image = call.build.concat([call.build.reduce("max", cut, (axis,), True) for cut in cuts], axis)
    return [call.build.reshape(image, call.shape), None]


def _even_pool(call: Call, image: Operator, size: Pair, mode: str) -> Operator:
    window = (image.shape[2] // size[0], image.shape[3] // size[1])
    return call.build.add(Pool, [image], (*image.shape[:2], *size), mode=mode, window=window, stride=window)


def _windows(length: int, parts: int) -> list[Pair]:
    """torch's windows: from floor(i * n / parts) up to ceil((i + 1) * n / parts)."""
    return [(at * length // parts, -(-(at + 1) * length // parts)) for at in range(parts)]


def _mean_matrix(length: int, parts: int) -> Matrix:
    rows = np.zeros((parts, length))
    for row, (start, stop) in zip(rows, _windows(length, parts), strict=True):
        row[start:stop] = 1 / (stop - start)
    return rows


def _planar(call: Call) -> bool:
    """Whether the call is over height and width, not over one axis."""
    return "2d" in str(call.node.target)


def _pair(call: Call, argument: str, missing: int = 1) -> Pair:
    """An argument of a call over one axis, too, is one of two axes: the first of size 1."""
    if _planar(call):
        return call.pair(argument)
    return (missing, call.numbers(argument, 1)[0]) if argument in call.arguments else (missing, missing)


def _adaptive_size(call: Call) -> Pair:
    return cast(Pair, call.shape[-2:]) if _planar(call) else (1, call.shape[-1])


def _image(x: Operator, call: Call) -> Operator:
    """The input as (N, C, H, W): torch also takes one without a batch, and calls over one axis have height 1."""
    rank = 4 if _planar(call) else 3
    batched = call.build.reshape(x, (1, *x.shape)) if len(x.shape) == rank - 1 else x
    return batched if rank == 4 else call.build.reshape(batched, (*batched.shape[:2], 1, batched.shape[2]))


# ---- resolution ----


def upsample_bilinear(call: Call) -> Result:
    """aten.upsample_bilinear2d; scale factors that are not the ratio of the sizes move every pixel: matrices."""
    ratios = [new / old for new, old in zip(call.shape[2:], call.x.shape[2:], strict=True)]
    given = [ratio if scale is None else scale for scale, ratio in zip(_scales(call), ratios, strict=True)]
    if call["align_corners"] or np.allclose(given, ratios, rtol=1e-7, atol=0):
        return call.build.add(Resize, [call.x], call.shape, align_corners=bool(call["align_corners"]))
    return upsample_linearly(call)


def upsample_linearly(call: Call) -> Result:
    """Bicubic and antialiased resizing: linear and separable, so torch itself gives the matrix of either axis."""
    operator = cast(Callable[..., torch.Tensor], getattr(torch.ops.aten, _base(call)).default)
    matrices: list[Matrix] = []
    for old, new, scale in zip(call.x.shape[2:], call.shape[2:], _scales(call), strict=True):
        columns = (
            torch.eye(old, dtype=torch.float64).reshape(1, old, old, 1).repeat(1, 1, 1, 2)
        )  # torch errs at width 1
        made = operator(columns, [new, 2], call["align_corners"], scale, None)
        matrices.append(made[0, :, :, 0].T.numpy())
    return call.build.resample(call.x, *matrices)


def upsample_linear1d(call: Call) -> Result:
    """aten.upsample_linear1d, by its matrix."""
    old, scale = call.x.shape[2], _scales(call)[0]
    identity = torch.eye(old, dtype=torch.float64)[None]
    made = torch.ops.aten.upsample_linear1d.default(identity, [call.shape[2]], call["align_corners"], scale)
    return call.build.dense(call.x, cast(Array, made[0].T.numpy()))


def upsample_nearest(call: Call) -> Result:
    """aten.upsample_nearest1d and 2d and their exact variants: torch itself says which pixel each one repeats."""
    x, axes = call.x, range(2, len(call.shape))
    operator = cast(Callable[..., torch.Tensor], getattr(torch.ops.aten, _base(call)).default)
    picked = []
    for axis, scale in zip(axes, _scales(call), strict=True):
        numbers = torch.arange(x.shape[axis], dtype=torch.float64).reshape(1, 1, -1, *[1] * (len(axes) - 1))
        size = [call.shape[axis], *[1] * (len(axes) - 1)]
        picked.append(operator(numbers, size, scale, *[None] * (len(axes) - 1)).reshape(-1).int().tolist())
    factors = [new // old for new, old in zip(call.shape[2:], x.shape[2:], strict=True)]
    even = [
        [at // factor for at in range(len(found))] if factor else []
        for factor, found in zip(factors, picked, strict=True)
    ]
    if picked == even:
        return _repeated(call, x, factors)
    for axis, indices in zip(axes, picked, strict=True):
        x = call.build.gather(x, axis, indices)
    return x


def _repeated(call: Call, x: Operator, factors: Sequence[int]) -> Operator:
    """Whole factors: a new axis behind each, expanded and merged."""
    lead, size = call.shape[:2], x.shape[2:]
    apart = [n for length in size for n in (length, 1)]
    wide = [n for length, factor in zip(size, factors, strict=True) for n in (length, factor)]
    expanded = call.build.expand(call.build.reshape(x, (*lead, *apart)), (*lead, *wide))
    return call.build.reshape(expanded, call.shape)


def _base(call: Call) -> str:
    return str(call.node.target).split(".")[1]


def _scales(call: Call) -> list[float | None]:
    """The scale factor of each axis, as torch was given it."""
    axes = len(call.shape) - 2
    if "scale_factors" in call.arguments:
        return list(call["scale_factors"] or [None] * axes)
    return [call["scales"]] if axes == 1 else [call["scales_h"], call["scales_w"]]


# ---- pixels and channels ----


def pixel_shuffle(call: Call) -> Result:
    """aten.pixel_shuffle: torch's channels are (c, i, j), the operator's (i, j, c)."""
    block = call["upscale_factor"]
    order = np.arange(call.x.shape[1]).reshape(-1, block * block).T.reshape(-1)
    return call.build.add(DepthToSpace, [call.build.gather(call.x, 1, order.tolist())], call.shape, block=block)


def pixel_unshuffle(call: Call) -> Result:
    """aten.pixel_unshuffle: torch's channels are (c, i, j), the operator's (i, j, c)."""
    block = call["downscale_factor"]
    made = call.build.add(SpaceToDepth, [call.x], call.shape, block=block)
    order = np.arange(call.shape[1]).reshape(block * block, -1).T.reshape(-1)
    return call.build.gather(made, 1, order.tolist())


def im2col(call: Call) -> Result:
    """aten.im2col (F.unfold): a depthwise convolution with one-hot filters."""
    kernel, padding = call.pair("kernel_size"), call.pair("padding")
    channels = call.x.shape[1]
    filters = np.tile(one_hot(kernel), (channels, 1, 1, 1))
    pads: Padding = (padding[0], padding[0], padding[1], padding[1])
    made = call.build.conv(call.x, filters, None, call.pair("stride"), pads, call.pair("dilation"), channels)
    return call.build.reshape(made, call.shape)


def col2im(call: Call) -> Result:
    """aten.col2im (F.fold): a transposed convolution with one-hot filters, the channels in the batch."""
    kernel, padding, stride, size = (call.pair(n) for n in ("kernel_size", "padding", "stride", "output_size"))
    if call.pair("dilation") != (1, 1):
        raise call.refuse("is dilated, which is not among edgebench's operators")
    cells = kernel[0] * kernel[1]
    count = call.x.shape[0] * call.x.shape[1] // cells
    grid = [(n + 2 * pad - k) // step + 1 for n, pad, k, step in zip(size, padding, kernel, stride, strict=True)]
    made = call.build.add(
        TransposedConv,
        [call.build.reshape(call.x, (count, cells, *grid))],
        (count, 1, *size),
        in_channels=cells,
        kernel=kernel,
        stride=stride,
        padding=padding,
        weight=one_hot(kernel),
    )
    return call.build.reshape(made, call.shape)


WINDOWS: Final[dict[str, Rule]] = {
    **dict.fromkeys(("max_pool1d", "max_pool2d"), max_pool),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d"), avg_pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d"), adaptive_avg_pool),
    **dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d"), adaptive_max_pool),
    **dict.fromkeys(("upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"), upsample_linearly),
    **{f"{name}{n}d": upsample_nearest for name in ("upsample_nearest", "_upsample_nearest_exact") for n in (1, 2)},
    "col2im": col2im,
    "im2col": im2col,
    "max_pool2d_with_indices": max_pool_with_indices,
    "max_unpool2d": max_unpool,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "upsample_bilinear2d": upsample_bilinear,
    "upsample_linear1d": upsample_linear1d,
}
