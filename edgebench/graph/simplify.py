from edgebench.graph.operators import Graph
def simplify(graph: Graph) -> Graph:
    return graph
