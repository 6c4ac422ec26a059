"""What a graph costs, counted from its shapes: multiply-accumulates, weights, and the elements it reads and writes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgebench.graph.operators import Add, Conv, Dense, Graph, Mul, Operator


@dataclass(frozen=True)
class OperatorCost:
    """One operator's counts at batch 1.

    `weights` includes biases and constants; `input_elements` sums over all inputs, weights left out.
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
        """Multiply-accumulates of convolutions and dense layers: half of what torch's FlopCounterMode counts."""
        return sum(operator.macs for operator in self.operators)

    @property
    def weight_count(self) -> int:
        """Weights, biases and constants that a file of this graph stores."""
        return sum(operator.weights for operator in self.operators)


def count(graph: Graph) -> Cost:
    """Counts every operator of `graph`; weights need not be known, only shapes."""
    return Cost(
        tuple(
            OperatorCost(
                name=operator.name,
                kind=operator.kind,
                macs=macs(operator),
                weights=weights(operator),
                input_elements=sum(producer.elements for producer in graph.producers(operator)),
                output_elements=operator.elements,
            )
            for operator in graph.operators[1:]
        )
    )


def macs(operator: Operator) -> int:
    """Multiply-accumulates of a convolution or dense layer; zero for every other operator."""
    if isinstance(operator, Conv):
        return operator.elements * math.prod(operator.weight_shape[1:])
    if isinstance(operator, Dense):
        return operator.elements * operator.in_features
    return 0


def weights(operator: Operator) -> int:
    """Number of stored values: filters with one bias an output channel, or an element-wise constant.

    A deployed convolution or dense layer always has its bias, since batch norm folds into it.
    """
    if isinstance(operator, Conv):
        return math.prod(operator.weight_shape) + operator.shape[1]
    if isinstance(operator, Dense):
        return (operator.in_features + 1) * operator.shape[-1]
    if isinstance(operator, Add | Mul) and operator.constant is not None:
        return operator.constant.size
    return 0
