"""Runs a file as if it were torch's network: float32 (N, C, H, W) in, torch's layout and float32 out.

Several outputs are seen as one: each flattened, one behind the other, in the network's own order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgebench.formats.examples import Array, apart
from edgebench.formats.quiet import Noise, quiet
from edgebench.ground.records import Layout, TensorSpec
from edgebench.runtimes import Session, runtime

Native = npt.NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]


def session(name: str, path: str, threads: int = 1, batch: int = 1, *, exact: bool = False) -> Session:
    """Loads a file as a runtime's entry does, without what that writes by itself. Raises the engine's own errors."""
    found = runtime(name)
    with quiet(Noise(native=found.noise)):
        return found.load(path, threads, batch, exact=exact)


def fed(
    run: Callable[[Any], Any], sources: Sequence[TensorSpec], results: Sequence[TensorSpec]
) -> Callable[[Array], Array]:
    """Returns `run` with layouts and integers of the file's inputs and outputs taken care of.

    `run` is a session's own, which takes the only input, or a list of them, and gives the only output, or a list of
    them (see `runner`). Several inputs come as one, as `with_beside` makes them.
    """
    shapes = [_sizes(source) for source in sources]

    def native(x: Array) -> Array:
        parts = zip(apart(x, shapes), sources, strict=True)
        inputs = [quantized(to_native(part, source.layout), source) for part, source in parts]
        found = run(inputs if len(inputs) > 1 else inputs[0])
        given = found if isinstance(found, list) else [found]
        return joined([from_native(dequantized(y, one), one.layout) for y, one in zip(given, results, strict=True)])

    return native


def _sizes(source: TensorSpec) -> tuple[int, ...]:
    """The sizes of an input behind the batch, in torch's layout."""
    _, *sizes = (size or 1 for size in source.shape)
    return (sizes[-1], *sizes[:-1]) if source.layout == "NHWC" else tuple(sizes)


def runner(session: Session, names: Sequence[str]) -> Callable[[Native], Any]:
    """What runs a session until the outputs of these names are there: a list of them where there are several."""
    known = [output["name"] for output in session.outputs]
    if len(known) == 1:
        return session.run
    # Several tensors of a .tflite file are in order, but have other names than its signature.
    order = [known.index(name) for name in names] if set(names) <= set(known) else range(len(known))

    def run(x: Native | list[Native]) -> list[Native]:
        found = session.run_all(x)
        return [found[number] for number in order]

    return run


def plain(session: Session, names: Sequence[str]) -> Callable[[Array], Array]:
    """A session of a file that has torch's layouts and takes and gives float32, several outputs as one."""
    run = runner(session, names)

    def native(x: Array) -> Array:
        found = run(x)
        return joined(found) if isinstance(found, list) else found

    return native


def joined(outputs: Sequence[Array]) -> Array:
    """Several outputs, each of one batch, as (batch, values); the only one as it is."""
    if len(outputs) == 1:
        return outputs[0]
    batch = len(outputs[0])
    return np.concatenate([one.reshape(batch, -1) for one in outputs], axis=1)


def parts(shapes: Shapes) -> Iterator[tuple[str, slice]]:
    """Where each of several outputs lies in the last axis of them as one, for one image."""
    start = 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        yield name, slice(start, stop)
        start = stop


def quantized(x: Array, tensor: TensorSpec) -> Native:
    """Returns `x` as the tensor stores it: rounded and clipped where that is an integer, by its scale if it has one."""
    if np.dtype(tensor.dtype).kind in "fb":
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
