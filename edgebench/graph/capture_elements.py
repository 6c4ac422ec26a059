"""Rules of the aten calls that work on each element alone: arithmetic, comparisons, activations, casts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final
from typing import cast as typed

import numpy as np
import torch

from edgebench.graph.builder import Number, Operand, dtype_of
from edgebench.graph.capture_call import Call, Result, Rule, as_operand
from edgebench.graph.operators import Arithmetic, Comparison, DType, Function, Operator, PReLU

_DTYPES: Final[dict[torch.dtype, DType]] = {
    torch.float32: "float32",
    torch.float64: "float32",
    torch.int64: "int32",
    torch.int32: "int32",
    torch.bool: "bool",
}
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al., 2017


def dtype_in_graph(dtype: torch.dtype) -> DType | None:
    """Returns the Graph's dtype for torch's; None where it has none."""
    return _DTYPES.get(dtype)


# ---- arithmetic ----


def add(call: Call) -> Result:
    """aten.add, with `alpha`."""
    return call.build.binary("add", call.operand("self"), _scaled(call, "other"))


def sub(call: Call) -> Result:
    """aten.sub, with `alpha`."""
    return call.build.binary("sub", call.operand("self"), _scaled(call, "other"))


def rsub(call: Call) -> Result:
    """aten.rsub: other - alpha * self."""
    return call.build.binary("sub", call.operand("other"), _scaled(call, "self"))


def div(call: Call) -> Result:
    """aten.div, rounded down or towards zero on demand."""
    made = call.build.binary("div", call.operand("self"), call.operand("other"))
    return _rounded(call, made, call.get("rounding_mode"))


def floor_divide(call: Call) -> Result:
    """aten.floor_divide, of whole numbers a whole one."""
    x, y = call.operand("self"), call.operand("other")
    made = _rounded(call, call.build.binary("div", x, y), "floor")
    fraction = any(
        isinstance(one, float) or (not isinstance(one, int) and dtype_of(one) == "float32") for one in (x, y)
    )
    return made if fraction else call.build.cast(made, "int32")


def fmod(call: Call) -> Result:
    """aten.fmod: self - trunc(self / other) * other."""
    x, y = call.operand("self"), call.operand("other")
    times = _rounded(call, call.build.binary("div", x, y), "trunc")
    made = call.build.binary("sub", x, call.build.binary("mul", times, y))
    return call.build.cast(made, dtype_in_graph(call.node.meta["val"].dtype) or "float32")


def remainder(call: Call) -> Result:
    """aten.remainder: self - floor(self / other) * other."""
    down = _quotient(call)
    return call.build.binary("sub", call.operand("self"), call.build.binary("mul", down, call.operand("other")))


def _quotient(call: Call) -> Operator:
    """Rounded down; a whole number where both are."""
    x, y = call.operand("self"), call.operand("other")
    down = call.build.apply("floor", call.build.binary("div", x, y))
    whole = all(isinstance(one, int) or (not isinstance(one, float) and dtype_of(one) == "int32") for one in (x, y))
    return typed(Operator, call.build.cast(down, "int32")) if whole else down


def pow_(call: Call) -> Result:
    """aten.pow; the exponents that networks use have operators of their own."""
    x, exponent = call.operand("self"), call.operand("exponent")
    if not isinstance(x, Operator) or not isinstance(exponent, int | float):
        return call.build.binary("pow", x, exponent)
    simple = {2: "square", 0.5: "sqrt", -0.5: "rsqrt"}
    if exponent in simple:
        return call.build.apply(simple[exponent], x)  # type: ignore[arg-type]
    if exponent == 3:
        return call.build.binary("mul", call.build.apply("square", x), x)
    if exponent == -1:
        return call.build.binary("div", 1.0, x)
    return x if exponent == 1 else call.build.binary("pow", x, float(exponent))


def reciprocal(call: Call) -> Result:
    """aten.reciprocal."""
    return call.build.binary("div", 1.0, call.x)


def addcmul(call: Call) -> Result:
    """aten.addcmul: self + value * tensor1 * tensor2."""
    return call.build.binary("add", call.operand("self"), _combined(call, "mul"))


def addcdiv(call: Call) -> Result:
    """aten.addcdiv: self + value * tensor1 / tensor2."""
    return call.build.binary("add", call.operand("self"), _combined(call, "div"))


def lerp(call: Call) -> Result:
    """aten.lerp: self + weight * (end - self)."""
    difference = call.build.binary("sub", call.operand("end"), call.operand("self"))
    return call.build.binary("add", call.operand("self"), call.build.binary("mul", difference, call.operand("weight")))


def _scaled(call: Call, argument: str) -> Any:
    value, alpha = call.operand(argument), call.get("alpha", 1)
    if alpha == 1:
        return value
    return call.build.binary("mul", value, alpha) if isinstance(value, Operator) else value * alpha


def _combined(call: Call, function: Arithmetic) -> Any:
    one, other, value = call.operand("tensor1"), call.operand("tensor2"), call.get("value", 1)
    if isinstance(one, Operator) or isinstance(other, Operator):
        return call.build.binary("mul", call.build.binary(function, one, other), value)
    return value * (one * other if function == "mul" else one / other)


def _rounded(call: Call, made: Operator, mode: str | None) -> Operator:
    if mode == "floor":
        return call.build.apply("floor", made)
    if mode == "trunc":
        size = call.build.apply("floor", call.build.apply("abs", made))
        return call.build.binary("mul", call.build.apply("sign", made), size)
    return made


def trunc(call: Call) -> Result:
    """aten.trunc."""
    return _rounded(call, call.x, "trunc")


def _binary(function: Arithmetic) -> Rule:
    return lambda call: call.build.binary(function, call.operand("self"), call.operand("other"))


# ---- comparisons ----


def _compare(function: Comparison) -> Rule:
    return lambda call: call.build.compare(function, call.operand("self"), call.operand("other"))


def _logical(function: Comparison) -> Rule:
    """Of anything that holds where it is not 0; whole numbers have bits, which nothing here works on."""

    def rule(call: Call) -> Result:
        if call.node.meta["val"].dtype != torch.bool:
            raise call.refuse("works on the bits of whole numbers, which no format here has")
        sides = (call.operand(name) for name in ("self", "other"))
        return call.build.compare(function, *(_truth(call, side) for side in sides))

    return rule


def _truth(call: Call, x: Any) -> Any:
    if isinstance(x, Operator):
        return x if x.dtype == "bool" else call.build.compare("not_equal", x, 0)
    return np.asarray(np.not_equal(x, 0))


def where(call: Call) -> Result:
    """aten.where."""
    return call.build.where(call.operand("condition"), call.operand("self"), call.operand("other"))


def masked_fill(call: Call) -> Result:
    """aten.masked_fill."""
    value = call.operand("value")
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    return call.build.where(call.operand("mask"), value, call.operand("self"))


def bitwise_not(call: Call) -> Result:
    """aten.bitwise_not of booleans, and logical_not of anything."""
    if call.node.meta["val"].dtype != torch.bool:
        raise call.refuse("works on the bits of whole numbers, which no format here has")
    return call.build.apply("logical_not", _truth(call, call.x))


def cast(call: Call) -> Result:
    """aten.to and its like: a change of dtype, or nothing (device and memory order are no matter)."""
    dtype = dtype_in_graph(call.node.meta["val"].dtype)
    return call.build.cast(call.x, dtype or "float32")


# ---- activations ----


def clamp(call: Call) -> Result:
    """aten.clamp and hardtanh, between any bounds."""
    low, high = (as_operand(call.get(name, call.get(f"{name}_val"))) for name in ("min", "max"))
    fixed: dict[tuple[Number | None, Number | None], Function] = {
        (0, None): "relu",
        (0, 6): "relu6",
        (-1, 1): "relu_n1_to_1",
    }
    numbers = all(bound is None or isinstance(bound, int | float) for bound in (low, high))
    if numbers and call.x.dtype == "float32" and (low, high) in fixed:
        return call.build.apply(fixed[low, high], call.x)
    x = call.x if low is None else call.build.binary("maximum", call.x, low)
    return x if high is None else call.build.binary("minimum", x, high)


def gelu(call: Call) -> Result:
    """aten.gelu, exact or by tanh."""
    return call.build.apply("gelu_tanh" if call.get("approximate") == "tanh" else "gelu", call.x)


def elu(call: Call) -> Result:
    """aten.elu, celu and selu: scale * (x if x > 0 else alpha * (exp(input_scale * x) - 1))."""
    alpha, scale, inner = (float(call.get(name, 1)) for name in ("alpha", "scale", "input_scale"))
    if inner != 1 and inner * alpha != 1:
        raise call.refuse("scales its input as no activation of torch.nn does")
    return _scaled_elu(call, alpha, scale, inner)


def celu(call: Call) -> Result:
    """aten.celu: alpha * elu(x / alpha)."""
    return _scaled_elu(call, float(call["alpha"]), 1.0, 1 / float(call["alpha"]))


def selu(call: Call) -> Result:
    """aten.selu."""
    return _scaled_elu(call, _SELU_ALPHA, _SELU_SCALE, 1.0)


def _scaled_elu(call: Call, alpha: float, scale: float, inner: float) -> Operator:
    """With inner = 1 / alpha, ELU of alpha 1 of inner * x, times alpha."""
    x = call.build.binary("mul", call.x, inner) if inner != 1 else call.x
    made = call.build.apply("elu", x, alpha if inner == 1 else 1.0)
    factor = scale if inner == 1 else scale * alpha
    return call.build.binary("mul", made, factor)


def leaky_relu(call: Call) -> Result:
    """aten.leaky_relu, and rrelu in evaluation, whose slope is the mean of its bounds."""
    slope = call.get("negative_slope")
    return call.build.apply(
        "leaky_relu", call.x, float((call["lower"] + call["upper"]) / 2 if slope is None else slope)
    )


def prelu(call: Call) -> Result:
    """aten.prelu: a slope a channel, or one for all."""
    x, slope = call.x, call.needed("weight")
    channels = (1, x.shape[1], *[1] * (len(x.shape) - 2))
    return call.build.add(PReLU, [x, np.broadcast_to(slope.reshape(1, -1, *channels[2:]), channels)], x.shape)


def softplus(call: Call) -> Result:
    """aten.softplus: log(1 + exp(beta * x)) / beta; past `threshold` torch returns x, within float32's rounding."""
    scaled = call.build.binary("mul", call.x, float(call["beta"])) if call["beta"] != 1 else call.x
    made = call.build.apply("softplus", scaled)
    return call.build.binary("mul", made, 1 / float(call["beta"])) if call["beta"] != 1 else made


