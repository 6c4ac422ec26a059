"""Graph -> TFLite: each operator is handed to its emitter; the model is written once all are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from edgebench.formats.network import INPUT, OUTPUT
from edgebench.formats.tflite.emit import Emission, Emitter, channels_last
from edgebench.formats.tflite.emit_elementwise import ELEMENTWISE
from edgebench.formats.tflite.emit_layers import LAYERS
from edgebench.formats.tflite.emit_norm import local_response_norm
from edgebench.formats.tflite.model import Model
from edgebench.graph.operators import Graph, Input, LocalResponseNorm, Operator
from edgebench.ground.errors import ExportError
from edgebench.ground.records import Precision, TensorSpec

EMITTERS: Final[dict[type[Operator], Emitter[Any]]] = {**LAYERS, **ELEMENTWISE, LocalResponseNorm: local_response_norm}


def write(graph: Graph, path: Path, precision: Precision = "fp32") -> dict[str, int]:
    """Writes `graph` to `path` and returns how many operators of each kind the file has.

    Channels last, batch dynamic, one signature ("serving_default": "image" -> "logits"). `precision` is that of the
    weights; arithmetic is float32, and for int8 the file is one that will be quantised. Raises ExportError for what
    TFLite cannot express.
    """
    emission = Emission(graph, Model("edgebench"), precision)
    for operator in graph.operators:
        emitter = EMITTERS.get(type(operator))
        if isinstance(operator, Input):
            made = emission.model.computed(INPUT, channels_last(operator.shape))
        elif emitter is None:
            raise ExportError(
                f"'{operator.name}': TFLite's writer has no {operator.kind}; use `converter='litert-torch'`"
            )
        else:
            made = emitter(emission, operator)
        emission.tensors[operator.name] = made
    emission.model.save(path, (INPUT, emission.tensors[graph.input.name]), (OUTPUT, emission.tensors[graph.output]))
    return emission.model.counts()


def ends(graph: Graph) -> tuple[TensorSpec, TensorSpec]:
    """Returns what the written file takes and gives."""
    return _tensor_spec(INPUT, graph.input), _tensor_spec(OUTPUT, graph[graph.output])


def _tensor_spec(name: str, operator: Operator) -> TensorSpec:
    shape = (None, *channels_last(operator.shape)[1:])
    return TensorSpec(name=name, shape=shape, dtype="float32", layout="NHWC" if len(shape) == 4 else "NC")
