"""Rewrites that a .tflite file alone gains by: TFLite has no hard sigmoid, and its layers clamp for nothing."""

from __future__ import annotations

from typing import Final

from edgebench.graph.operators import Activation, Binary, Graph, Operator
from edgebench.graph.rewriter import Rewriter
from edgebench.graph.simplify import Rules, rewritten
from edgebench.graph.simplify_affine import Layer, affine_before, bias_of, scale_through_product


def fold(graph: Graph) -> Graph:
    """Returns a Graph that computes the same in fewer operators of TFLite."""
    return rewritten(graph, _PHASES)


def hard_sigmoid(rewriter: Rewriter, operator: Activation) -> Operator | None:
    """relu6(x + 3) / 6 of a layer: the shift goes into its bias, the clamp into the layer."""
    layer = rewriter.source(operator)
    if operator.function != "hardsigmoid" or not isinstance(layer, Layer) or not rewriter.is_single(layer):
        return None
    if layer.weight is None or layer.activation is not None:
        return None
    clamped = rewriter.update(layer, bias=bias_of(layer) + 3, activation="relu6")
    return rewriter.binary("mul", clamped, 1 / 6)


_PHASES: Final[tuple[Rules, ...]] = ({Activation: (hard_sigmoid,)}, {Binary: (affine_before, scale_through_product)})
