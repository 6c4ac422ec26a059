"""Rules of the aten functions of one or two numbers that are said in arithmetic and simpler functions."""

from __future__ import annotations

import math
from typing import Any, Final, Literal, cast

import numpy as np

from edgebench.graph.builder import Operand
from edgebench.graph.capture_call import Call, Result, Rule
from edgebench.graph.operators import Operator

_NUMPY: Final = {"abs": np.abs, "square": np.square}
_TINY: Final = 1e-30  # what a quotient of two zeros divides by


# ---- angles ----


def atan(call: Call) -> Result:
    """aten.atan."""
    return _signed(call, _angle(call, call.build.apply("abs", call.x), 1.0))


def atan2(call: Call) -> Result:
    """aten.atan2: the angle of (other, self), from -pi to pi."""
    y, x = (call.operand(name) for name in ("self", "other"))
    quarter = _angle(call, *(_of(call, "abs", value) for value in (y, x)))
    half = call.build.where(_negative(call, x), call.build.binary("sub", math.pi, quarter), quarter)
    return call.build.where(_negative(call, y), call.build.apply("neg", half), half)


def asin(call: Call) -> Result:
    """aten.asin: the angle of (sqrt(1 - x^2), x)."""
    return _asin(call)


def acos(call: Call) -> Result:
    """aten.acos: pi / 2 - asin."""
    return call.build.binary("sub", math.pi / 2, _asin(call))


def _asin(call: Call) -> Operator:
    rest = call.build.binary("sub", 1.0, call.build.apply("square", call.x))
    cosine = call.build.apply("sqrt", call.build.apply("relu", rest))
    return _signed(call, _angle(call, call.build.apply("abs", call.x), cosine))


def _angle(call: Call, y: Operand, x: Operand | float) -> Operator:
    """From 0 to pi / 2, of a point whose coordinates are none below 0: arctan of the smaller by the larger."""
    low, high = call.build.binary("minimum", y, x), call.build.binary("maximum", y, x)
    ratio = call.build.binary("div", low, call.build.binary("maximum", high, _TINY))
    square, *coefficients = call.build.apply("square", ratio), *_arctan_by_ratio()
    series: Any = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        series = call.build.binary("add", call.build.binary("mul", square, series), coefficient)
    angle = call.build.binary("mul", ratio, series)
    return call.build.where(call.build.compare("greater", y, x), call.build.binary("sub", math.pi / 2, angle), angle)


def _arctan_by_ratio() -> list[float]:
    """Coefficients in t^2 of arctan(t) / t for t up to 1, by its values at Chebyshev's points: exact to 1e-9."""
    fitted = np.polynomial.Chebyshev.interpolate(lambda s: np.arctan(np.sqrt(s)) / np.sqrt(s), 10, [0, 1])
    return cast(list[float], fitted.convert(kind=np.polynomial.Polynomial).coef.tolist())


# ---- signs, roots and powers ----


def hypot(call: Call) -> Result:
    """aten.hypot."""
    squares = [_of(call, "square", call.operand(name)) for name in ("self", "other")]
    return call.build.apply("sqrt", call.build.binary("add", *squares))


def signbit(call: Call) -> Result:
    """aten.signbit, which takes -0 for 0."""
    return call.build.compare("less", call.x, 0.0)


def copysign(call: Call) -> Result:
    """aten.copysign, which takes -0 for 0."""
    size = call.build.apply("abs", call.x)
    return call.build.where(_negative(call, call.operand("other")), call.build.apply("neg", size), size)


def exp2(call: Call) -> Result:
    """aten.exp2."""
    return call.build.apply("exp", call.build.binary("mul", call.x, math.log(2)))


def expm1(call: Call) -> Result:
    """aten.expm1."""
    return call.build.binary("add", call.build.apply("exp", call.x), -1.0)


def erfc(call: Call) -> Result:
    """aten.erfc: 1 - erf."""
    return call.build.binary("sub", 1.0, call.build.apply("erf", call.x))


def tan(call: Call) -> Result:
    """aten.tan."""
    return call.build.binary("div", call.build.apply("sin", call.x), call.build.apply("cos", call.x))


# ---- hyperbolic functions ----


def cosh(call: Call) -> Result:
    """aten.cosh: (e^x + e^-x) / 2."""
    return call.build.binary("mul", call.build.binary("add", *_exponentials(call)), 0.5)


def sinh(call: Call) -> Result:
    """aten.sinh: (e^x - e^-x) / 2."""
    return call.build.binary("mul", call.build.binary("sub", *_exponentials(call)), 0.5)


def _exponentials(call: Call) -> tuple[Operator, Operator]:
    return call.build.apply("exp", call.x), call.build.apply("exp", call.build.apply("neg", call.x))


def asinh(call: Call) -> Result:
    """aten.asinh: log(|x| + sqrt(x^2 + 1)), with the sign of x."""
    root = call.build.apply("sqrt", call.build.binary("add", call.build.apply("square", call.x), 1.0))
    return _signed(call, call.build.apply("log", call.build.binary("add", root, call.build.apply("abs", call.x))))


def acosh(call: Call) -> Result:
    """aten.acosh: log(x + sqrt(x^2 - 1))."""
    root = call.build.apply("sqrt", call.build.binary("add", call.build.apply("square", call.x), -1.0))
    return call.build.apply("log", call.build.binary("add", root, call.x))


def atanh(call: Call) -> Result:
    """aten.atanh: log((1 + x) / (1 - x)) / 2."""
    ratio = call.build.binary("div", call.build.binary("add", call.x, 1.0), call.build.binary("sub", 1.0, call.x))
    return call.build.binary("mul", call.build.apply("log", ratio), 0.5)


def _signed(call: Call, size: Operator) -> Operator:
    return call.build.binary("mul", call.build.apply("sign", call.x), size)


def _of(call: Call, function: Literal["abs", "square"], x: Operand) -> Operand:
    return call.build.apply(function, x) if isinstance(x, Operator) else _NUMPY[function](x)


def _negative(call: Call, x: Operand) -> Operand:
    return call.build.compare("less", x, 0.0) if isinstance(x, Operator) else np.less(x, 0)


FUNCTIONS: Final[dict[str, Rule]] = {
    "acos": acos,
    "acosh": acosh,
    "asin": asin,
    "asinh": asinh,
    "atan": atan,
    "atan2": atan2,
    "atanh": atanh,
    "copysign": copysign,
    "cosh": cosh,
    "erfc": erfc,
    "exp2": exp2,
    "expm1": expm1,
    "hypot": hypot,
    "signbit": signbit,
    "sinh": sinh,
    "tan": tan,
}