def log_sigmoid(call: Call) -> Result:
    """aten.log_sigmoid: -softplus(-x)."""
    return call.build.apply("neg", call.build.apply("softplus", call.build.apply("neg", call.x)))


def glu(call: Call) -> Result:
    """aten.glu: the first half times the sigmoid of the second."""
    half = call.x.shape[call["dim"]] // 2
    first, second = call.build.split(call.x, call["dim"], [half, half])
    return call.build.binary("mul", first, call.build.apply("sigmoid", second))


def threshold(call: Call) -> Result:
    """aten.threshold: x above the threshold, else a value."""
    above = call.build.compare("greater", call.x, float(call["threshold"]))
    return call.build.where(above, call.x, float(call["value"]))


def hardshrink(call: Call) -> Result:
    """aten.hardshrink: x beyond +-lambda, else 0."""
    beyond = call.build.compare("greater", call.build.apply("abs", call.x), float(call["lambd"]))
    return call.build.where(beyond, call.x, 0.0)


def softshrink(call: Call) -> Result:
    """aten.softshrink: x - clamp(x, -lambda, lambda)."""
    high = float(call["lambd"])
    inside = call.build.binary("minimum", call.build.binary("maximum", call.x, -high), high)
    return call.build.binary("sub", call.x, inside)


