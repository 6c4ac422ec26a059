"""The form of a latency on an accelerator: positive constants times what a network asks of it.

    latency = c["fixed"] + sum over TERMS of c[term] * quantity[term]

`layers` is, over convolutions and dense layers, the sum of the largest of multiply-accumulates (once the channels are
filled up to 32 and the image to tiles), of weight bytes and of activation bytes: a layer waits for the slowest of them.
Where figures cannot tell that from a sum, weights are a term of their own. `slow` are the operators that such a
processor runs on another unit than its convolutions. What these are differs by processor and precision: see FORMS.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from edgebench.estimate.form import Floats
from edgebench.graph.cost import macs, weights
from edgebench.graph.operators import (
    Activation,
    Binary,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Gather,
    GlobalPool,
    Graph,
    LocalResponseNorm,
    MatMul,
    Operator,
    Pad,
    Pool,
    Reduce,
    Resize,
    Shape,
    Softmax,
    SpaceToDepth,
    Transpose,
    TransposedConv,
    once,
)

TERMS: Final = ("fixed", "layers", "channelwise", "weights", "activations", "slow", "spilled", "operators")
Group = Literal["layer", "depthwise", "product", "copy", "function", "affine", "norm", "transpose", "layout"]

_CHANNELS: Final = 32  # that a unit computes at once
_WEIGHT_MB: Final = 0.04  # padded GMACs that take as long as a megabyte of weights, and
_ACTIVATION_MB: Final = 0.02  # of activations
_LAYOUTS: Final = ((0, 2, 3, 1), (0, 3, 1, 2), (0, 2, 1))


@dataclass(frozen=True)
class Form:
    """What the terms are made of on one kind of processor: `bytes` of a weight and an activation, the image's `tile`,
    which groups are `slow`, the megabytes from which on a tensor counts as `spilled`, and the kinds of operators that
    may be left to the CPU."""

    bytes: int
    tile: tuple[int, int]
    slow: tuple[Group, ...]
    roofline: bool = True
    spill_mb: float = math.inf
    left_out: tuple[str, ...] = ()


FORMS: Final[dict[tuple[str, str], Form]] = {
    ("hexagon", "fp16"): Form(2, (8, 4), ("function", "norm", "transpose")),
    ("hexagon", "int8"): Form(1, (8, 4), ("affine", "norm", "transpose")),
    ("ane", "fp16"): Form(2, (1, 1), ("norm", "transpose", "layout"), False, 2.0, ("hardswish", "hardsigmoid")),
}


@once
def kinds(graph: Graph) -> frozenset[str]:
    """The kinds of a graph's operators, activations by their function."""
    return frozenset(each.function if isinstance(each, Activation) else each.kind for each in graph.computed)


@dataclass(frozen=True)
class _Step:
    """One operator: multiply-accumulates, weights, and the elements it reads and writes; `image` is the output's height
    and width, `channels` what goes in and comes out."""

    group: Group
    reads: int
    writes: int
    macs: int = 0
    weights: int = 0
    image: tuple[int, int] = (1, 1)
    channels: tuple[int, ...] = ()


@once
def quantities(graph: Graph, form: Form) -> Floats:
    """(terms,): 1, then 10^9 multiply-accumulates, megabytes and numbers of operators."""
    found = dict.fromkeys(TERMS, 0.0) | {"fixed": 1.0}
    for step in _steps(graph):
        moved = (step.reads + step.writes) * form.bytes / 1e6
        if max(step.reads, step.writes) * form.bytes / 1e6 > form.spill_mb:
            found["spilled"] += moved
        found["operators"] += step.group != "layout"
        if step.group in ("layer", "depthwise", "product"):
            _add_layer(found, step, moved, form)
        elif step.group in form.slow:
            found["slow"] += moved
        elif step.group in ("copy", "function", "affine"):
            found["activations"] += moved
    return np.array([found[term] for term in TERMS])


