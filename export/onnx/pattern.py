"""Patterns of operators that int8 must know of, found in a float ONNX network."""

from __future__ import annotations

import onnx
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

SPATIAL = {(2, 3), (-2, -1)}


def pool_by_name(model: ModelProto) -> ModelProto:
    """A copy with each mean over height and width as GlobalAveragePool, which onnxruntime has in int8.

    As ReduceMean it would stay float: 17 islands in EfficientNet-B0, a quarter of its time.
    """
    copied = ModelProto()
    copied.CopyFrom(model)
    graph = copied.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = [new for node in graph.node for new in _pooled(node, graph, constants)]
    del graph.node[:]
    graph.node.extend(nodes)
    return copied


def _pooled(node: NodeProto, graph: GraphProto, constants: dict[str, onnx.TensorProto]) -> list[NodeProto]:
    if node.op_type != "ReduceMean" or len(node.input) < 2 or node.input[1] not in constants:
        return [node]
    axes = tuple(sorted(int(axis) for axis in numpy_helper.to_array(constants[node.input[1]])))
    if axes not in SPATIAL or rank(node.input[0], graph) != 4:
        return [node]
    keeps = all(attribute.i for attribute in node.attribute if attribute.name == "keepdims")
    result = node.output[0] if keeps else f"{node.output[0]}.pooled"
    pool = onnx.helper.make_node("GlobalAveragePool", [node.input[0]], [result], name=node.name)
    flatten = onnx.helper.make_node("Flatten", [result], list(node.output), name=f"{node.name}.flatten", axis=1)
    return [pool] if keeps else [pool, flatten]


def rank(tensor: str, graph: GraphProto) -> int | None:
    """The number of a tensor's dimensions, where the graph states it."""
    for value in (*graph.value_info, *graph.input, *graph.output):
        if value.name == tensor:
            return len(value.type.tensor_type.shape.dim)
    return None


def normalisations(model: ModelProto) -> dict[str, list[str]]:
    """Local response normalisations: the name of each one's last operator, and the names of all its operators.

    torch's exporter writes one as x / (a power of the mean of x * x over channels): here every division of a tensor by
    something that is computed from that same tensor.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    found = {}
    for node in model.graph.node:
        if node.op_type == "LRN":
            found[node.name] = [node.name]
        elif node.op_type == "Div" and node.input[0] in makers:
            between = _between(node.input[1], node.input[0], makers)
            if between:
                found[node.name] = [*between, node.name]
    return found


def _between(end: str, start: str, makers: dict[str, NodeProto]) -> list[str]:
    """Names of the operators that compute `end` from nothing but `start` and constants; none where they read more."""
    seen: dict[str, None] = {}
    waiting, reached = [end], False
    while waiting:
        tensor = waiting.pop()
        reached |= tensor == start
        node = makers.get(tensor)
        if tensor == start or node is None or node.name in seen:
            continue
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            return []
        seen[node.name] = None
        waiting += node.input
    return list(seen) if reached else []
