"""What a graph costs, counted from its shapes: multiply-accumulates, weights, and the elements it reads and writes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgebench.graph.operators import Conv, Dense, Graph, MatMul, Operator, TransposedConv, once


@dataclass(frozen=True)
class OperatorCost:
    """One operator's counts at batch 1.

    `weights` includes biases, and constants where they are read first; `input_elements` sums over all computed inputs.
    """

    name: str
    kind: str
    macs: int
    weights: int
    input_elements: int
    output_elements: int

    def traffic_bytes(self, element_bytes: float = 4) -> int:
        """Bytes read and written when nothing stays in a cache: inputs, weights and output once each."""
        return math.ceil((self.input_elements + self.weights + self.output_elements) * element_bytes)


@dataclass(frozen=True)
class Cost:
    """The counts of a whole graph, one entry an operator in execution order, the input left out."""

    operators: tuple[OperatorCost, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of layers and matrix products: half of what torch's FlopCounterMode counts."""
        return sum(operator.macs for operator in self.operators)

    @property
    def weight_count(self) -> int:
        """Weights, biases and constants that a file of this graph stores."""
        return sum(operator.weights for operator in self.operators)


@once
def count(graph: Graph) -> Cost:
    """Counts every operator of `graph`; weights need not be known, only shapes."""
    stored = {name: array.size for name, array in graph.constants.items()}
    counted: list[OperatorCost] = []
    for operator in graph.computed:
        reads = sum(producer.elements for producer in graph.producers(operator))
        counted.append(
            OperatorCost(
                name=operator.name,
                kind=operator.kind,
                macs=macs(operator, reads),
                weights=weights(operator) + sum(stored.pop(name, 0) for name in operator.inputs),
                input_elements=reads,
                output_elements=operator.elements,
            )
        )
    return Cost(tuple(counted))


def macs(operator: Operator, reads: int) -> int:
    """Multiply-accumulates of a layer or matrix product; zero for every other operator.

    `reads` are the elements of its inputs: a transposed convolution multiplies each by its kernel.
    """
    if isinstance(operator, Conv):
        return operator.elements * math.prod(operator.weight_shape[1:])
    if isinstance(operator, TransposedConv):
        return reads * math.prod(operator.weight_shape[1:])
    if isinstance(operator, Dense | MatMul):
        return operator.elements * operator.in_features
    return 0


def weights(operator: Operator) -> int:
    """Number of a layer's stored values: filters, and one bias an output channel.

    A deployed layer always has its bias, since batch norm folds into it.
    """
    if isinstance(operator, Conv | TransposedConv):
        return math.prod(operator.weight_shape) + operator.shape[1]
    if isinstance(operator, Dense):
        return (operator.in_features + 1) * operator.shape[-1]
    return 0
