"""Where the batch is: a Graph is captured at batch 1, and most compute each image alone, whatever the batch.

The axis that grows with the batch is marked by a negative size: (-1, 3, 224, 224) is an image, and (-64, 49, 96) are 64
windows of each image. Products and permutations of such shapes stay right, as every tensor has one such axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from edgebench.graph.operators import (
    ArgMax,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    Expand,
    Gather,
    GlobalPool,
    Graph,
    LocalResponseNorm,
    MatMul,
    Operator,
    Pad,
    Pick,
    Pool,
    PReLU,
    Reduce,
    Reshape,
    Resize,
    Shape,
    Slice,
    Softmax,
    SpaceToDepth,
    Subsample,
    TopK,
    Transpose,
    TransposedConv,
)

IMAGE_OPERATORS: Final = (
    Conv,
    TransposedConv,
    Pool,
    GlobalPool,
    Resize,
    DepthToSpace,
    SpaceToDepth,
    Subsample,
    LocalResponseNorm,
)


class MixedBatch(Exception):
    """An operator that does not compute each image of a batch alone."""


def batched_shapes(graph: Graph) -> dict[str, Shape]:
    """Returns the shape of every operator's output with its batch axis negative.

    Raises MixedBatch, which names the operator, where images of a batch would not be computed alone.
    """
    axes: dict[str, int] = {}
    for operator in graph.operators:
        axes[operator.name] = _axis(graph, operator, axes)
    for name in graph.outputs:
        if name in graph.constants or axes[name] != 0 or graph.shape(name)[:1] != (1,):
            raise MixedBatch(f"the output '{name}' has no batch axis in front")
    return {
        name: tuple(-size if number == axis else size for number, size in enumerate(graph.shape(name)))
        for name, axis in axes.items()
    }


def _axis(graph: Graph, operator: Operator, axes: Mapping[str, int]) -> int:
    flowing = [name for name in operator.inputs if name in axes]
    if not flowing:
        if operator.inputs or operator.shape[:1] != (1,):
            raise MixedBatch(f"'{operator.name}' has no batch axis in front")
        return 0
    before = axes[flowing[0]]
    size = graph.shape(flowing[0])[before]
    along = ALONG[type(operator)](graph, operator) if type(operator) in ALONG else ()
    alike = all(axes[name] == before and graph.shape(name)[before] == size for name in flowing)
    fixed = all(graph.shape(name)[before] == 1 for name in operator.inputs if name in graph.constants)
    if not alike or not fixed or before in along:
        raise MixedBatch(f"'{operator.module or operator.name}' ({operator.kind}) works across what the batch is in")
    return _behind(operator, graph.shape(flowing[0]), before)


def _behind(operator: Operator, source: Shape, axis: int) -> int:
    """The axis in which an operator leaves the batch that it finds in `axis`."""
    if isinstance(operator, Transpose):
        return operator.permutation.index(axis)
    if isinstance(operator, ArgMax) and not operator.keep:
        return axis - (axis > operator.axis)
    if not isinstance(operator, Reshape):
        return axis
    outside = math.prod(source[:axis])
    for number in range(len(operator.shape)):
        if math.prod(operator.shape[:number]) == outside:
            return number
    raise MixedBatch(f"'{operator.module or operator.name}' reshapes across what the batch is in")


def _expanded(graph: Graph, one: Expand) -> tuple[int, ...]:
    both = zip(graph.shape(one.inputs[0]), one.shape, strict=True)
    return tuple(axis for axis, (before, after) in enumerate(both) if before != after)


Along = Callable[[Graph, Any], tuple[int, ...]]
ALONG: Final[dict[type[Operator], Along]] = {
    **dict.fromkeys((*IMAGE_OPERATORS, PReLU), lambda graph, one: (1, 2, 3)),
    Dense: lambda graph, one: (len(one.shape) - 1,),
    MatMul: lambda graph, one: (len(one.shape) - 2, len(one.shape) - 1),
    Reduce: lambda graph, one: one.axes,
    **dict.fromkeys((Softmax, ArgMax, Concat, Slice, Gather, Pick, TopK), lambda graph, one: (one.axis,)),
    Pad: lambda graph, one: tuple(axis for axis, amounts in enumerate(one.amounts) if any(amounts)),
    Expand: _expanded,
}
"""The axes along which an operator's elements depend on each other, or are moved."""
