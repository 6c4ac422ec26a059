"""The form of a latency on an accelerator: positive constants times what a network asks of it.

    latency = c["fixed"] + sum over TERMS of c[term] * quantity[term]

`layers` is, over convolutions and dense layers, the sum of the largest of multiply-accumulates (once the channels are
filled up to 32 and the image to tiles), of weight bytes and of activation bytes: a layer waits for the slowest of them.
Where figures cannot tell that from a sum, weights are a term of their own. `slow` are the operators that such a
processor runs on another unit than its convolutions. What these are differs by processor and precision: see FORMS.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from edgebench.estimate.form import Floats, Kernels, batch, in_ticks
from edgebench.estimate.work import Group, Work
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
    Pair,
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

_LAYERS: Final[tuple[Group, ...]] = ("layer", "depthwise", "product")
_MOVES: Final[tuple[Group, ...]] = ("copy", "function", "affine")
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


@once
def quantities(graph: Graph, form: Form) -> Floats:
    """(terms,): 1, then 10^9 multiply-accumulates, megabytes and numbers of operators."""
    asked = amounts(batch([[work for _, work in works(graph, form)]]), form)
    return np.array([1.0, *(asked[term].sum() for term in TERMS[1:])])


def amounts(kernels: Kernels, form: Form) -> dict[str, Floats]:
    """What each term but the fixed one is asked for, each (networks, kernels), in the units of `quantities`."""
    moved, largest = (kernels.reads + kernels.writes), np.maximum(kernels.reads, kernels.writes)
    moved_mb, stored_mb, padded = moved * form.bytes / 1e6, kernels.weights * form.bytes / 1e6, kernels.macs / 1e9
    plain, depthwise, product = (kernels.kinds == kind for kind in _LAYERS)
    layer, slow = plain | depthwise | product, np.isin(kernels.kinds, form.slow)
    waits = np.maximum(np.maximum(~depthwise * padded, _WEIGHT_MB * stored_mb), _ACTIVATION_MB * moved_mb)
    return {
        "layers": layer * waits if form.roofline else plain * padded,
        "channelwise": (depthwise | product) * padded,
        "weights": 0 * stored_mb if form.roofline else layer * stored_mb,
        "activations": (layer | np.isin(kernels.kinds, _MOVES) & ~slow) * moved_mb,
        "slow": slow * moved_mb,
        "spilled": (largest * form.bytes / 1e6 > form.spill_mb) * moved_mb,
        "operators": np.broadcast_to(kernels.kinds != "layout", moved.shape),
    }


def step_s(kernels: Kernels, form: Form, constants: Floats) -> Floats:
    """(networks, kernels): each operator's seconds, in whole ticks."""
    asked = amounts(kernels, form)
    seconds = sum(
        (constant * asked[term] for term, constant in zip(TERMS[1:], constants[1:], strict=True)), np.zeros(1)
    )
    return in_ticks(seconds)


def works(graph: Graph, form: Form, only: Container[str] | None = None) -> Iterator[tuple[str, Work]]:
    """Yields what each operator of `graph` asks, with its name; `only` those operators' if given.

    The multiply-accumulates are those of the filled channels and image.
    """
    for operator in graph.computed:
        if only is None or operator.name in only:
            reads = sum(math.prod(graph.shape(name)) for name in operator.inputs)
            work = _work(operator, graph, reads, form.tile)
            if work is not None:
                yield operator.name, work


def _work(operator: Operator, graph: Graph, reads: int, tile: Pair) -> Work | None:
    """What one operator asks; None for what costs nothing: views, clamps, and the arithmetic of a normalisation."""
    writes = operator.elements
    match operator:
        case Conv() | TransposedConv() | Dense() | MatMul():
            return _layer(operator, reads, tile)
        case Activation(function="relu" | "relu6" | "relu_n1_to_1" | "leaky_relu"):
            return Work("affine", reads, writes)
        case Activation(function="square" | "sqrt" | "rsqrt" | "abs" | "neg"):
            return None
        case Activation():
            return Work("function", reads, writes)
        case Binary():
            shapes = [graph.shape(name) for name in operator.inputs]
            if any(_differ(shape, operator.shape) == 1 for shape in shapes):
                return None  # a mean is subtracted, or a deviation divided by
            constant = any(name in graph.constants and math.prod(graph.shape(name)) > 1 for name in operator.inputs)
            return Work("affine" if constant else "copy", reads, writes)
        case Reduce(axes=axes) if axes != (2, 3):
            return Work("norm", reads, 0)
        case Softmax() | LocalResponseNorm():
            return Work("norm", reads, writes)
        case Transpose(permutation=permutation):
            return Work("layout" if permutation in _LAYOUTS else "transpose", reads, writes)
        case DepthToSpace() | SpaceToDepth():
            return Work("transpose", reads, writes)
        case Pool() | GlobalPool() | Concat() | Pad() | Resize() | Gather() | Reduce():
            return Work("copy", reads, writes)
    return None


def _differ(shape: Shape, whole: Shape) -> int:
    """Along how many axes a tensor is repeated."""
    return sum(size != full for size, full in zip(shape, whole, strict=True)) if len(shape) == len(whole) else 0


def _layer(layer: Conv | TransposedConv | Dense | MatMul, reads: int, tile: Pair) -> Work:
    if isinstance(layer, Dense | MatMul):
        rows = layer.elements // layer.shape[-1]
        side = math.isqrt(rows)  # rows of a matrix are pixels of an image
        image = (side, side) if side * side == rows else (rows, 1)
        group: Group = "product" if isinstance(layer, MatMul) else "layer"
        return _padded(group, layer, reads, _whole(image, tile), (layer.in_features, layer.shape[-1]))
    height, width = (*layer.shape[2:], 1)[:2]
    if isinstance(layer, Conv) and layer.depthwise:
        if layer.kernel == (1, 1):
            return Work("affine", reads, layer.elements)  # a batch norm that nothing could take in
        return _padded("depthwise", layer, reads, _whole((height, width), tile), (layer.shape[1],))
    first = layer.in_channels <= 4
    channels = () if layer.groups > 1 else (layer.shape[1],) if first else (layer.in_channels, layer.shape[1])
    return _padded("layer", layer, reads, _whole((height, width), tile), channels)


def _padded(group: Group, layer: Operator, reads: int, image: float, channels: tuple[int, ...]) -> Work:
    """A layer with channels filled up to 32; `image` is by how much it is more in whole tiles."""
    filled = image * math.prod(_filled(size, _CHANNELS) for size in channels)
    return Work(group, reads, layer.elements, round(macs(layer, reads) * filled), weights(layer))


def _whole(image: Pair, tile: Pair) -> float:
    return 1.0 if image == (1, 1) else math.prod(map(_filled, image, tile))


def _filled(size: int, whole: int) -> float:
    return -(-size // whole) * whole / size
