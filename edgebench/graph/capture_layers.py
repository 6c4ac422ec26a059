"""Rules of the aten calls that have weights: convolutions, dense layers, batch norm, local response normalisation."""

from __future__ import annotations

import math
from typing import Any, Final, cast

import numpy as np

from edgebench.graph.capture_call import Call, Result, Rule
from edgebench.graph.operators import Arithmetic, Array, LocalResponseNorm, Operator, Pair, Shape, TransposedConv

_AXES: Final = ("no", "one axis", "two axes", "three axes")


def conv(call: Call) -> Result:
    """aten.conv1d, conv2d and conv3d: one axis as an image of height 1, three axes where one has kernel 1."""
    if isinstance(call["weight"], Operator):
        return _computed_conv(call, call["weight"])
    weight = call.needed("weight")
    axes = weight.ndim - 2
    if axes == 3:
        return _volume_conv(call, weight)
    pads = _conv_padding(call, weight.shape[2:])
    stride, dilation = (_two(call.numbers(name, axes), 1) for name in ("stride", "dilation"))
    x = _image(call, axes)
    padding = (*pads[0], *pads[1]) if axes == 2 else (0, 0, *pads[0])
    kernels = weight if axes == 2 else weight[:, :, None]
    made = call.build.conv(x, kernels, call.weight("bias"), stride, padding, dilation, call["groups"])
    return call.build.reshape(made, call.shape)


def convolution(call: Call) -> Result:
    """aten.convolution, the form that also says whether it is transposed."""
    return transposed_conv(call) if call["transposed"] else conv(call)


def transposed_conv(call: Call) -> Result:
    """aten.conv_transpose1d and conv_transpose2d."""
    weight = call.needed("weight")
    axes = weight.ndim - 2
    if axes == 3:
        raise call.refuse("is a transposed convolution over three axes, which no format here has")
    x = _image(call, axes)
    spread = _dilated(weight if axes == 2 else weight[:, :, None], _two(call.numbers("dilation", axes), 1))
    size = call.shape[-2:] if axes == 2 else (1, call.shape[-1])
    made = call.build.add(
        TransposedConv,
        [x],
        (x.shape[0], weight.shape[1] * call["groups"], *size),
        in_channels=x.shape[1],
        kernel=spread.shape[2:],
        stride=_two(call.numbers("stride", axes), 1),
        padding=_two(call.numbers("padding", axes), 0),
        groups=call["groups"],
        weight=spread,
        bias=call.weight("bias"),
    )
    return call.build.reshape(made, call.shape)


def linear(call: Call) -> Result:
    """aten.linear; with a weight that depends on the input, a matrix product."""
    weight = call["weight"]
    if not isinstance(weight, Operator) and isinstance(call["input"], Operator):
        return call.build.dense(call.x, call.needed("weight"), call.weight("bias"))
    made = call.build.matmul(call.operand("input"), call.build.swap(call.operand("weight"), 0, 1))
    return made if call["bias"] is None else call.build.binary("add", made, call.operand("bias"))


def matmul(call: Call) -> Result:
    """aten.matmul, mm and bmm."""
    return call.build.matmul(call.operand("self"), call.operand("mat2" if "mat2" in call.arguments else "other"))


def addmm(call: Call) -> Result:
    """aten.addmm and baddbmm: beta * self + alpha * (one @ other)."""
    one, other = (call.operand(name) for name in list(call.arguments)[1:3])
    product = call.build.binary("mul", call.build.matmul(one, other), call["alpha"])
    added = call.operand("self")
    scaled = call.build.binary("mul", added, call["beta"]) if isinstance(added, Operator) else added * call["beta"]
    return call.build.binary("add", product, scaled)


