"""Converters of the aten calls that have weights or windows: convolution, dense, batch norm, pooling, LRN."""

from __future__ import annotations

from typing import Final, Literal, cast

import numpy as np
import torch
from torch import fx

from edgebench.graph.capture_call import Call, Converter
from edgebench.graph.fold import Double, absorb_padding, batch_norm_affine, fold_affine
from edgebench.graph.operators import (
    Add,
    Conv,
    Dense,
    GlobalPool,
    LocalResponseNorm,
    Mul,
    Operator,
    Padding,
    Pair,
    Pool,
)


def conv2d(call: Call) -> Operator:
    """aten.conv2d; zeros that were padded just before become the convolution's own."""
    weight = call.array("weight")
    source = call.operand("input")
    if weight is None or len(source.shape) != 4:
        raise call.refuse("is not a 2-D convolution with constant weights")
    kernel, dilation = cast(Pair, weight.shape[2:]), call.pair("dilation")
    conv = Conv(
        **call.place,
        in_channels=source.shape[1],
        kernel=kernel,
        stride=call.pair("stride"),
        padding=_conv_padding(call, kernel, dilation),
        dilation=dilation,
        groups=call.arguments["groups"],
        weight=weight,
        bias=call.array("bias"),
    )
    return (absorb_padding(source, conv) if call.read_only_here("input") else None) or conv


def convolution(call: Call) -> Operator:
    """aten.convolution, the form that also says whether it is transposed."""
    if call.arguments["transposed"]:
        raise call.refuse("is a transposed convolution, which is not among edgebench's operators")
    return conv2d(call)


def linear(call: Call) -> Operator:
    """aten.linear over the last axis of (1, C)."""
    source = call.operand("input")
    if len(source.shape) != 2:
        raise call.refuse(f"works on a tensor of shape {source.shape}; edgebench covers (1, C) only")
    return Dense(**call.place, in_features=source.shape[1], weight=call.array("weight"), bias=call.array("bias"))


def batch_norm(call: Call) -> Operator | tuple[Operator, ...]:
    """aten.batch_norm, folded into the convolution or dense layer before it; else a scale and a shift a channel."""
    mean, variance = call.weight("running_mean"), call.weight("running_var")
    if call.arguments["training"] or mean is None or variance is None:
        raise call.refuse("normalises by the statistics of the batch; call the network's eval() first")
    affine = (_double(call.weight("weight")), _double(call.weight("bias")))
    scale, shift = batch_norm_affine(*affine, mean.double().numpy(), variance.double().numpy(), call.arguments["eps"])
    folded = fold_affine(call.operand("input"), scale, shift) if call.read_only_here("input") else None
    if folded is not None:
        return folded
    scaled = Mul(**call.place | {"name": f"{call.name}_scale"}, constant=scale.astype(np.float32))
    return scaled, Add(**call.reading(scaled), constant=shift.astype(np.float32))


def max_pool2d(call: Call) -> Operator:
    """aten.max_pool2d."""
    if call.pair("dilation") != (1, 1):
        raise call.refuse("is a dilated pooling, which is not among edgebench's operators")
    return _pool(call, "max", counts_padding=False)


def avg_pool2d(call: Call) -> Operator:
    """aten.avg_pool2d.

    torch divides by the window with its padding (count_include_pad) but never by what ceil mode adds beyond it, so
    padding together with such an overhang has divisors that no runtime's pooling has: refused.
    """
    if call.arguments["divisor_override"] is not None:
        raise call.refuse("has a divisor of its own, which is not among edgebench's operators")
    padded = any(call.pair("padding")) and bool(call.arguments["count_include_pad"])
    pool = _pool(call, "average", counts_padding=padded)
    top, bottom, left, right = pool.padding
    if padded and (bottom > top or right > left):
        raise call.refuse("counts its padding in ceil mode; set count_include_pad=False or ceil_mode=False")
    return pool


def adaptive_avg_pool2d(call: Call) -> Operator:
    """aten.adaptive_avg_pool2d where it is a mean over everything, nothing at all, or pooling with equal windows."""
    source = call.operand()
    size, target = cast(Pair, source.shape[2:]), cast(Pair, call.shape[2:])
    if target == (1, 1):
        return GlobalPool(**call.place)
    if size == target:
        return source
    if size[0] % target[0] or size[1] % target[1]:
        raise call.refuse(f"makes {target} of {size}, which equal windows do not divide; choose another resolution")
    window = (size[0] // target[0], size[1] // target[1])
    return Pool(**call.place, mode="average", window=window, stride=window)


def mean(call: Call) -> Operator:
    """aten.mean over height and width."""
    source = call.operand()
    axes = {axis % len(source.shape) for axis in call.arguments.get("dim") or ()}
    if len(source.shape) != 4 or axes != {2, 3}:
        raise call.refuse("averages over other axes than height and width, which is not among edgebench's operators")
    return GlobalPool(**call.place)


def local_response_norm(call: Call) -> Operator:
    """The stand-in that the tidy program has for torch's LRN."""
    _, size, alpha, beta, k = cast(tuple[fx.Node, int, float, float, float], call.node.args)
    return LocalResponseNorm(**call.place, size=size, alpha=float(alpha), beta=float(beta), k=float(k))


def _double(tensor: torch.Tensor | None) -> Double | None:
    return None if tensor is None else tensor.double().numpy()


def _conv_padding(call: Call, kernel: Pair, dilation: Pair) -> Padding:
    """torch's padding, "same" and "valid" included; "same" puts an odd row or column behind."""
    if not isinstance(call.arguments["padding"], str):
        vertical, horizontal = call.pair("padding")
        return vertical, vertical, horizontal, horizontal
    if call.arguments["padding"] == "valid":
        return 0, 0, 0, 0
    height, width = (step * (size - 1) for step, size in zip(dilation, kernel, strict=True))
    return height // 2, height - height // 2, width // 2, width - width // 2


def _pool(call: Call, mode: Literal["max", "average"], *, counts_padding: bool) -> Pool:
    source = call.operand()
    window = call.pair("kernel_size")
    stride, before = call.pair("stride", default=window), call.pair("padding")
    ends = [
        max(0, (count - 1) * step + size - length - pad) if call.arguments["ceil_mode"] else pad
        for pad, count, step, size, length in zip(before, call.shape[2:], stride, window, source.shape[2:], strict=True)
    ]
    return Pool(
        **call.place,
        mode=mode,
        window=window,
        stride=stride,
        padding=(before[0], ends[0], before[1], ends[1]),
        counts_padding=counts_padding,
    )


LAYERS: Final[dict[str, Converter]] = {
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "avg_pool2d": avg_pool2d,
    "batch_norm": batch_norm,
    "conv2d": conv2d,
    "convolution": convolution,
    "linear": linear,
    "local_response_norm": local_response_norm,
    "max_pool2d": max_pool2d,
    "mean": mean,
}
