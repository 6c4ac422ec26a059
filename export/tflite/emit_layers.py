"""Emitters of the operators with weights or windows: convolution, dense, pooling, subsampling."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite import pads
from edgebench.formats.tflite.emit import Code, Emission, Emitter, channels_last, fused
from edgebench.graph.operators import (
    Activation,
    Array,
    Concat,
    Conv,
    Dense,
    GlobalPool,
    Graph,
    Operator,
    Padding,
    Pair,
    Pool,
    Reshape,
    Subsample,
)

HEIGHT_WIDTH: Final = np.array([1, 2], np.int32)


def conv(emission: Emission, operator: Conv) -> int:
    """CONV_2D (grouped where the filter has fewer input channels) or DEPTHWISE_CONV_2D, behind a PAD if need be."""
    size = _image(emission, operator)
    plan = pads.plan(size, _hw(operator), operator.kernel, operator.stride, operator.dilation, operator.padding)
    weight = given(operator, operator.weight)
    if operator.depthwise:
        code, options, order = Code.DEPTHWISE_CONV_2D, schema.DepthwiseConv2DOptionsT(), (1, 2, 3, 0)
        options.depthMultiplier = operator.shape[1] // operator.in_channels
    else:
        code, options, order = Code.CONV_2D, schema.Conv2DOptionsT(), (0, 2, 3, 1)
    options.dilationHFactor, options.dilationWFactor = operator.dilation
    _window(fused(options, operator.activation), plan.same, operator.stride)
    inputs = [
        _padded(emission, operator, plan.explicit),
        emission.weights(f"{operator.name}.weight", weight.transpose(order)),
        emission.model.constant(f"{operator.name}.bias", bias(operator, operator.bias)),
    ]
    version = 2 if operator.depthwise and operator.dilation != (1, 1) else 1
    return emission.model.operator(code, inputs, emission.output(operator), options, version)


def dense(emission: Emission, operator: Dense) -> int:
    """FULLY_CONNECTED; columns that multiply a flattened image go from torch's CHW order to HWC."""
    weight = given(operator, operator.weight)
    rows = weight if operator.flattened is None else weight.reshape(-1, *operator.flattened).transpose(0, 2, 3, 1)
    inputs = [
        *emission.inputs(operator),
        emission.weights(f"{operator.name}.weight", rows, shape=weight.shape),
        emission.model.constant(f"{operator.name}.bias", bias(operator, operator.bias)),
    ]
    options = fused(schema.FullyConnectedOptionsT(), operator.activation)
    return emission.model.operator(Code.FULLY_CONNECTED, inputs, emission.output(operator), options)


def pool(emission: Emission, operator: Pool) -> int:
    """MAX_POOL_2D or AVERAGE_POOL_2D. TFLite's own padding is never counted, as torch's is on request.

    XNNPACK has neither PADV2 nor windows of 1x1, nor averages in int8: a maximum is padded with zeros where nothing is
    negative, a window of one pixel is a subsample, and an average in int8 is a convolution where nothing is padded.
    """
    if operator.window == (1, 1):
        return subsample(emission, operator)
    size = _image(emission, operator)
    plan = pads.plan(size, _hw(operator), operator.window, operator.stride, (1, 1), operator.padding)
    if operator.mode == "max":
        lowest = not nonnegative(emission.graph, operator.inputs[0])
        padded = _padded(emission, operator, plan.explicit, lowest=lowest)
        return _pool(emission, operator, padded, plan.same, emission.output(operator))
    if plan.same and not operator.counts_padding:
        return _pool(emission, operator, emission.inputs(operator)[0], True, emission.output(operator))
    if plan.same or any(plan.explicit):
        return _padded_average(emission, operator, size)
    if emission.precision == "int8":
        return _averaged(emission, operator, operator.window)
    return _pool(emission, operator, emission.inputs(operator)[0], False, emission.output(operator))


def global_pool(emission: Emission, operator: GlobalPool) -> int:
    """MEAN over height and width."""
    options = schema.ReducerOptionsT()
    options.keepDims = len(operator.shape) == 4
    axes = emission.model.constant("height_width", HEIGHT_WIDTH)
    return emission.model.operator(Code.MEAN, [*emission.inputs(operator), axes], emission.output(operator), options)


def subsample(emission: Emission, operator: Subsample | Pool) -> int:
    """A depthwise convolution of ones, 1x1 and strided: XNNPACK has no strided slice, and times one is exact."""
    return _averaged(emission, operator, (1, 1))