def batch_norm(call: Call) -> Result:
    """aten.batch_norm: a scale and a shift a channel (Ioffe & Szegedy, 2015, algorithm 2).

    Without running statistics, which a network may have been built without, those of the batch itself.
    """
    mean, variance = call.double("running_mean"), call.double("running_var")
    if call.get("training") or mean is None or variance is None:
        made = call.build.normalise(call.x, (0, *range(2, len(call.x.shape))), call["eps"])
        return _weighted(call, made, call.x.shape[2:])
    gamma, beta = call.double("weight"), call.double("bias")
    scale = (1.0 if gamma is None else gamma) / np.sqrt(variance + call["eps"])
    shift = (0.0 if beta is None else beta) - mean * scale
    return _affine(call, call.x, scale, shift)


def layer_norm(call: Call) -> Result:
    """aten.layer_norm."""
    axes = range(-len(call["normalized_shape"]), 0)
    return _weighted(call, call.build.normalise(call.x, axes, call["eps"]), ())


def rms_norm(call: Call) -> Result:
    """aten.rms_norm; torch's own default for eps is float32's."""
    eps = call["eps"]
    axes = range(-len(call["normalized_shape"]), 0)
    eps = float(np.finfo(np.float32).eps) if eps is None else eps
    return _weighted(call, call.build.normalise(call.x, axes, eps, centre=False), ())


