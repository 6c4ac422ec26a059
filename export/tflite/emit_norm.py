"""Local response normalisation, made of operators that XNNPACK runs.

x / d^beta with d = k + alpha / size * (sum of x^2 over neighbouring channels). The sum is a 1x1 convolution with a
band matrix; measured twice as fast as TFLite's own LOCAL_RESPONSE_NORMALIZATION, and the delegate stays in one piece.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.tflite.emit import Code, Emission, channels_last, fused
from edgebench.graph.operators import Array, LocalResponseNorm

# d^-beta as a product of reciprocal roots: how often rsqrt(d), and how often its square root.
_ROOTS: Final[dict[float, tuple[int, int]]] = {0.25: (0, 1), 0.5: (1, 0), 0.75: (1, 1), 1.0: (2, 0)}


def local_response_norm(emission: Emission, operator: LocalResponseNorm) -> int:
    """x times d^-beta; roots for the usual exponents, a logarithm for any other."""
    (source,) = emission.inputs(operator)
    divisor = _divisor(emission, operator, source)
    factor = _roots(emission, operator, divisor) if operator.beta in _ROOTS else _power(emission, operator, divisor)
    return _product(emission, source, factor, emission.output(operator))


def band(channels: int, operator: LocalResponseNorm) -> Array:
    """Returns the (out, in) matrix that sums alpha / size over each channel's window.

    torch's window of an even size has the odd channel before the centre.
    """
    offset = np.arange(channels)[None] - np.arange(channels)[:, None]
    inside = (offset >= -(operator.size // 2)) & (offset <= (operator.size - 1) // 2)
    return inside.astype(np.float32) * np.float32(operator.alpha / operator.size)


def _divisor(emission: Emission, operator: LocalResponseNorm, source: int) -> int:
    channels = operator.shape[1]
    square = _product(emission, source, source, _step(emission, operator, "square"))
    options = fused(schema.Conv2DOptionsT(), None)
    options.strideH = options.strideW = 1
    options.padding = schema.Padding.VALID
    inputs = [
        square,
        emission.model.constant(f"{operator.name}.band", band(channels, operator).reshape(channels, 1, 1, channels)),
        emission.model.constant(f"{operator.name}.k", np.full(channels, operator.k, np.float32)),
    ]
    return emission.model.operator(Code.CONV_2D, inputs, _step(emission, operator, "divisor"), options)


def _roots(emission: Emission, operator: LocalResponseNorm, divisor: int) -> int:
    halves, quarters = _ROOTS[operator.beta]
    half = emission.model.operator(Code.RSQRT, [divisor], _step(emission, operator, "rsqrt"))
    factors = [half] * halves
    if quarters:
        factors.append(emission.model.operator(Code.SQRT, [half], _step(emission, operator, "root")))
    if len(factors) == 1:
        return factors[0]
    return _product(emission, factors[0], factors[1], _step(emission, operator, "factor"))


def _power(emission: Emission, operator: LocalResponseNorm, divisor: int) -> int:
    """exp(-beta * log d): XNNPACK has no POW of TFLite's."""
    model = emission.model
    exponent = model.constant(f"{operator.name}.beta", np.array(-operator.beta, np.float32))
    log = model.operator(Code.LOG, [divisor], _step(emission, operator, "log"))
    scaled = _product(emission, log, exponent, _step(emission, operator, "scaled"))
    return model.operator(Code.EXP, [scaled], _step(emission, operator, "factor"), schema.ExpOptionsT())


def _product(emission: Emission, left: int, right: int, output: int) -> int:
    return emission.model.operator(Code.MUL, [left, right], output, fused(schema.MulOptionsT(), None))


def _step(emission: Emission, operator: LocalResponseNorm, name: str) -> int:
    return emission.model.computed(f"{operator.name}_{name}", channels_last(operator.shape))
