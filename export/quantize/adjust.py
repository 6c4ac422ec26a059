"""What may be done to a network before it becomes int8, so that it loses less; whether it does is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple, TypeGuard

import numpy as np

from edgebench.graph.operators import Array, Conv, Dense, GlobalPool, Graph, Operator, Pool, Shape, Subsample

LEVELS: Final = 127  # int8 weights are symmetric around zero


def rounding_error(weight: Array, levels: int = LEVELS) -> Array:
    """Returns what rounding to int8, with one scale for each output channel, adds to the weights."""
    largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)), keepdims=True)
    scale = np.where(largest > 0, largest, 1) / levels
    error: Array = (np.rint(weight / scale) * scale - weight).astype(np.float32)
    return error


def shift(weight: Array, mean: Array, groups: int = 1, levels: int = LEVELS) -> Array:
    """What rounding (out, in / groups, ...) adds to each output channel's mean, by the inputs' means (in,)."""
    error = rounding_error(weight, levels).reshape(groups, -1, weight.shape[1], weight[0, 0].size).sum(axis=3)
    shifted: Array = (error * mean.reshape(groups, 1, -1)).sum(axis=2).reshape(-1)
    return shifted


class Weighted(NamedTuple):
    """A layer of a file: the tensor that it reads, its weights (out, in / groups, ...) and the levels these keep."""

    reads: str
    weight: Array
    groups: int = 1
    levels: int = LEVELS


def shifts(layers: Mapping[str, Weighted], passes: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """What rounding adds to the mean of each layer's output channels, by name.

    The biases take it back. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
    2019, section 4.2, with the inputs' means taken from calibration images.

    Each of `passes` holds one image's tensors by name: channels first, with or without a batch of one, and last where
    a dense layer reads them.
    """
    sums: dict[str, Array] = {}
    count = 0
    for count, tensors in enumerate(passes, 1):  # noqa: B007  how many there were
        for name, layer in layers.items():
            values, inside = tensors[layer.reads], layer.weight.shape[1] * layer.groups
            dense = layer.weight.ndim == 2
            mean = values.reshape(-1, inside).mean(axis=0) if dense else values.reshape(inside, -1).mean(axis=1)
            sums[name] = sums.get(name, np.float32(0)) + mean
    means = {name: total / np.float32(count) for name, total in sums.items()}
    return {name: shift(each.weight, means[name], each.groups, each.levels) for name, each in layers.items()}


SWEEPS: Final = 20  # over all pairs; later ones change next to nothing
SMALLEST: Final = 1e-6  # of a range: a channel that is all zeros is left as it is
PASSING: Final = (Pool, GlobalPool, Subsample)  # f(s x) = s f(x) for each channel


class Pair(NamedTuple):
    """Two layers by name, the second reading what the first computes and nobody else does."""

    first: str
    second: str


def equalize(graph: Graph) -> Graph | None:
    """Returns an equal graph whose weights have equal ranges across layers, or None where no two layers can be.

    Nagel et al., 2019, section 4.1. A layer's output channel divided by s, and the next layer's weights for it
    multiplied by s, compute the same as long as what lies between keeps positive factors; ReLU6 does not, and becomes
    ReLU, as in the paper.
    """
    found = pairs(graph)
    if not found:
        return None
    layers: dict[str, Operator] = {each.name: each for each in graph.operators}
    for name in {pair.first for pair in found}:
        scaled = layers[name]
        if isinstance(scaled, Conv | Dense) and scaled.activation == "relu6":
            layers[name] = replace(scaled, activation="relu")
    for _ in range(SWEEPS):
        for pair in found:
            layers.update(_balanced(layers[pair.first], layers[pair.second]))
    return replace(graph, operators=tuple(layers[each.name] for each in graph.operators))


def pairs(graph: Graph) -> list[Pair]:
    """Returns the pairs of layers that can be equalised, in order."""
    readers: dict[str, list[Operator]] = {}
    for operator in graph.operators:
        for name in operator.inputs:
            readers.setdefault(name, []).append(operator)
    found = []
    for operator in graph.operators:
        second = _next(operator, readers, graph) if _is_first(operator) else None
        if second is not None:
            found.append(Pair(operator.name, second.name))
    return found


def _next(operator: Operator, readers: dict[str, list[Operator]], graph: Graph) -> Operator | None:
    """The layer that alone reads the channels of `operator`, perhaps behind operators that let factors pass."""
    channels = _channel_axis(operator, operator.shape)
    while operator.name not in graph.outputs and len(readers.get(operator.name, [])) == 1:
        before = operator.shape
        (operator,) = readers[operator.name]
        if _is_second(operator):
            return operator if _channel_axis(operator, before) == channels else None
        if not isinstance(operator, PASSING):
            return None
    return None


def _channel_axis(layer: Operator, shape: Shape) -> int:
    """The axis of a layer's input or output, of this shape, along which its weights differ."""
    return len(shape) - 1 if isinstance(layer, Dense) else 1


def _is_first(operator: Operator) -> TypeGuard[Conv | Dense]:
    if not isinstance(operator, Conv | Dense) or operator.weight is None:
        return False
    return operator.activation in (None, "relu", "relu6")


def _is_second(operator: Operator) -> TypeGuard[Conv | Dense]:
    if isinstance(operator, Dense):
        return operator.flattened is None and operator.weight is not None
    return isinstance(operator, Conv) and (operator.depthwise or operator.groups == 1) and operator.weight is not None


def _balanced(first: Operator, second: Operator) -> dict[str, Operator]:
    """Both layers with s = sqrt(r1 r2) / r2 for each channel between them: equation 11 of the paper."""
    if not (_is_first(first) and _is_second(second)) or first.weight is None or second.weight is None:
        return {}
    before, after = first.weight, second.weight
    depthwise = isinstance(second, Conv) and second.depthwise
    outgoing = _ranges(before, 0)
    incoming = _ranges(after.reshape(len(outgoing), -1), 0) if depthwise else _ranges(after, 1)
    usable = (outgoing > SMALLEST) & (incoming > SMALLEST)
    scale = np.where(usable, np.sqrt(outgoing / np.maximum(incoming, SMALLEST)), 1).astype(np.float32)
    bias = None if first.bias is None else first.bias / scale
    scaled = replace(first, weight=before / _column(scale, before), bias=bias)
    factors = _column(np.repeat(scale, len(after) // len(scale)), after) if depthwise else _column(scale, after[0])
    return {first.name: scaled, second.name: replace(second, weight=after * factors)}


def _ranges(weight: Array, axis: int) -> Array:
    ranges: Array = np.abs(weight).max(axis=tuple(other for other in range(weight.ndim) if other != axis))
    return ranges


def _column(scale: Array, weight: Array) -> Array:
    return scale.reshape(-1, *[1] * (weight.ndim - 1))


EQUALIZED: Final = "equalized"
ROUNDED: Final = "rounded by inputs"
CORRECTED: Final = "bias corrected"
OBSERVED: Final = 16  # images that are enough for a mean
