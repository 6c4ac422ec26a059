"""Graph -> TFLite: layouts, then each operator handed to its emitter; the model is written once all are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from edgebench.formats.network import INPUT, OUTPUT
from edgebench.formats.tflite.emit import Emission, Emitter
from edgebench.formats.tflite.emit_elementwise import ELEMENTWISE
from edgebench.formats.tflite.emit_layers import LAYERS
from edgebench.formats.tflite.emit_moves import MOVES
from edgebench.formats.tflite.model import Model
from edgebench.formats.tflite.rewrites import fold
from edgebench.formats.tflite.windows import WINDOWS
from edgebench.graph.batch import MixedBatch, batched_shapes
from edgebench.graph.layout import NHWC, Layouts, home, permuted, plan
from edgebench.graph.operators import Activation, Dense, Graph, Operator, Reshape, Shape, Transpose
from edgebench.ground.errors import ExportError
from edgebench.ground.records import Layout as Named
from edgebench.ground.records import Precision, TensorSpec

EMITTERS: Final[dict[type[Operator], Emitter[Any]]] = {**LAYERS, **WINDOWS, **ELEMENTWISE, **MOVES}
LAYOUTS: Final[dict[int, Named]] = {2: "NC", 4: "NHWC"}


@dataclass(frozen=True)
class Written:
    """What is in a written file: its ends, its operators by kind, what layout cost, and what the user should know."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: dict[str, int]
    transposes: int
    moved_bytes: int
    rewrites: Mapping[str, int]
    notes: tuple[str, ...] = ()


def write(
    graph: Graph,
    path: Path,
    precision: Precision = "fp32",
    names: Sequence[str] = (),
    sources: Sequence[str] = (INPUT,),
) -> Written:
    """Writes `graph` to `path`, images channels last, with the batch open where images are computed alone.

    One signature, "serving_default": `sources` are what its inputs are called; the only output is "logits", several
    have the `names` given, or the graph's. `precision` is that of the weights; arithmetic is float32, and for int8 the
    file is one that will be quantised. Raises ExportError for what TFLite cannot express.
    """
    graph = _flattened_in_memory_order(fold(graph))
    layouts, notes = _laid_out(graph)
    emission = Emission(graph, layouts, Model("edgebench"), precision)
    for source in graph.inputs:
        layout = home(source.shape)
        shape = permuted(layouts.shapes[source.name], layout)
        emission.tensors[source.name] = {layout: emission.model.computed(source.name, shape, source.dtype)}
    for operator in graph.computed:
        if operator.name not in emission.tensors:
            emission.name, layout = operator.name, layouts.chosen[operator.name]
            emission.put(operator.name, layout, _emitter(operator)(emission, operator, layout))
    inputs = {
        called: emission.get(source.name, home(source.shape))
        for called, source in zip(sources, graph.inputs, strict=True)
    }
    for called, tensor in inputs.items():
        emission.model.rename(tensor, called)
    outputs = _outputs(emission, graph, names if len(names) == len(graph.outputs) else graph.outputs)
    emission.model.keep(tuple(outputs.values()))
    emission.model.save(path, inputs, outputs)
    return Written(
        inputs=_described(emission.model, inputs),
        outputs=_described(emission.model, outputs),
        operators=emission.model.counts(),
        transposes=layouts.transposes,
        moved_bytes=layouts.moved_bytes,
        rewrites=graph.rewrites,
        notes=notes,
    )


def _emitter(operator: Operator) -> Emitter[Any]:
    emitter = EMITTERS.get(type(operator))
    if emitter is None:
        raise ExportError(f"'{operator.name}': TFLite's writer has no {operator.kind}; use `converter='litert-torch'`")
    return emitter


def _laid_out(graph: Graph) -> tuple[Layouts, tuple[str, ...]]:
    """The layouts with an open batch; with a batch of 1 where images are mixed, or less is transposed then."""
    shapes: Mapping[str, Shape] = {operator.name: operator.shape for operator in graph.operators}
    try:
        layouts = plan(graph, batched_shapes(graph))
    except MixedBatch as mixed:
        return plan(graph, shapes), (f"the batch is fixed at 1: {mixed}",)
    if layouts.transposes:
        single = plan(graph, shapes)
        if single.moved_bytes < layouts.moved_bytes:
            return single, ("the batch is fixed at 1: an open one would transpose more",)
    return layouts, ()


def _outputs(emission: Emission, graph: Graph, names: Sequence[str]) -> dict[str, int]:
    """The outputs by name; one that is an input, a constant or another output becomes a tensor of its own."""
    taken = {tensor for layouts in (emission.tensors[one.name] for one in graph.inputs) for tensor in layouts.values()}
    found: dict[str, int] = {}
    for name, called in zip(graph.outputs, names, strict=True):
        tensor, key = emission.get(name, home(graph.shape(name))), OUTPUT if len(names) == 1 else called
        if tensor in taken or emission.model.is_constant(tensor):
            tensor = emission.copied(tensor)
        while key in found:
            key += "_again"
        found[key] = tensor
        taken.add(tensor)
    return found


def _flattened_in_memory_order(graph: Graph) -> Graph:
    """Lets an image be flattened channels last where only dense layers read it, which permute their columns."""
    first: dict[str, str] = {}
    for operator in graph.operators:
        if isinstance(operator, Dense) and operator.flattened is not None:
            source = graph[operator.inputs[0]]
            while isinstance(source, Activation):
                source = graph[source.inputs[0]]
            if isinstance(source, Reshape):
                first[source.name] = f"{source.name}/channels_last"
    operators: list[Operator] = []
    for operator in graph.operators:
        if operator.name in first:
            shape = permuted(graph.shape(operator.inputs[0]), NHWC)
            name = first[operator.name]
            operators.append(Transpose(name=name, inputs=operator.inputs, shape=shape, permutation=NHWC))
            operator = replace(operator, inputs=(name,))
        operators.append(operator)
    return replace(graph, operators=tuple(operators))


def _described(model: Model, tensors: Mapping[str, int]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            name=name,
            shape=tuple(None if size < 0 else size for size in model.shape(tensor)),
            dtype=model.dtype(tensor),
            layout=LAYOUTS.get(len(model.shape(tensor))),
        )
        for name, tensor in tensors.items()
    )
