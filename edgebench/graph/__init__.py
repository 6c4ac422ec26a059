"""One description of a network, read by the TFLite writer, the cost counter, the memory planner and the estimator."""

from edgebench.graph.operators import Graph, Operator

__all__ = ["Graph", "Operator"]
