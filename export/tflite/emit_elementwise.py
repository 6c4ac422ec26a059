"""Emitters of arithmetic, activations and shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite.emit import Code, Emission, Emitter, channels_last, fused
from edgebench.graph.fold import flattened_image, keeps_order
from edgebench.graph.operators import Activation, Add, Concat, Mul, Operator, Pad, Reshape, Softmax
from edgebench.ground.errors import ExportError


def add(emission: Emission, operator: Add) -> int:
    """ADD of two tensors, or of a tensor and a constant."""
    options = fused(schema.AddOptionsT(), operator.activation)
    return emission.model.operator(Code.ADD, _terms(emission, operator), emission.output(operator), options)


def mul(emission: Emission, operator: Mul) -> int:
    """MUL of two tensors, or of a tensor and a constant."""
    options = fused(schema.MulOptionsT(), operator.activation)
    return emission.model.operator(Code.MUL, _terms(emission, operator), emission.output(operator), options)


def activation(emission: Emission, operator: Activation) -> int:
    """One operator for most activations; SiLU and hard sigmoid are made of two."""
    return _ACTIVATIONS[operator.function](emission, operator)


def concat(emission: Emission, operator: Concat) -> int:
    """CONCATENATION along the channels, which come last."""
    options = fused(schema.ConcatenationOptionsT(), None)
    options.axis = len(operator.shape) - 1
    return emission.model.operator(Code.CONCATENATION, emission.inputs(operator), emission.output(operator), options)


def pad(emission: Emission, operator: Pad) -> int:
    """PAD with zeros."""
    return emission.pad(operator, operator.padding, operator.channels)


def softmax(emission: Emission, operator: Softmax) -> int:
    """SOFTMAX over the last axis."""
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return emission.model.operator(Code.SOFTMAX, emission.inputs(operator), emission.output(operator), options)


def reshape(emission: Emission, operator: Reshape) -> int:
    """RESHAPE that leaves the batch open; a TRANSPOSE before it only where someone needs torch's order of an image."""
    (source,) = emission.inputs(operator)
    if flattened_image(emission.graph, operator) and keeps_order(emission.graph, operator.name):
        shape = emission.source_shape(operator)
        first = emission.model.computed(f"{operator.name}_chw", shape)
        order = emission.model.constant("channels_first", np.array([0, 3, 1, 2], np.int32))
        source = emission.model.operator(Code.TRANSPOSE, [source, order], first, schema.TransposeOptionsT())
    after = np.array((-1, *channels_last(operator.shape)[1:]), np.int32)
    options = schema.ReshapeOptionsT()
    options.newShape = after
    given = emission.model.constant("shape", after)
    return emission.model.operator(Code.RESHAPE, [source, given], emission.output(operator), options)


def _terms(emission: Emission, operator: Add | Mul) -> list[int]:
    inputs = emission.inputs(operator)
    if operator.constant is not None:
        inputs.append(emission.model.constant(f"{operator.name}.constant", operator.constant))
    return inputs


def _unary(code: int, options: Callable[[], Any] = lambda: None) -> Emitter[Activation]:
    def emit(emission: Emission, operator: Activation) -> int:
        return emission.model.operator(code, emission.inputs(operator), emission.output(operator), options())

    return emit


def _silu(emission: Emission, operator: Activation) -> int:
    """x * sigmoid(x): XNNPACK has no SiLU of TFLite's."""
    (source,) = emission.inputs(operator)
    gate = emission.model.computed(f"{operator.name}_sigmoid", channels_last(operator.shape))
    emission.model.operator(Code.LOGISTIC, [source], gate)
    options = fused(schema.MulOptionsT(), None)
    return emission.model.operator(Code.MUL, [source, gate], emission.output(operator), options)


def _hardsigmoid(emission: Emission, operator: Activation) -> int:
    """relu6(x + 3) / 6."""
    model = emission.model
    clamped = model.computed(f"{operator.name}_clamped", channels_last(operator.shape))
    three, sixth = (model.constant("constant", np.array(value, np.float32)) for value in (3, 1 / 6))
    model.operator(Code.ADD, [*emission.inputs(operator), three], clamped, fused(schema.AddOptionsT(), "relu6"))
    return model.operator(Code.MUL, [clamped, sixth], emission.output(operator), fused(schema.MulOptionsT(), None))


def _leaky_relu(emission: Emission, operator: Activation) -> int:
    options = schema.LeakyReluOptionsT()
    options.alpha = operator.slope
    return emission.model.operator(Code.LEAKY_RELU, emission.inputs(operator), emission.output(operator), options)


def _elu(emission: Emission, operator: Activation) -> int:
    if operator.slope != 1:
        raise ExportError(
            f"ELU with alpha={operator.slope:g} in module '{operator.module}' does not exist in TFLite, which has "
            "alpha=1; export with `format='onnx'`"
        )
    return _unary(Code.ELU)(emission, operator)


_ACTIVATIONS: Final[dict[str, Emitter[Activation]]] = {
    "relu": _unary(Code.RELU),
    "relu6": _unary(Code.RELU6),
    "sigmoid": _unary(Code.LOGISTIC),
    "silu": _silu,
    "tanh": _unary(Code.TANH),
    "hardswish": _unary(Code.HARD_SWISH, schema.HardSwishOptionsT),
    "hardsigmoid": _hardsigmoid,
    "gelu": _unary(Code.GELU, schema.GeluOptionsT),
    "elu": _elu,
    "leaky_relu": _leaky_relu,
}

ELEMENTWISE: Final[dict[type[Operator], Emitter[Any]]] = {
    Activation: activation,
    Add: add,
    Concat: concat,
    Mul: mul,
    Pad: pad,
    Reshape: reshape,
    Softmax: softmax,
}
