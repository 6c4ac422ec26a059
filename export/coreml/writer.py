"""Graph -> MIL: each operator handed to its emitter, within a function of coremltools' builder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from edgebench.formats.coreml.emit import AXES, TYPES, Emission, Emitter, Variable
from edgebench.formats.coreml.emit_elements import ELEMENTS, clamped
from edgebench.formats.coreml.emit_layers import LAYERS
from edgebench.formats.coreml.emit_moves import MOVES
from edgebench.formats.coreml.noise import NOISE
from edgebench.formats.quiet import quiet
from edgebench.graph.norms import Norm, norms
from edgebench.graph.operators import Graph, Operator, Reshape
from edgebench.graph.rank import within_rank
from edgebench.ground.errors import ExportError

with quiet(NOISE):
    import coremltools as ct
    from coremltools.converters.mil.mil import Builder as mb
    from coremltools.converters.mil.mil import Function, Program, types

EMITTERS: Final[dict[type[Operator], Emitter]] = {**LAYERS, **ELEMENTS, **MOVES}
TARGET: Final = ct.target.iOS16


def program(graph: Graph, inputs: Sequence[str], outputs: Sequence[str], *, half: bool) -> Any:
    """A MIL program of one function "main" with inputs and outputs of these names, all float32.

    Raises ExportError for what CoreML cannot express.
    """
    made, graph = Program(), within_rank(graph, AXES)
    _check_axes(graph)
    given = {
        name: mb.placeholder(shape=source.shape, dtype=types.string_to_builtin(TYPES[source.dtype]))
        for name, source in zip(inputs, graph.inputs, strict=True)
    }
    with Function(given, opset_version=TARGET) as function:
        emission = Emission(graph, half)
        for name, source in zip(inputs, graph.inputs, strict=True):
            emission.variables[source.name] = function.inputs[emission.free(name)]
        found = norms(graph)
        for operator in graph.computed:
            if operator.name not in emission.variables:
                emission.begin(operator)
                emission.put(_emitted(emission, operator, found.get(operator.name)))
        function.set_outputs([emission.output(*pair) for pair in zip(graph.outputs, outputs, strict=True)])
    made.add_function("main", function)
    return made


def _check_axes(graph: Graph) -> None:
    ends = [(one.name, one.shape) for one in graph.inputs] + [(name, graph.shape(name)) for name in graph.outputs]
    moves = [(one.name, one.shape) for one in graph.computed if not isinstance(one, Reshape)]
    for name, shape in (*ends, *moves):
        if len(shape) > AXES:
            raise ExportError(f"'{name}' has {len(shape)} axes, and CoreML's tensors have {AXES} at most")


def _emitted(emission: Emission, operator: Operator, norm: Norm | None) -> Variable:
    if norm is not None:
        return clamped(emission, operator, _normalised(emission, norm))
    emitter = EMITTERS.get(type(operator))
    if emitter is None:
        raise ExportError(f"'{operator.name}': CoreML's writer has no {operator.kind}")
    return emitter(emission, operator)


def _normalised(emission: Emission, norm: Norm) -> Variable:
    """layer_norm over any axes, or instance_norm with its values a channel."""
    weight, bias = (None if each is None else emission.array(each) for each in (norm.weight, norm.bias))
    given = {"x": emission.get(norm.source), "gamma": weight, "beta": bias, "epsilon": emission.scalar(norm.epsilon)}
    if norm.by_channel:
        return emission.add("instance_norm", **given)
    return emission.add("layer_norm", axes=list(norm.axes), **given)