def _apply(function: Function) -> Rule:
    return lambda call: call.build.apply(function, call.x)


def _times(function: Function, factor: float) -> Rule:
    return lambda call: call.build.binary("mul", call.build.apply(function, call.x), factor)


def _after(shift: float, function: Function) -> Rule:
    return lambda call: call.build.apply(function, call.build.binary("add", call.x, shift))


def _constant(value: Number | None) -> Callable[[Call], torch.Tensor]:
    """new_zeros, ones_like and the rest take only shape and dtype of a tensor, so they are constants."""

    def made(call: Call) -> torch.Tensor:
        filled = call["fill_value"] if value is None else value
        return torch.full(call.shape, filled, dtype=call.node.meta["val"].dtype)

    return made


def unchanged(call: Call) -> Operand:
    """Calls that hand on their first argument once the network is in evaluation."""
    if call.get("train") or call.get("training"):
        raise call.refuse("drops values in evaluation too; pass training=self.training to it")
    return call.x


_SAME_NAME: Final[tuple[Function, ...]] = (
    "relu", "relu6", "sigmoid", "silu", "tanh", "hardswish", "hardsigmoid", "mish", "abs", "neg", "exp", "log", "sqrt",
    "rsqrt", "square", "floor", "ceil", "round", "sign", "sin", "cos", "erf",
)  # fmt: skip
_COMPARISONS: Final[dict[str, Comparison]] = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}
_LOGICAL: Final[dict[str, Comparison]] = {"and": "logical_and", "or": "logical_or", "xor": "not_equal"}
_UNCHANGED: Final = (
    "alias", "alpha_dropout", "clone", "contiguous", "detach", "dropout", "feature_alpha_dropout", "feature_dropout",
    "lift_fresh", "lift_fresh_copy", "native_dropout", "positive", "requires_grad",
)  # fmt: skip

