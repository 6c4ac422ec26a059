"""Runs a file as if it were torch's network: float32 (N, C, H, W) in, torch's layout and float32 out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebench.formats.examples import Array
from edgebench.formats.quiet import Noise, quiet
from edgebench.ground.records import Layout, TensorSpec
from edgebench.runtimes import Session, runtime

Native = npt.NDArray[Any]


def session(name: str, path: str, threads: int = 1, batch: int = 1, *, exact: bool = False) -> Session:
    """Loads a file as a runtime's entry does, without what that writes by itself. Raises the engine's own errors."""
    found = runtime(name)
    with quiet(Noise(native=found.noise)):
        return found.load(path, threads, batch, exact=exact)


def fed(run: Callable[[Any], Any], source: TensorSpec, result: TensorSpec) -> Callable[[Array], Array]:
    """Returns `run`, a session's own, with layouts and integers of the file's input and output taken care of."""

    def native(x: Array) -> Array:
        given = quantized(to_native(x, source.layout), source)
        return from_native(dequantized(run(given), result), result.layout)

    return native


def quantized(x: Array, tensor: TensorSpec) -> Native:
    """Returns `x` as the tensor stores it: rounded and clipped where that is an integer, by its scale if it has one."""
    if np.dtype(tensor.dtype).kind == "f":
        return x.astype(tensor.dtype, copy=False)
    limits = np.iinfo(tensor.dtype)
    whole = np.rint(x / np.float32(tensor.scale or 1)) + (tensor.zero_point or 0)
    stored: Native = np.clip(whole, limits.min, limits.max).astype(tensor.dtype)
    return stored


def dequantized(y: Native, tensor: TensorSpec) -> Array:
    """Returns the float32 values that the tensor's integers stand for."""
    if tensor.scale is None:
        return y
    values: Array = (y.astype(np.float32) - np.float32(tensor.zero_point or 0)) * np.float32(tensor.scale)
    return values


def to_native(x: Array, layout: Layout | None) -> Array:
    """Turns (N, C, H, W) into the file's layout."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if layout == "NHWC" else x


def from_native(y: Array, layout: Layout | None) -> Array:
    """Turns a file's output into torch's (N, C, H, W); one that is no image stays as it is."""
    return y.transpose(0, 3, 1, 2) if layout == "NHWC" else y
