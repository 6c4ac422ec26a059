"""What every emitter shares: the graph being written, the tensors so far, and the layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite.model import Model
from edgebench.graph.operators import Array, Function, Graph, Operator, Padding, Pair, Shape
from edgebench.ground.errors import ExportError
from edgebench.ground.records import Precision

Code = schema.BuiltinOperator
AnyOperator = TypeVar("AnyOperator", bound=Operator)
Emitter = Callable[["Emission", AnyOperator], int]

FUSED = {
    None: schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
}


@dataclass
class Emission:
    """The walk over a graph while its TFLite operators are added to `model`."""

    graph: Graph
    model: Model
    precision: Precision
    tensors: dict[str, int] = field(default_factory=dict)

    def inputs(self, operator: Operator) -> list[int]:
        """The tensors that `operator` reads."""
        return [self.tensors[name] for name in operator.inputs]

    def source_shape(self, operator: Operator) -> Shape:
        """torch's shape of the (first) tensor that `operator` reads."""
        return self.graph[operator.inputs[0]].shape

    def output(self, operator: Operator) -> int:
        """Adds the tensor that `operator` computes."""
        return self.model.computed(operator.name, channels_last(operator.shape))

    def weights(self, name: str, array: Array, shape: Sequence[int] | None = None) -> int:
        """Adds weights: float32, or float16 with the DEQUANTIZE that runtimes fold into the operator behind it.

        Raises ExportError for a weight beyond float16's range.
        """
        if self.precision != "fp16":
            return self.model.constant(name, array, shape)
        largest = float(max(array.max(), -array.min()))
        if not largest <= float(np.finfo(np.float16).max):
            raise ExportError(f"a weight of '{name}' is {largest:.3g}, beyond float16's range: export with fp32")
        half = self.model.constant(f"{name}_fp16", array, shape, dtype="float16")
        whole = self.model.computed(name, array.shape if shape is None else shape, batched=False)
        return self.model.operator(Code.DEQUANTIZE, [half], whole, schema.DequantizeOptionsT(), version=3)

    def pad(self, operator: Operator, padding: Padding, channels: Pair = (0, 0), *, lowest: bool = False) -> int:
        """Adds zeros, or float32's lowest value, around the tensor that `operator` reads; sides in torch's order."""
        amounts = [(0, 0), padding[:2], padding[2:], channels]
        before = channels_last(self.source_shape(operator))
        given = self.model.constant("paddings", np.array(amounts, np.int32))
        padded = self.model.computed(f"{operator.name}_pad", [a + sum(b) for a, b in zip(before, amounts, strict=True)])
        if not lowest:
            return self.model.operator(Code.PAD, [*self.inputs(operator), given], padded, schema.PadOptionsT())
        value = self.model.constant("lowest", np.array(np.finfo(np.float32).min))
        inputs = [*self.inputs(operator), given, value]
        return self.model.operator(Code.PADV2, inputs, padded, schema.PadV2OptionsT())


def channels_last(shape: Shape) -> Shape:
    """(N, C, H, W) as (N, H, W, C); other shapes as they are."""
    return (shape[0], shape[2], shape[3], shape[1]) if len(shape) == 4 else shape


def fused(options: Any, activation: Function | None) -> Any:
    """Sets the fused activation of a schema object and returns it."""
    options.fusedActivationFunction = FUSED[activation]
    return options