def _averaged(emission: Emission, operator: Subsample | Pool, window: Pair) -> int:
    """The average of each window as a depthwise convolution of equal weights."""
    channels = operator.shape[1]
    options = schema.DepthwiseConv2DOptionsT()
    options.depthMultiplier = 1
    equal = np.full((1, *window, channels), 1 / math.prod(window), np.float32)
    inputs = [
        *emission.inputs(operator),
        emission.model.constant(f"{operator.name}.share", equal),
        emission.model.constant(f"{operator.name}.zero", np.zeros(channels, np.float32)),
    ]
    options = _window(options, False, operator.stride)
    return emission.model.operator(Code.DEPTHWISE_CONV_2D, inputs, emission.output(operator), options)


def nonnegative(graph: Graph, name: str) -> bool:
    """Whether no element of a tensor can be below zero, so that zeros do not change a maximum."""
    operator = graph[name]
    if isinstance(operator, Pool | GlobalPool | Subsample | Concat | Reshape):
        return all(nonnegative(graph, source) for source in operator.inputs)
    function = operator.function if isinstance(operator, Activation) else getattr(operator, "activation", None)
    return function in ("relu", "relu6", "sigmoid", "hardsigmoid")


def given(operator: Operator, weight: Array | None) -> Array:
    """Returns the weight of an operator. Raises ValueError for a sketched graph, which has none."""
    if weight is None:
        raise ValueError(f"'{operator.name}' has no weights: a sketched graph cannot be written, capture the network")
    return weight


def bias(operator: Operator, value: Array | None) -> Array:
    """Returns the bias of an operator, zeros where it has none: TFLite's kernels want one."""
    return np.zeros(operator.shape[1], np.float32) if value is None else value


def _padded_average(emission: Emission, operator: Pool, size: Pair) -> int:
    """Zeros, an average over whole windows, and, where padding does not count, what each window lacks made good."""
    explicit = _explicit(operator, size)
    padded = _padded(emission, operator, explicit)
    if operator.counts_padding:
        return _pool(emission, operator, padded, False, emission.output(operator))
    whole = emission.model.computed(f"{operator.name}_whole", channels_last(operator.shape))
    _pool(emission, operator, padded, False, whole)
    rows, columns = pads.real_part(size, _hw(operator), operator.window, operator.stride, explicit)
    share = math.prod(operator.window) / np.outer(rows, columns)
    scale = emission.model.constant(f"{operator.name}_share", share[None, :, :, None].astype(np.float32))
    return emission.model.operator(
        Code.MUL, [whole, scale], emission.output(operator), fused(schema.MulOptionsT(), None)
    )


def _explicit(operator: Pool, size: Pair) -> Padding:
    """All padding that some window reads, whether or not SAME would add the same."""
    spans = [
        (count - 1) * stride + window - length - before
        for count, stride, window, length, before in zip(
            _hw(operator), operator.stride, operator.window, size, operator.padding[::2], strict=True
        )
    ]
    top, bottom, left, right = operator.padding
    return top, min(bottom, max(0, spans[0])), left, min(right, max(0, spans[1]))


def _pool(emission: Emission, operator: Pool, source: int, same: bool, output: int) -> int:
    options = _window(fused(schema.Pool2DOptionsT(), None), same, operator.stride)
    options.filterHeight, options.filterWidth = operator.window
    code = Code.MAX_POOL_2D if operator.mode == "max" else Code.AVERAGE_POOL_2D
    return emission.model.operator(code, [source], output, options)


def _padded(emission: Emission, operator: Operator, explicit: Padding, lowest: bool = False) -> int:
    return emission.pad(operator, explicit, lowest=lowest) if any(explicit) else emission.inputs(operator)[0]


def _window(options: Any, same: bool, stride: Pair) -> Any:
    options.padding = schema.Padding.SAME if same else schema.Padding.VALID
    options.strideH, options.strideW = stride
    return options


def _image(emission: Emission, operator: Operator) -> Pair:
    shape = emission.source_shape(operator)
    return shape[2], shape[3]


def _hw(operator: Operator) -> Pair:
    return operator.shape[2], operator.shape[3]


LAYERS: Final[dict[type[Operator], Emitter[Any]]] = {
    Conv: conv,
    Dense: dense,
    Pool: pool,
    GlobalPool: global_pool,
    Subsample: subsample,
}
