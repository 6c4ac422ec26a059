from dataclasses import replace
import numpy as np
from edgebench.graph.operators import Graph
def f32(a):
    return None if a is None else a.astype({"f": np.float32, "i": np.int32, "b": np.bool_}[a.dtype.kind], copy=False)
def simplify(graph: Graph) -> Graph:
    ops = tuple(replace(o, weight=f32(o.weight), bias=f32(o.bias)) if hasattr(o, "weight") else o for o in graph.operators)
    return Graph(ops, graph.outputs, {k: f32(v) for k, v in graph.constants.items()})
