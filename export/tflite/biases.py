"""Biases of an int8 file that do not fit int32: those of channels whose weights are nothing beside their bias.

A bias is stored in units of the input's scale times the channel's weight scale, and that of a dead channel is next to
nothing. Its weights' scale is raised until the bias fits; the weights are then rounded to it, mostly to zero, which is
less than the bias itself loses in eight bits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite.flatbuffer import read, rewrite
from edgebench.formats.tflite.inspect import name_of, operators

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


def biases(content: bytes) -> dict[str, Double]:
    """The biases of a float file's layers, by their tensors' names."""
    model, found = schema.Model.GetRootAs(content, 0), {}
    for graph, _, _, bias in _layers(content):
        values = model.Buffers(graph.Tensors(bias).Buffer()).DataAsNumpy()
        found[name_of(graph, bias)] = np.frombuffer(values, np.float32).astype(np.float64)
    return found


def _layers(content: bytes) -> Iterator[tuple[Any, int, int, int]]:
    """Yields the subgraph and the tensors (image, weight, bias) of each layer that has a bias."""
    for kind, operator, graph in operators(content):
        if kind in PLACES and operator.InputsLength() > max(PLACES[kind]):
            image, weight, bias = (int(operator.Inputs(place)) for place in PLACES[kind])
            yield graph, image, weight, bias


def mend_biases(originals: Mapping[str, Double], target: Path) -> None:
    """Rewrites the int8 file `target`, made of a float file with the biases `originals`, where one leaves int32."""
    raised = list(_raised(target.read_bytes(), originals))
    if raised:
        model = read(target)
        for weight, scales, layers in raised:
            _raise(model, weight, scales, layers)
        rewrite(model, target)


def _raised(content: bytes, originals: Mapping[str, Double]) -> Iterator[tuple[int, Double, list[Layer]]]:
    """Each weight tensor on which some bias does not fit, the scales on which all do, and the layers that read it."""
    layers, old = defaultdict(list), {}
    for graph, image, weight, bias in _layers(content):
        known = graph.Tensors(image).Quantization(), graph.Tensors(weight).Quantization()
        wanted = originals.get(name_of(graph, bias))
        if wanted is not None and all(each is not None and each.ScaleLength() for each in known):
            layers[weight].append((float(known[0].Scale(0)), bias, wanted))
            old[weight] = known[1].ScaleAsNumpy().astype(np.float64)
    for weight, readers in layers.items():
        least = np.max([np.abs(wanted) / (scale * LARGEST) for scale, _, wanted in readers], axis=0)
        if len(old[weight]) == len(least) and (old[weight] < least).any():
            yield weight, np.maximum(old[weight], least), readers


def _raise(model: Any, weight: int, new: Double, layers: list[Layer]) -> None:
    """Gives a weight tensor the scales `new`, and its layers' biases what follows from them."""
    tensors = model.subgraphs[0].tensors
    quantization = tensors[weight].quantization
    shape = [1] * len(tensors[weight].shape)
    shape[quantization.quantizedDimension] = -1
    stored = np.frombuffer(model.buffers[tensors[weight].buffer].data, np.int8).reshape(tensors[weight].shape)
    factors = (np.asarray(quantization.scale, np.float64) / new).reshape(shape)
    rounded = np.rint(stored * factors).clip(-LEVELS, LEVELS).astype(np.int8)
    model.buffers[tensors[weight].buffer].data = rounded.reshape(-1).view(np.uint8)
    quantization.scale = new.astype(np.float32)
    for scale, bias, wanted in layers:
        tensors[bias].quantization.scale = (scale * new).astype(np.float32)
        numbers = np.rint(wanted / (scale * new)).astype(np.int32)
        model.buffers[tensors[bias].buffer].data = numbers.view(np.uint8)
