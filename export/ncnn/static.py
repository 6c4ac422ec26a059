"""Static int8 for ncnn, as its own tool ncnn2int8 writes it, which the Python packages leave out.

Convolutions and dense layers get 8-bit weights with a scale a channel, and one scale for their input; ncnn rounds that
input itself, symmetrically about zero. Where every reader of a convolution's output is such a layer too, the output
stays in 8 bits on its way. Layers that stay float store their weights as float16.

Depthwise convolutions stay float: ncnn's int8 ones are slower than its float ones. With them in int8 EfficientNet-B0 at
128 pixels takes 105 million instructions on a Cortex-A72 (emulated) and without 60 million, in float32 61 million;
MobileNetV2 47, 35 and 35. On x86 both take longer with them, too.
Follows tools/quantize/ncnn2int8.cpp and ncnn2table.cpp of https://github.com/Tencent/ncnn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgebench.formats.ncnn.files import Block, Layer, number, sources

Array = npt.NDArray[np.float32]
Range = tuple[float, float]
Weights = dict[str, list[Block]]

QUANTIZED = ("Convolution", "InnerProduct")
WEIGHTED = (*QUANTIZED, "ConvolutionDepthWise")
SCALES_A_CHANNEL = 2  # option 8
OUTPUT_IN_INT8 = 100  # added to option 8
LARGEST = 127
LARGEST_OF_WINOGRAD = 31  # of weights that Winograd's transformation for 3x3 kernels will add up in 8 bits


def quantize(
    layers: list[Layer], weights: Mapping[str, list[Block]], ranges: Mapping[str, Range], kept: Collection[str] = ()
) -> tuple[list[Layer], Weights]:
    """Returns the int8 network's layers and arrays, from a float one's.

    `ranges` holds (low, high) of the blobs that those layers read, by the blob that holds the values (see `sources`);
    `kept` names layers that stay float.
    """
    blobs = sources(layers)
    scales = {
        layer.name: input_scale(ranges[blobs[layer.inputs[0]]])
        for layer in layers
        if layer.kind in QUANTIZED and layer.name not in kept
    }
    passed = _passed_on(layers, scales)
    found, arrays = [], {}
    for name, blocks in weights.items():
        arrays[name] = [replace(one, values=one.values.astype("<f2")) if one.tagged else one for one in blocks]
    for layer in layers:
        if layer.name in scales:
            after = passed.get(layer.name)
            arrays[layer.name] = _quantized(layer, weights[layer.name], scales[layer.name], after)
            term = SCALES_A_CHANNEL + (OUTPUT_IN_INT8 if after is not None else 0)
            layer = replace(layer, options=layer.options | {"8": str(term)})
        found.append(layer)
    return found, arrays


def input_scale(ends: Range) -> float:
    """What an activation is multiplied by before it is rounded; ncnn's zero is always 0."""
    return LARGEST / max(-ends[0], ends[1])


def levels(layer: Layer) -> int:
    """The largest whole number that a weight of the layer becomes."""
    # ncnn computes 3x3 convolutions of stride 1 by Winograd's F(4, 3), whose int8 form has room for 6 bits.
    kernel = {number(layer, 1), number(layer, 11, number(layer, 1))}
    steps = {number(layer, option, 1) for option in (2, 12, 3, 13)}
    winograd = layer.kind == "Convolution" and kernel == {3} and steps == {1}
    return LARGEST_OF_WINOGRAD if winograd else LARGEST


def _quantized(layer: Layer, blocks: list[Block], scale: float, after: float | None) -> list[Block]:
    weight, *bias = blocks
    rows = weight.values.astype(np.float32).reshape(number(layer, 0), -1)
    largest = np.abs(rows).max(axis=1)
    scales = np.divide(levels(layer), largest, out=np.zeros_like(largest), where=largest > 0)
    exact = rows * scales[:, None]
    rounded = np.copysign(np.floor(np.abs(exact) + 0.5), exact)  # halves away from zero, as C's round does
    whole = Block(rounded.astype("i1").reshape(-1), tagged=True)
    ends = [scale] if after is None else [scale, after]
    return [whole, *bias, Block(scales.astype("<f4"), False), *(Block(np.array([one], "<f4"), False) for one in ends)]


def _passed_on(layers: list[Layer], scales: Mapping[str, float]) -> dict[str, float]:
    """The scale of each convolution's output that only int8 convolutions read, by the convolution's name."""
    blobs = sources(layers)
    readers: dict[str, list[Layer]] = {}
    for layer in layers:
        for blob in layer.inputs:
            if layer.kind != "Split":
                readers.setdefault(blobs[blob], []).append(layer)
    found = {}
    for layer in layers:
        after = readers.get(layer.outputs[0], []) if layer.name in scales and layer.kind == "Convolution" else []
        if after and all(one.name in scales and one.kind == "Convolution" for one in after):
            found[layer.name] = scales[after[0].name]
    return found
