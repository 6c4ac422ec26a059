"""Converters of the aten calls that work on each element alone: arithmetic, activations, softmax."""

from __future__ import annotations

from typing import Final

import numpy as np
from torch import fx

from edgebench.graph.capture_call import Call, Converter, as_array
from edgebench.graph.fold import fuse_activation
from edgebench.graph.operators import Activation, Add, Array, Function, Mul, Operator, Softmax


def add(call: Call) -> Operator:
    """aten.add of two tensors, or of a tensor and a constant."""
    if call.arguments["alpha"] != 1:
        raise call.refuse("scales what it adds (alpha), which is not among edgebench's operators")
    return _combine(call, Add)


def mul(call: Call) -> Operator:
    """aten.mul of two tensors, or of a tensor and a constant."""
    return _combine(call, Mul)


def sub(call: Call) -> Operator:
    """aten.sub of a constant."""
    if call.is_computed("other") or call.arguments["alpha"] != 1:
        raise call.refuse("subtracts two computed tensors, which is not among edgebench's operators")
    return Add(**call.place, constant=-_constant(call, "other", call.operand()))


def div(call: Call) -> Operator:
    """aten.div by a constant."""
    if call.is_computed("other") or call.arguments.get("rounding_mode"):
        raise call.refuse("divides by a computed tensor, which is not among edgebench's operators")
    return Mul(**call.place, constant=np.float32(1) / _constant(call, "other", call.operand()))


def hardtanh(call: Call) -> Operator:
    """aten.hardtanh between 0 and 6, which is ReLU6."""
    return _clamped(call, call.arguments["min_val"], call.arguments["max_val"])


def clamp(call: Call) -> Operator:
    """aten.clamp from 0, or between 0 and 6."""
    return _clamped(call, call.arguments["min"], call.arguments["max"])


def clamp_min(call: Call) -> Operator:
    """aten.clamp_min from 0, which is ReLU."""
    return _clamped(call, call.arguments["min"], None)


def gelu(call: Call) -> Operator:
    """aten.gelu in its exact form, by the error function."""
    if call.arguments["approximate"] != "none":
        raise call.refuse("approximates GELU by tanh; edgebench covers approximate='none'")
    return activate(call, "gelu")


def elu(call: Call) -> Operator:
    """aten.elu without extra scales."""
    if (call.arguments["scale"], call.arguments["input_scale"]) != (1, 1):
        raise call.refuse("scales ELU (as SELU and CELU do), which is not among edgebench's operators")
    return activate(call, "elu", float(call.arguments["alpha"]))


def leaky_relu(call: Call) -> Operator:
    """aten.leaky_relu."""
    return activate(call, "leaky_relu", float(call.arguments["negative_slope"]))


def softmax(call: Call) -> Operator:
    """aten.softmax over the classes of (1, C)."""
    if len(call.shape) != 2 or call.arguments["dim"] % 2 != 1:
        raise call.refuse(f"runs over axis {call.arguments['dim']} of {call.shape}; edgebench covers (1, C), axis 1")
    return Softmax(**call.place)


def activate(call: Call, function: Function, slope: float = 0.01) -> Operator:
    """Returns the operator before with the activation fused, or an operator of its own."""
    fused = fuse_activation(call.operand(), function) if call.read_only_here() else None
    return fused or Activation(**call.place, function=function, slope=slope)


def _activation(function: Function) -> Converter:
    return lambda call: activate(call, function)


def _clamped(call: Call, low: float | None, high: float | None) -> Operator:
    if low == 0 and high is None:
        return activate(call, "relu")
    if low == 0 and high == 6:
        return activate(call, "relu6")
    raise call.refuse(f"clamps between {low} and {high}; edgebench covers ReLU (from 0) and ReLU6 (0 to 6)")


def _combine(call: Call, kind: type[Add] | type[Mul]) -> Operator:
    computed = [argument for argument in (0, 1) if call.is_computed(argument)]
    if len(computed) == 1:
        source = call.operand(computed[0])
        constant = _constant(call, ("self", "other")[1 - computed[0]], source)
        return kind(**call.reading(source), constant=constant)
    left, right = call.operand(0), call.operand(1)
    if len(left.shape) != len(right.shape):
        raise call.refuse(f"combines the shapes {left.shape} and {right.shape}; edgebench needs as many axes in both")
    return kind(**call.reading(left, right))


def _constant(call: Call, argument: str, source: Operator) -> Array:
    """A scalar, or one value a channel, of whatever torch was given: a number, a parameter or a buffer."""
    value = call.arguments[argument]
    array = np.asarray(value, np.float32) if not isinstance(value, fx.Node) else _given(call, argument)
    if array.size == 1:
        return array.reshape(())
    if call.shape == source.shape and _lies_along_channels(array.shape, source.shape):
        return array.reshape(-1)
    raise call.refuse(f"combines {source.shape} with a constant of shape {array.shape}; edgebench covers one a channel")


def _given(call: Call, argument: str) -> Array:
    tensor = call.weight(argument)
    if tensor is None:
        raise call.refuse("combines a tensor with nothing")
    return as_array(tensor)


def _lies_along_channels(constant: tuple[int, ...], tensor: tuple[int, ...]) -> bool:
    aligned = (1,) * (len(tensor) - len(constant)) + constant
    return aligned == (1, tensor[1], *[1] * (len(tensor) - 2))


ELEMENTWISE: Final[dict[str, Converter]] = {
    "add": add,
    "clamp": clamp,
    "clamp_min": clamp_min,
    "div": div,
    "elu": elu,
    "gelu": gelu,
    "hardsigmoid": _activation("hardsigmoid"),
    "hardswish": _activation("hardswish"),
    "hardtanh": hardtanh,
    "leaky_relu": leaky_relu,
    "mul": mul,
    "relu": _activation("relu"),
    "relu6": _activation("relu6"),
    "sigmoid": _activation("sigmoid"),
    "silu": _activation("silu"),
    "softmax": softmax,
    "sub": sub,
    "tanh": _activation("tanh"),
}
