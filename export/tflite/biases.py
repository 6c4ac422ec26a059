"""Biases of an int8 file that do not fit int32: those of channels whose weights are nothing beside their bias.

A bias is stored in units of the input's scale times the channel's weight scale, and that of a dead channel is next to
nothing. Its weights' scale is raised until the bias fits; the weights are then rounded to it, mostly to zero, which is
less than the bias itself loses in eight bits.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgebench.formats.tflite.flatbuffer import read, rewrite
from edgebench.formats.tflite.inspect import operator_name

Double = npt.NDArray[np.float64]
Layer = tuple[float, int, Double]
"""The input's scale, the bias tensor, and the bias as it was."""

LARGEST: Final = 2**30  # of a stored bias: as much again is left for the products that are added to it
LEVELS: Final = 127
# The inputs of a layer: (image, weight, bias).
PLACES: Final = {
    "CONV_2D": (0, 1, 2),
    "DEPTHWISE_CONV_2D": (0, 1, 2),
    "FULLY_CONNECTED": (0, 1, 2),
    "TRANSPOSE_CONV": (2, 1, 3),
}


def mend_biases(source: Path, target: Path) -> None:
    """Rewrites the int8 file `target`, made from the float file `source`, where some bias is beyond int32."""
    before, after = read(source), read(target)
    changed = [_raised(after, weight, layers) for weight, layers in _layers(before, after).items()]
    if any(changed):
        rewrite(after, target)


def _layers(before: Any, after: Any) -> dict[int, list[Layer]]:
    """Every layer in int8, by the weight tensor that it reads."""
    originals = {tensor.name: tensor for tensor in before.subgraphs[0].tensors}
    kinds = [operator_name(code.builtinCode, code.deprecatedBuiltinCode) for code in after.operatorCodes]
    tensors = after.subgraphs[0].tensors
    found = defaultdict(list)
    for operator in after.subgraphs[0].operators:
        kind = kinds[operator.opcodeIndex]
        if kind not in PLACES or len(operator.inputs) <= max(PLACES[kind]):
            continue
        image, weight, bias = (int(operator.inputs[place]) for place in PLACES[kind])
        scales = tensors[image].quantization.scale if tensors[image].quantization else None
        original = originals.get(tensors[bias].name)
        if scales is not None and original is not None and tensors[weight].quantization is not None:
            wanted = np.frombuffer(before.buffers[original.buffer].data, np.float32).astype(np.float64)
            found[weight].append((float(scales[0]), bias, wanted))
    return dict(found)


def _raised(model: Any, weight: int, layers: list[Layer]) -> bool:
    """Raises the scales of a weight tensor until the biases of its layers fit; says whether any had to be."""
    tensors = model.subgraphs[0].tensors
    quantization = tensors[weight].quantization
    old = np.asarray(quantization.scale, np.float64)
    least = np.max([np.abs(wanted) / (scale * LARGEST) for scale, _, wanted in layers], axis=0)
    if len(old) != len(least) or (old >= least).all():
        return False
    new = np.maximum(old, least)
    shape = [1] * len(tensors[weight].shape)
    shape[quantization.quantizedDimension] = -1
    stored = np.frombuffer(model.buffers[tensors[weight].buffer].data, np.int8).reshape(tensors[weight].shape)
    rounded = np.rint(stored * (old / new).reshape(shape)).clip(-LEVELS, LEVELS).astype(np.int8)
    model.buffers[tensors[weight].buffer].data = rounded.reshape(-1).view(np.uint8)
    quantization.scale = new.astype(np.float32)
    for scale, bias, wanted in layers:
        tensors[bias].quantization.scale = (scale * new).astype(np.float32)
        numbers = np.rint(wanted / (scale * new)).astype(np.int32)
        model.buffers[tensors[bias].buffer].data = numbers.view(np.uint8)
    return True
