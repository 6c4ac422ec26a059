"""Emitters of what happens element by element, in the forms that XNNPACK takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from edgebench.formats.tflite.emit import Code, Emission, Emitter, fused
from edgebench.graph.layout import Layout
from edgebench.graph.operators import FUSIBLE, Activation, Binary, Cast, Compare, Function, Operator, PReLU, Where

ARITHMETIC: Final = {
    "add": Code.ADD,
    "sub": Code.SUB,
    "mul": Code.MUL,
    "div": Code.DIV,
    "maximum": Code.MAXIMUM,
    "minimum": Code.MINIMUM,
    "pow": Code.POW,
}
COMPARISONS: Final = {
    "less": Code.LESS,
    "less_equal": Code.LESS_EQUAL,
    "greater": Code.GREATER,
    "greater_equal": Code.GREATER_EQUAL,
    "equal": Code.EQUAL,
    "not_equal": Code.NOT_EQUAL,
    "logical_and": Code.LOGICAL_AND,
    "logical_or": Code.LOGICAL_OR,
}


def binary(emission: Emission, one: Binary, layout: Layout) -> int:
    """One operator; an activation is fused, where the operator has one at all."""
    code, shape = ARITHMETIC[one.function], emission.physical(one, layout)
    if emission.precision == "int8" and one.function in ("maximum", "minimum") and one.dtype == "float32":
        return _extreme(emission, one, layout)
    if one.function in ("maximum", "minimum", "pow"):
        made = emission.add(code, emission.inputs(one, layout), shape, one.dtype)
        return made if one.activation is None else SIMPLE[one.activation](emission, made)
    activation = fused(one.activation)
    return emission.add(code, emission.inputs(one, layout), shape, one.dtype, fusedActivationFunction=activation)


def _extreme(emission: Emission, one: Binary, layout: Layout) -> int:
    """x + relu(y - x) and x - relu(x - y): of a maximum and minimum in 8 bits XNNPACK has no kernel."""
    x, y = emission.inputs(one, layout)
    shape = emission.physical(one, layout)
    larger = one.function == "maximum"
    apart = emission.add(Code.SUB, [y, x] if larger else [x, y], shape, fusedActivationFunction=fused("relu"))
    code = Code.ADD if larger else Code.SUB
    return emission.add(code, [x, apart], shape, fusedActivationFunction=fused(one.activation))


def compare(emission: Emission, one: Compare, layout: Layout) -> int:
    """One operator, which XNNPACK leaves to TFLite's own kernels."""
    return emission.add(COMPARISONS[one.function], emission.inputs(one, layout), emission.physical(one, layout), "bool")


def where(emission: Emission, one: Where, layout: Layout) -> int:
    """SELECT_V2."""
    return emission.add(Code.SELECT_V2, emission.inputs(one, layout), emission.physical(one, layout), one.dtype)


def cast(emission: Emission, one: Cast, layout: Layout) -> int:
    """CAST."""
    return emission.add(Code.CAST, emission.inputs(one, layout), dtype=one.dtype)


def prelu(emission: Emission, one: PReLU, layout: Layout) -> int:
    """PRELU; its slopes have no batch axis, and the channels, along which they vary, come last."""
    source, slopes = one.inputs
    values = emission.graph.constants[slopes].transpose(layout)
    return emission.add(Code.PRELU, [emission.get(source, layout), emission.constant("slope", values[0])])


def activation(emission: Emission, one: Activation, layout: Layout) -> int:
    """One operator for most functions; a few for those that XNNPACK does not have."""
    source = emission.get(one.inputs[0], layout)
    if emission.precision == "int8" and one.function in IN_INT8:
        return IN_INT8[one.function](emission, source)
    if one.function in SLOPED:
        return SLOPED[one.function](emission, source, one.slope)
    return SIMPLE[one.function](emission, source)


Made = Callable[[Emission, int], int]


def _one(code: int, dtype: str = "float32", **fields: Any) -> Made:
    return lambda emission, x: emission.add(code, [x], dtype=dtype, **fields)


def _by(emission: Emission, code: int, x: int, number: float, **fields: Any) -> int:
    """Arithmetic of a tensor with a number."""
    return emission.add(code, [x, emission.scalar(number)], **fields)


def _product(emission: Emission, x: int, y: int) -> int:
    return emission.add(Code.MUL, [x, y])


def _silu(emission: Emission, x: int) -> int:
    """x * sigmoid(x)."""
    return _product(emission, x, emission.add(Code.LOGISTIC, [x]))


def _hardsigmoid(emission: Emission, x: int) -> int:
    """relu6(x + 3) / 6."""
    clamped = _by(emission, Code.ADD, x, 3.0, fusedActivationFunction=fused("relu6"))
    return _by(emission, Code.MUL, clamped, 1 / 6)


