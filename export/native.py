"""Runs a file as if it were torch's network: float32 (N, C, H, W) in, torch's layout and float32 out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebench.formats.examples import Array, from_native, to_native
from edgebench.ground.records import TensorSpec

Native = npt.NDArray[Any]


def fed(run: Callable[[Any], Any], source: TensorSpec, result: TensorSpec) -> Callable[[Array], Array]:
    """Returns `run`, a session's own, with layouts and integers of the file's input and output taken care of."""

    def native(x: Array) -> Array:
        given = quantized(to_native(x, source.layout), source)
        return from_native(dequantized(run(given), result), result.layout)

    return native


def quantized(x: Array, tensor: TensorSpec) -> Native:
    """Returns `x` as the tensor stores it: rounded and clipped where that is an integer with a scale."""
    if tensor.scale is None:
        return x
    limits = np.iinfo(tensor.dtype)
    whole = np.rint(x / np.float32(tensor.scale)) + (tensor.zero_point or 0)
    stored: Native = np.clip(whole, limits.min, limits.max).astype(tensor.dtype)
    return stored


def dequantized(y: Native, tensor: TensorSpec) -> Array:
    """Returns the float32 values that the tensor's integers stand for."""
    if tensor.scale is None:
        return y
    values: Array = (y.astype(np.float32) - np.float32(tensor.zero_point or 0)) * np.float32(tensor.scale)
    return values
