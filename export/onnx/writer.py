"""Graph -> ONNX: each operator handed to its emitter; torch and ONNX have the same layout, so nothing is moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import onnx
from onnx import ModelProto

from edgebench.formats.network import INPUT, OUTPUT
from edgebench.formats.onnx.emit import Emission, described
from edgebench.formats.onnx.operators import EMITTERS, FUNCTIONS, normalised
from edgebench.graph.batch import MixedBatch, batched_shapes
from edgebench.graph.norms import needed, norms
from edgebench.graph.operators import Graph, Shape
from edgebench.ground.errors import ExportError

OPSET: Final = 20
IR: Final = 10  # newer ones are refused by the runtimes of older phones


def translate(
    graph: Graph, names: Sequence[str] = (), inputs: Sequence[str] = (INPUT,), *, half: bool = False
) -> tuple[ModelProto, tuple[str, ...]]:
    """Returns `graph` as an ONNX network, its batch open where images are computed alone, and what a user should know.

    `inputs` are what its inputs are called. The only output is "logits"; several have the `names` given, or the
    graph's. `half` stores weights as float16. Raises ExportError for what ONNX cannot express.
    """
    shapes, notes = _shapes(graph)
    outputs = _output_names(graph, inputs, names)
    emission = Emission(graph, shapes, _called(graph, inputs, outputs), frozenset((*inputs, *outputs)), half)
    for source in graph.inputs:
        emission.put(source.name, emission.called[source.name])
    _walk(emission)
    for name, called in zip(graph.outputs, outputs, strict=True):
        if emission.get(name) != called:  # an input, a constant, or handed out twice
            emission.nodes.append(onnx.helper.make_node("Identity", [emission.get(name)], [called], name=called))
    made = onnx.helper.make_graph(
        emission.nodes,
        "edgebench",
        [
            described(called, shapes[source.name], source.dtype)
            for called, source in zip(inputs, graph.inputs, strict=True)
        ],
        [
            described(called, emission.shape(name), _dtype(graph, name))
            for called, name in zip(outputs, graph.outputs, strict=True)
        ],
        emission.constants,
        value_info=emission.values(),
    )
    opset = [onnx.helper.make_opsetid("", OPSET)]
    return onnx.helper.make_model(made, producer_name="edgebench", opset_imports=opset, ir_version=IR), notes


def _walk(emission: Emission) -> None:
    graph = emission.graph
    found = {
        name: norm
        for name, norm in norms(graph).items()
        if norm.axes == tuple(range(norm.axes[0], len(graph[name].shape)))  # ONNX has none over others than the last
    }
    left = needed(graph, found)
    for operator in graph.computed:
        if operator.name not in left:
            continue
        emission.operator = operator
        if operator.name in found:
            made = normalised(emission, found[operator.name])
        elif type(operator) in EMITTERS:
            made = EMITTERS[type(operator)](emission, operator)
        else:
            where = operator.module or operator.name
            raise ExportError(f"'{where}' is {operator.kind}, which edgebench does not write in ONNX")
        function = getattr(operator, "activation", None)
        emission.put(operator.name, made if function is None else FUNCTIONS[function](emission, made))


def _shapes(graph: Graph) -> tuple[Mapping[str, Shape], tuple[str, ...]]:
    """The operators' shapes with an open batch; with a batch of 1 where images are mixed."""
    try:
        return batched_shapes(graph), ()
    except MixedBatch as mixed:
        return {one.name: one.shape for one in graph.operators}, (f"the batch is fixed at 1: {mixed}",)


def _output_names(graph: Graph, inputs: Sequence[str], names: Sequence[str]) -> list[str]:
    given = [OUTPUT] if len(graph.outputs) == 1 else names if len(names) == len(graph.outputs) else graph.outputs
    found: list[str] = []
    for name in given:
        while name in found or name in inputs:
            name += "_again"
        found.append(name)
    return found


def _called(graph: Graph, inputs: Sequence[str], outputs: Sequence[str]) -> dict[str, str]:
    """The names that tensors of the graph have in the file; one that is handed out twice has the first."""
    ends = dict(zip(reversed(graph.outputs), reversed(outputs), strict=True))
    return ends | {source.name: called for source, called in zip(graph.inputs, inputs, strict=True)}


def _dtype(graph: Graph, name: str) -> str:
    return graph[name].dtype if graph.get(name) else str(graph.constants[name].dtype)
