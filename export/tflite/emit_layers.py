"""Emitters of the operators with weights, and of matrix products."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from edgebench.formats.tflite.emit import Code, Emission, Emitter, fused, given
from edgebench.formats.tflite.windows import padded_window, padding_code
from edgebench.graph.layout import NHWC, Layout
from edgebench.graph.operators import Array, Conv, Dense, MatMul, Operator, TransposedConv

AnyLayer = Conv | TransposedConv | Dense


def conv(emission: Emission, one: Conv, layout: Layout) -> int:
    """CONV_2D (grouped where the filter has fewer input channels) or DEPTHWISE_CONV_2D, behind a PAD if need be."""
    source = emission.get(one.inputs[0], NHWC)
    source, same = padded_window(emission, one, source, one.kernel, one.stride, one.dilation, one.padding)
    fields: dict[str, Any] = {
        "padding": padding_code(same),
        "strideH": one.stride[0],
        "strideW": one.stride[1],
        "dilationHFactor": one.dilation[0],
        "dilationWFactor": one.dilation[1],
        "fusedActivationFunction": fused(one.activation),
    }
    weight, bias, shape = given(one, one.weight), _bias(emission, one), emission.physical(one, NHWC)
    if not one.depthwise:
        inputs = [source, emission.weights("weight", weight.transpose(0, 2, 3, 1)), bias]
        return emission.add(Code.CONV_2D, inputs, shape, **fields)
    inputs = [source, emission.weights("weight", weight.transpose(1, 2, 3, 0)), bias]
    fields["depthMultiplier"] = one.shape[1] // one.in_channels
    version = 2 if one.dilation != (1, 1) else 1
    return emission.add(Code.DEPTHWISE_CONV_2D, inputs, shape, version=version, **fields)


def transposed_conv(emission: Emission, one: TransposedConv, layout: Layout) -> int:
    """TRANSPOSE_CONV, cut where torch pads other than TFLite; with groups or gaps, a convolution over inserted zeros.

    Of gaps between the kernels XNNPACK has no kernel, and TFLite's own takes no open batch.
    """
    source, shape = emission.get(one.inputs[0], NHWC), emission.physical(one, NHWC)
    if one.groups > 1 or any(step > taps for step, taps in zip(one.stride, one.kernel, strict=True)):
        full = _over_zeros(emission, one, source)
        return emission.sliced(full, (0, 0, 0, 0), shape)
    sizes = emission.model.shape(source)[1:3]
    sides = list(zip(sizes, one.kernel, one.stride, one.padding, one.shape[2:], strict=True))
    same = all(
        wanted == size * step and max((size - 1) * step + kernel - wanted, 0) // 2 == cut
        for size, kernel, step, cut, wanted in sides
    )
    whole = [max((size - 1) * step + kernel, cut + wanted) for size, kernel, step, cut, wanted in sides]
    full_shape = shape if same else (shape[0], *whole, shape[3])
    inputs = [
        emission.ints("shape", *map(abs, full_shape)),
        emission.weights("weight", given(one, one.weight).transpose(1, 2, 3, 0)),
        source,
        _bias(emission, one),
    ]
    full = emission.add(
        Code.TRANSPOSE_CONV,
        inputs,
        full_shape,
        version=4 if one.activation else 3,
        padding=padding_code(same),
        strideH=one.stride[0],
        strideW=one.stride[1],
        fusedActivationFunction=fused(one.activation),
    )
    return full if same else emission.sliced(full, (0, *one.padding, 0), shape)


def _over_zeros(emission: Emission, one: TransposedConv, source: int) -> int:
    """The grouped convolution that a transposed one is: over the image with zeros between its pixels, kernel turned.

    XNNPACK has no grouped TRANSPOSE_CONV. The result may have rows and columns too many behind.
    """
    batch, height, width, channels = emission.model.shape(source)
    rows, columns = one.stride
    spread = emission.reshaped(source, (batch, height, 1, width, 1, channels))
    spread = emission.padded(spread, [(0, 0), (0, 0), (0, rows - 1), (0, 0), (0, columns - 1), (0, 0)])
    spread = emission.reshaped(spread, (batch, height * rows, width * columns, channels))
    before = [kernel - 1 - cut for kernel, cut in zip(one.kernel, one.padding, strict=True)]
    amounts = [
        (start, max(0, wanted + kernel - 1 - start - size))
        for start, wanted, kernel, size in zip(
            before, one.shape[2:], one.kernel, emission.model.shape(spread)[1:3], strict=True
        )
    ]
    padded = emission.padded(spread, [(0, 0), *((max(0, start), end) for start, end in amounts), (0, 0)])
    starts = [max(0, -start) for start in before]
    cut = [size - start for size, start in zip(emission.model.shape(padded)[1:3], starts, strict=True)]
    padded = emission.sliced(padded, (0, *starts, 0), (batch, *cut, channels))
    inside, outside = channels // one.groups, one.shape[1] // one.groups
    turned = given(one, one.weight)[:, :, ::-1, ::-1].reshape(one.groups, inside, outside, *one.kernel)
    depthwise = inside == 1
    weight = turned.transpose(1, 3, 4, 0, 2) if depthwise else turned.transpose(0, 2, 3, 4, 1)
    weight = weight.reshape(1, *one.kernel, -1) if depthwise else weight.reshape(-1, *one.kernel, inside)
    shape = (batch, *(size - kernel + 1 for size, kernel in zip(cut, one.kernel, strict=True)), one.shape[1])
    fields: dict[str, Any] = {"padding": padding_code(False), "strideH": 1, "strideW": 1}
    fields["fusedActivationFunction"] = fused(one.activation)
    inputs = [padded, emission.weights("weight", weight), _bias(emission, one)]
    if depthwise:
        return emission.add(Code.DEPTHWISE_CONV_2D, inputs, shape, depthMultiplier=outside, **fields)
    return emission.add(Code.CONV_2D, inputs, shape, **fields)


def dense(emission: Emission, one: Dense, layout: Layout) -> int:
    """FULLY_CONNECTED over the last axis; columns that multiply a flattened image go from torch's CHW order to HWC."""
    weight = given(one, one.weight)
    rows = weight if one.flattened is None else weight.reshape(-1, *one.flattened).transpose(0, 2, 3, 1)
    inputs = [
        emission.get(one.inputs[0], layout),
        emission.weights("weight", rows, shape=weight.shape),
        _bias(emission, one),
    ]
    fields: dict[str, Any] = {"keepNumDims": len(one.shape) != 2, "fusedActivationFunction": fused(one.activation)}
    return emission.add(Code.FULLY_CONNECTED, inputs, emission.physical(one, layout), **fields)


def matmul(emission: Emission, one: MatMul, layout: Layout) -> int:
    """BATCH_MATMUL; a swapped output is the product of the factors swapped, and kernels take the second transposed."""
    wanted = emission.layouts.needed(one, layout) or []
    factors = [emission.as_it_lies(name, layouts) for name, layouts in zip(one.inputs, wanted, strict=True)]
    plain = layout[-1] == len(layout) - 1
    (left, _), (right, turned) = factors if plain else factors[::-1]
    swapped = (turned[-1] == len(layout) - 1) != plain
    shape = emission.physical(one, layout)
    return emission.add(Code.BATCH_MATMUL, [left, right], shape, adjX=False, adjY=swapped)


def _bias(emission: Emission, one: AnyLayer) -> int:
    """The bias of a layer, zeros where it has none: TFLite's kernels want one."""
    outputs = one.shape[-1] if isinstance(one, Dense) else one.shape[1]
    value: Array = np.zeros(outputs, np.float32) if one.bias is None else one.bias
    return emission.constant("bias", value)


LAYERS: Final[dict[type[Operator], Emitter[Any]]] = {
    Conv: conv,
    TransposedConv: transposed_conv,
    Dense: dense,
    MatMul: matmul,
}