ELEMENTS: Final[dict[str, Rule]] = {
    **{name: _apply(name) for name in _SAME_NAME},
    **{name: _compare(function) for name, function in _COMPARISONS.items()},
    **{
        form.format(name): _logical(function)
        for name, function in _LOGICAL.items()
        for form in ("logical_{}", "bitwise_{}", "__{}__")
    },
    **dict.fromkeys(_UNCHANGED, unchanged),
    **dict.fromkeys(("to", "_to_copy", "type_as"), cast),
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max", "hardtanh"), clamp),
    **dict.fromkeys(("leaky_relu", "rrelu"), leaky_relu),
    **dict.fromkeys(("bitwise_not", "logical_not"), bitwise_not),
    **dict.fromkeys(("new_zeros", "zeros_like"), _constant(0)),
    **dict.fromkeys(("new_ones", "ones_like"), _constant(1)),
    **dict.fromkeys(("new_full", "full_like"), _constant(None)),
    "add": add,
    "addcdiv": addcdiv,
    "addcmul": addcmul,
    "celu": celu,
    "div": div,
    "elu": elu,
    "floor_divide": floor_divide,
    "fmod": fmod,
    "gelu": gelu,
    "glu": glu,
    "hardshrink": hardshrink,
    "lerp": lerp,
    "log10": _times("log", 1 / math.log(10)),
    "log1p": _after(1.0, "log"),
    "log2": _times("log", 1 / math.log(2)),
    "log_sigmoid": log_sigmoid,
    "masked_fill": masked_fill,
    "maximum": _binary("maximum"),
    "minimum": _binary("minimum"),
    "mul": _binary("mul"),
    "pow": pow_,
    "prelu": prelu,
    "_prelu_kernel": prelu,
    "reciprocal": reciprocal,
    "remainder": remainder,
    "rsub": rsub,
    "selu": selu,
    "softplus": softplus,
    "softshrink": softshrink,
    "sub": sub,
    "threshold": threshold,
    "trunc": trunc,
    "where": where,
}