def group_norm(call: Call) -> Result:
    """aten.group_norm."""
    x, groups = call.x, call.get("num_groups", call.get("group"))
    if groups == 1:
        made = call.build.normalise(x, range(1, len(x.shape)), call["eps"])
    else:
        apart = call.build.reshape(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
        made = call.build.normalise(apart, range(2, len(apart.shape)), call["eps"])
    return _weighted(call, call.build.reshape(made, x.shape), x.shape[2:])


def instance_norm(call: Call) -> Result:
    """aten.instance_norm by the image's own statistics, or by running ones as batch norm."""
    if not call["use_input_stats"]:
        return batch_norm(call)
    made = call.build.normalise(call.x, range(2, len(call.x.shape)), call["eps"])
    return _weighted(call, made, call.x.shape[2:])


def local_response_norm(call: Call) -> Result:
    """The stand-in that the program has for torch's LRN."""

    fields = {"size": call["size"], **{name: float(call[name]) for name in ("alpha", "beta", "k")}}
    return call.build.add(LocalResponseNorm, [call.x], call.x.shape, **fields)


def _affine(call: Call, x: Operator, scale: Any, shift: Any) -> Operator:
    along = (1, -1, *[1] * (len(x.shape) - 2))
    return call.build.binary("add", call.build.binary("mul", x, scale.reshape(along)), shift.reshape(along))


def _weighted(call: Call, x: Operator, behind: Shape) -> Operator:
    """x * weight + bias, each constant followed by an axis of size 1 for each of the axes `behind`."""
    functions: dict[str, Arithmetic] = {"weight": "mul", "bias": "add"}
    for name, function in functions.items():
        if call.get(name) is not None:
            value = call.needed(name)
            x = call.build.binary(function, x, value.reshape(*value.shape, *[1] * len(behind)))
    return x


def _image(call: Call, axes: int) -> Operator:
    """The input as (N, C, H, W): torch also takes one without a batch."""
    x: Operator = call.operand("input")
    batched = call.build.reshape(x, (1, *x.shape)) if len(x.shape) == axes + 1 else x
    return batched if axes == 2 else call.build.reshape(batched, (*batched.shape[:2], 1, batched.shape[2]))


def _two(values: tuple[int, ...], first: int) -> Pair:
    return cast(Pair, values if len(values) == 2 else (first, *values))


def _conv_padding(call: Call, kernel: tuple[int, ...]) -> list[Pair]:
    """torch's padding, "same" and "valid" included; "same" puts an odd row or column behind."""
    padding, axes = call["padding"], len(kernel)
    if padding == "valid":
        return [(0, 0)] * axes
    if padding == "same":
        totals = [step * (size - 1) for step, size in zip(call.numbers("dilation", axes), kernel, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(amount, amount) for amount in call.numbers("padding", axes)]


def _computed_conv(call: Call, weight: Operator) -> Operator:
    """A convolution of one image by filters that are computed: a matrix product with its windows, a group each."""
    axes, groups = len(weight.shape) - 2, call["groups"]
    if axes == 3 or not isinstance(call["input"], Operator):
        raise call.refuse("has filters that depend on the network's input, which only a convolution of an image may")
    x = _image(call, axes)
    if x.shape[0] != 1:
        raise call.refuse("has filters that depend on the network's input, for several images")
    pads = _conv_padding(call, weight.shape[2:])
    kernel = _two(weight.shape[2:], 1)
    stride, dilation = (_two(call.numbers(name, axes), 1) for name in ("stride", "dilation"))
    padding = (*pads[0], *pads[1]) if axes == 2 else (0, 0, *pads[0])
    if (kernel, stride, padding) != ((1, 1), (1, 1), (0, 0, 0, 0)):
        filters = np.tile(one_hot(kernel), (x.shape[1], 1, 1, 1))
        x = call.build.conv(x, filters, None, stride, padding, dilation, x.shape[1])
    windows = call.build.reshape(x, (groups, x.shape[1] // groups, -1))
    product = call.build.matmul(call.build.reshape(weight, (groups, weight.shape[0] // groups, -1)), windows)
    made = call.build.reshape(product, call.shape)
    bias = call.operand("bias")
    return made if bias is None else call.build.binary("add", made, call.build.reshape(bias, (-1, *[1] * axes)))


def one_hot(kernel: Pair) -> Array:
    """Filters (kernel height * kernel width, 1, *kernel), each of which picks one pixel of the window."""
    cells = kernel[0] * kernel[1]
    return cast(Array, np.eye(cells, dtype=np.float32).reshape(cells, 1, *kernel))


def _volume_conv(call: Call, weight: Array) -> Operator:
    """A 3-D convolution with kernel 1 along an axis is a 2-D one with that axis in the batch."""
    pads, stride = _conv_padding(call, weight.shape[2:]), call.numbers("stride", 3)
    flat = [axis for axis in range(3) if (weight.shape[2 + axis], pads[axis], stride[axis]) == (1, (0, 0), 1)]
    if not flat:
        raise call.refuse("is a convolution over three axes, which no format here has")
    rest = [axis for axis in range(3) if axis != flat[-1]]
    x, dilation = call.x, call.numbers("dilation", 3)
    order = (0, 2 + flat[-1], 1, 2 + rest[0], 2 + rest[1])
    frames = call.build.transpose(x, order)
    images = call.build.reshape(frames, (math.prod(frames.shape[:2]), *frames.shape[2:]))
    made = call.build.conv(
        images,
        weight.squeeze(2 + flat[-1]),
        call.weight("bias"),
        cast(Pair, tuple(stride[axis] for axis in rest)),
        (*pads[rest[0]], *pads[rest[1]]),
        cast(Pair, tuple(dilation[axis] for axis in rest)),
        call["groups"],
    )
    apart = call.build.reshape(made, (*frames.shape[:2], *made.shape[1:]))
    return call.build.transpose(apart, np.argsort(order).tolist())


def _dilated(weight: Array, dilation: Pair) -> Array:
    if dilation == (1, 1):
        return weight
    size = [step * (n - 1) + 1 for step, n in zip(dilation, weight.shape[2:], strict=True)]
    spread = np.zeros((*weight.shape[:2], *size), weight.dtype)
    spread[:, :, :: dilation[0], :: dilation[1]] = weight
    return spread


LAYERS: Final[dict[str, Rule]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), transposed_conv),
    **dict.fromkeys(("matmul", "mm", "bmm"), matmul),
    **dict.fromkeys(("addmm", "baddbmm"), addmm),
    **dict.fromkeys(("batch_norm", "_native_batch_norm_legit_no_training"), batch_norm),
    **dict.fromkeys(("layer_norm", "native_layer_norm"), layer_norm),
    **dict.fromkeys(("group_norm", "native_group_norm"), group_norm),
    "convolution": convolution,
    "instance_norm": instance_norm,
    "linear": linear,
    "local_response_norm": local_response_norm,
    "rms_norm": rms_norm,
}
