"""Emitters of what happens element by element and over axes."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from edgebench.formats.coreml.emit import TYPES, Emission, Emitter, Variable
from edgebench.graph.operators import (
    Activation,
    ArgMax,
    Binary,
    Cast,
    Compare,
    Function,
    GlobalPool,
    LocalResponseNorm,
    Operator,
    PReLU,
    Reduce,
    Softmax,
    TopK,
    Where,
)

FIXED: Final[dict[str, tuple[str, dict[str, Any]]]] = {  # MIL's name of a function, and its arguments beside x
    "hardsigmoid": ("sigmoid_hard", {"alpha": 1 / 6, "beta": 0.5}),
    "relu_n1_to_1": ("clip", {"alpha": -1.0, "beta": 1.0}),
    "gelu": ("gelu", {"mode": "EXACT"}),
    "gelu_tanh": ("gelu", {"mode": "TANH_APPROXIMATION"}),
    "log": ("log", {"epsilon": 1e-45}),
    "rsqrt": ("rsqrt", {"epsilon": 1e-12}),
    "neg": ("mul", {"y": -1.0}),
}


def applied(emission: Emission, function: Function, x: Variable) -> Variable:
    """A function of each element."""
    if function == "hardswish":
        return emission.add("mul", x=x, y=applied(emission, "hardsigmoid", x))
    if function == "mish":
        return emission.add("mul", x=x, y=applied(emission, "tanh", applied(emission, "softplus", x)))
    kind, given = FIXED.get(function, (function, {}))
    arguments = {name: emission.scalar(value) if isinstance(value, float) else value for name, value in given.items()}
    return emission.add(kind, x=x, **arguments)


def clamped(emission: Emission, one: Any, made: Variable) -> Variable:
    """What an operator computed, after the activation that it has of its own."""
    return made if one.activation is None else applied(emission, one.activation, made)


def activation(emission: Emission, one: Activation) -> Variable:
    """A function of each element; two have a parameter."""
    x = emission.get(one.inputs[0])
    if one.function in ("leaky_relu", "elu"):
        return emission.add(one.function, x=x, alpha=emission.scalar(one.slope))
    return applied(emission, one.function, x)


def binary(emission: Emission, one: Binary | Compare) -> Variable:
    """Arithmetic or a comparison of two."""
    x, y = (emission.get(name) for name in one.inputs)
    made = emission.add("real_div" if one.function == "div" else one.function, x=x, y=y)
    return clamped(emission, one, made) if isinstance(one, Binary) else made


def where(emission: Emission, one: Where) -> Variable:
    """Of three."""
    cond, a, b = (emission.get(name) for name in one.inputs)
    return emission.add("select", cond=cond, a=a, b=b)


def prelu(emission: Emission, one: PReLU) -> Variable:
    """MIL's own is one of images; elsewhere a maximum and a minimum."""
    x, slopes = emission.get(one.inputs[0]), emission.graph.constants[one.inputs[1]]
    if len(one.shape) == 4:
        alpha = np.broadcast_to(slopes.reshape(-1), one.shape[1:2])
        return emission.add("prelu", x=x, alpha=emission.array(alpha))
    zero = emission.scalar(0)
    below = emission.add("mul", x=emission.add("minimum", x=x, y=zero), y=emission.get(one.inputs[1]))
    return emission.add("add", x=emission.add("maximum", x=x, y=zero), y=below)


def cast(emission: Emission, one: Cast) -> Variable:
    """To what floats are here, whole numbers or bool."""
    dtype = emission.number if one.dtype == "float32" else TYPES[one.dtype]
    return emission.add("cast", x=emission.get(one.inputs[0]), dtype=dtype)


def reduce(emission: Emission, one: Reduce) -> Variable:
    """Axes stay."""
    x = emission.get(one.inputs[0])
    return emission.add(f"reduce_{one.function}", x=x, axes=list(one.axes), keep_dims=True)


def global_pool(emission: Emission, one: GlobalPool) -> Variable:
    """The mean over height and width, which stay where they do in the Graph."""
    keep = len(one.shape) == 4
    return emission.add("reduce_mean", x=emission.get(one.inputs[0]), axes=[2, 3], keep_dims=keep)


def softmax(emission: Emission, one: Softmax) -> Variable:
    """Over one axis."""
    return emission.add("softmax", x=emission.get(one.inputs[0]), axis=one.axis)


def argmax(emission: Emission, one: ArgMax) -> Variable:
    """An int32 index."""
    return emission.add("reduce_argmax", x=emission.get(one.inputs[0]), axis=one.axis, keep_dims=one.keep)


def topk(emission: Emission, one: TopK) -> Variable:
    """The values, or where they are."""
    x = emission.get(one.inputs[0])
    both = emission.add("topk", x=x, k=one.shape[one.axis], axis=one.axis, ascending=False)
    emission.variables.update({other.name: both[int(other.indices)] for other in one.twins(emission.graph)})
    return both[int(one.indices)]


def local_response_norm(emission: Emission, one: LocalResponseNorm) -> Variable:
    """x / (k + alpha * mean of x^2 over neighbouring channels)^beta, the mean as a pool over the axis of channels.

    MIL's own operator does not say on which side the odd channel of an even window lies.
    """
    x = emission.get(one.inputs[0])
    if one.size % 2:
        given = {name: emission.scalar(getattr(one, name)) for name in ("alpha", "beta", "k")}
        return emission.add("local_response_norm", x=x, size=one.size, **given)
    square = emission.add("square", x=x)
    flat = emission.reshaped(square, (1, 1, one.shape[1], math.prod(one.shape[2:])))
    ends = [one.size // 2, (one.size - 1) // 2, 0, 0]
    mean = emission.add("avg_pool", x=flat, kernel_sizes=[one.size, 1], strides=[1, 1], pad_type="custom", pad=ends)
    scaled = emission.add("mul", x=emission.reshaped(mean, one.shape), y=emission.scalar(one.alpha))
    divisor = emission.add(
        "pow", x=emission.add("add", x=scaled, y=emission.scalar(one.k)), y=emission.scalar(one.beta)
    )
    return emission.add("real_div", x=x, y=divisor)


ELEMENTS: Final[dict[type[Operator], Emitter]] = {
    Activation: activation,
    ArgMax: argmax,
    Binary: binary,
    Cast: cast,
    Compare: binary,
    GlobalPool: global_pool,
    LocalResponseNorm: local_response_norm,
    PReLU: prelu,
    Reduce: reduce,
    Softmax: softmax,
    TopK: topk,
    Where: where,
}