def _add_layer(found: dict[str, float], step: _Step, moved: float, form: Form) -> None:
    padded, stored = _padded(step, form.tile) / 1e9, step.weights * form.bytes / 1e6
    found["activations"] += moved
    if step.group != "layer":
        found["channelwise"] += padded
    if form.roofline:
        computed = padded if step.group != "depthwise" else 0.0
        found["layers"] += max(computed, _WEIGHT_MB * stored, _ACTIVATION_MB * moved)
    else:
        found["layers"] += padded if step.group == "layer" else 0.0
        found["weights"] += stored


def _padded(step: _Step, tile: tuple[int, int]) -> float:
    """The multiply-accumulates with channels filled up to 32 and the image to whole tiles."""
    filled = math.prod(_filled(size, _CHANNELS) for size in step.channels)
    if step.image != (1, 1):
        filled *= math.prod(map(_filled, step.image, tile))
    return step.macs * filled


def _filled(size: int, whole: int) -> float:
    return -(-size // whole) * whole / size


def _steps(graph: Graph) -> Iterator[_Step]:
    for operator in graph.computed:
        reads = sum(math.prod(graph.shape(name)) for name in operator.inputs)
        step = _step(operator, graph, reads)
        if step is not None:
            yield step


def _step(operator: Operator, graph: Graph, reads: int) -> _Step | None:
    """What one operator asks; None for what costs nothing: views, clamps, and the arithmetic of a normalisation."""
    writes = operator.elements
    match operator:
        case Conv() | TransposedConv() | Dense() | MatMul():
            return _layer(operator, reads)
        case Activation(function="relu" | "relu6" | "relu_n1_to_1" | "leaky_relu"):
            return _Step("affine", reads, writes)
        case Activation(function="square" | "sqrt" | "rsqrt" | "abs" | "neg"):
            return None
        case Activation():
            return _Step("function", reads, writes)
        case Binary():
            shapes = [graph.shape(name) for name in operator.inputs]
            if any(_differ(shape, operator.shape) == 1 for shape in shapes):
                return None  # a mean is subtracted, or a deviation divided by
            constant = any(name in graph.constants and math.prod(graph.shape(name)) > 1 for name in operator.inputs)
            return _Step("affine" if constant else "copy", reads, writes)
        case Reduce(axes=axes) if axes != (2, 3):
            return _Step("norm", reads, 0)
        case Softmax() | LocalResponseNorm():
            return _Step("norm", reads, writes)
        case Transpose(permutation=permutation):
            return _Step("layout" if permutation in _LAYOUTS else "transpose", reads, writes)
        case DepthToSpace() | SpaceToDepth():
            return _Step("transpose", reads, writes)
        case Pool() | GlobalPool() | Concat() | Pad() | Resize() | Gather() | Reduce():
            return _Step("copy", reads, writes)
    return None


def _differ(shape: Shape, whole: Shape) -> int:
    """Along how many axes a tensor is repeated."""
    return sum(size != full for size, full in zip(shape, whole, strict=True)) if len(shape) == len(whole) else 0


def _layer(layer: Conv | TransposedConv | Dense | MatMul, reads: int) -> _Step:
    amounts = {"reads": reads, "writes": layer.elements, "macs": macs(layer, reads), "weights": weights(layer)}
    if isinstance(layer, Dense | MatMul):
        rows = layer.elements // layer.shape[-1]
        side = math.isqrt(rows)  # rows of a matrix are pixels of an image
        image = (side, side) if side * side == rows else (rows, 1)
        group: Group = "product" if isinstance(layer, MatMul) else "layer"
        return _Step(group, **amounts, image=image, channels=(layer.in_features, layer.shape[-1]))
    height, width = (*layer.shape[2:], 1)[:2]
    if isinstance(layer, Conv) and layer.depthwise:
        if layer.kernel == (1, 1):
            return _Step("affine", reads, layer.elements)  # a batch norm that nothing could take in
        return _Step("depthwise", **amounts, image=(height, width), channels=(layer.shape[1],))
    first = layer.in_channels <= 4
    channels = () if layer.groups > 1 else (layer.shape[1],) if first else (layer.in_channels, layer.shape[1])
    return _Step("layer", **amounts, image=(height, width), channels=channels)