def _clamped(function: Function) -> Made:
    """A clamp behind a product with 1."""
    return lambda emission, x: _by(emission, Code.MUL, x, 1.0, fusedActivationFunction=fused(function))


def _softplus(emission: Emission, x: int) -> int:
    """log(1 + exp(x)) as relu(x) + log(1 + exp(-|x|)), which does not overflow."""
    far = emission.add(Code.EXP, [emission.add(Code.NEG, [emission.add(Code.ABS, [x])])])
    log = emission.add(Code.LOG, [_by(emission, Code.ADD, far, 1.0)])
    return emission.add(Code.ADD, [emission.add(Code.RELU, [x]), log])


def _mish(emission: Emission, x: int) -> int:
    """x * tanh(softplus(x))."""
    return _product(emission, x, emission.add(Code.TANH, [_softplus(emission, x)]))


# Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: within 1.5e-7 of erf(|x|).
_ERF: Final = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
_ERF_STEP: Final = 0.3275911
_STEEP: Final = 1e30  # clamped to [-1, 1], the product with it is the sign


def _erf(emission: Emission, x: int) -> int:
    """The sign of x times (1 - polynomial(t) exp(-x^2)) with t = 1 / (1 + p |x|)."""
    shape, one = emission.model.shape(x), emission.scalar(1.0)
    beside = _by(emission, Code.ADD, _by(emission, Code.MUL, emission.add(Code.ABS, [x]), _ERF_STEP), 1.0)
    t = emission.add(Code.DIV, [one, beside], shape)
    total = _by(emission, Code.MUL, t, _ERF[0])
    for coefficient in _ERF[1:]:
        total = _product(emission, _by(emission, Code.ADD, total, coefficient), t)
    bell = emission.add(Code.EXP, [emission.add(Code.NEG, [_product(emission, x, x)])])
    size = emission.add(Code.SUB, [one, _product(emission, total, bell)], shape)
    return _product(emission, size, emission.add(Code.RELU_N1_TO_1, [_by(emission, Code.MUL, x, _STEEP)]))


def _elu(emission: Emission, x: int, slope: float) -> int:
    """ELU; TFLite's has the slope 1, another scales what lies below zero."""
    if slope == 1:
        return emission.add(Code.ELU, [x])
    below = _by(emission, Code.MUL, emission.add(Code.ELU, [_by(emission, Code.MINIMUM, x, 0.0)]), slope)
    return emission.add(Code.ADD, [emission.add(Code.RELU, [x]), below])


SIMPLE: Final[dict[str, Made]] = {
    "relu": _one(Code.RELU),
    "relu6": _one(Code.RELU6),
    "relu_n1_to_1": _one(Code.RELU_N1_TO_1),
    "sigmoid": _one(Code.LOGISTIC),
    "silu": _silu,
    "tanh": _one(Code.TANH),
    "hardswish": _one(Code.HARD_SWISH),
    "hardsigmoid": _hardsigmoid,
    "gelu": _one(Code.GELU),
    "gelu_tanh": _one(Code.GELU, approximate=True),
    "softplus": _softplus,
    "mish": _mish,
    "abs": _one(Code.ABS),
    "neg": _one(Code.NEG),
    "exp": _one(Code.EXP),
    "log": _one(Code.LOG),
    "sqrt": _one(Code.SQRT),
    "rsqrt": _one(Code.RSQRT),
    "square": _one(Code.SQUARE),
    "floor": _one(Code.FLOOR),
    "ceil": _one(Code.CEIL),
    "round": _one(Code.ROUND),
    "sign": _one(Code.SIGN),
    "sin": _one(Code.SIN),
    "cos": _one(Code.COS),
    "erf": _erf,
    "logical_not": _one(Code.LOGICAL_NOT, "bool"),
}
SLOPED: Final[dict[str, Callable[[Emission, int, float], int]]] = {
    "leaky_relu": lambda emission, x, slope: emission.add(Code.LEAKY_RELU, [x], alpha=slope),
    "elu": _elu,
}

# In 8 bits XNNPACK clamps behind arithmetic only, and has no hardswish.
IN_INT8: Final[dict[str, Made]] = {
    **{name: _clamped(name) for name in FUSIBLE},
    "hardswish": lambda emission, x: _product(emission, x, _hardsigmoid(emission, x)),
}

ELEMENTWISE: Final[dict[type[Operator], Emitter[Any]]] = {
    Activation: activation,
    Binary: binary,
    Cast: cast,
    Compare: compare,
    PReLU: prelu,
    Where: where,
}
