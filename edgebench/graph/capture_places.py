"""Rules of the aten calls that put values at places: index_put, scatter, slice_scatter, and what is taken by stride."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from edgebench.graph.builder import Number, Operand, dtype_of
from edgebench.graph.capture_call import Call, Result, Rule, as_operand
from edgebench.graph.operators import Operator

Places = npt.NDArray[np.int64]


# ---- at places that are known ----


def slice_scatter(call: Call) -> Result:
    """aten.slice_scatter: a tensor with a part of it replaced."""
    places = range(*slice(call["start"], call["end"], call["step"]).indices(call.shape[call["dim"]]))
    return laid(call, call.operand("self"), call["dim"] % len(call.shape), places, call.operand("src"))


def select_scatter(call: Call) -> Result:
    """aten.select_scatter: a tensor with one position of an axis replaced."""
    axis, part = call["dim"] % len(call.shape), call.operand("src")
    one = call.build.reshape(part, (*part.shape[:axis], 1, *part.shape[axis:]))
    return laid(call, call.operand("self"), axis, [call["index"] % call.shape[axis]], one)


def laid(call: Call, x: Operand, axis: int, places: Sequence[int] | Places, part: Operand) -> Operator:
    """x with `part` in place of what lies at `places` of an axis, the later of equal ones."""
    numbers = np.arange(x.shape[axis])
    numbers[np.asarray(places)] = x.shape[axis] + np.arange(len(places))
    return call.build.gather(call.build.concat([x, part], axis), axis, numbers.tolist())


def _put(call: Call, x: Operand, places: Places, part: Operand, *, added: bool) -> Operator:
    """x with `part`, which broadcasts to `places`, laid or added there; places count through the flattened x."""
    values = call.build.reshape(call.build.expand(part, places.shape), (-1,))
    flat, left = call.build.reshape(x, (-1,)), places.reshape(-1)
    if not added:
        return call.build.reshape(laid(call, flat, 0, left, values), x.shape)
    total, rest = flat, np.arange(left.size)
    while rest.size:
        at, first = np.unique(left[rest], return_index=True)
        part = (
            call.build.gather(values, 0, rest[first].tolist()) if isinstance(values, Operator) else values[rest[first]]
        )
        spread = laid(call, np.zeros(flat.shape), 0, at, part)
        total, rest = call.build.binary("add", total, spread), np.delete(rest, first)
    return call.build.reshape(cast(Operator, total), x.shape)


def indexed(call: Call, x: Operand) -> Places:
    """Where constant indices of any axes lie in the flattened x. Raises ExportError where one depends on the input."""
    indices = [slice(None) if one is None else as_operand(one) for one in call["indices"]]
    if any(isinstance(one, Operator) for one in indices):
        raise call.refuse("has indices of axes that are not side by side, and that depend on the network's input")
    return _numbered(x)[tuple(indices)]


def index_put(call: Call) -> Result:
    """aten.index_put: at constant places, under a mask of any kind by one number, or along one axis."""
    x, part = call.operand("self"), call.operand("values")
    if not any(isinstance(value, Operator) for value in call["indices"]):
        return _put(call, x, indexed(call, x), part, added=call["accumulate"])
    [(axis, index), *others] = [(axis, as_operand(one)) for axis, one in enumerate(call["indices"]) if one is not None]
    masked = index.dtype == "bool"
    if others or (math.prod(part.shape) > 1 if masked else len(index.shape) > 1):
        raise call.refuse("puts values at places of several axes that depend on the network's input")
    behind = (1,) * (len(x.shape) - axis - len(index.shape))
    along = call.build.reshape(index, (*(1,) * axis, *index.shape, *behind))
    if masked:
        return call.build.where(along, call.build.binary("add", part, x) if call["accumulate"] else part, x)
    return _scattered(call, x, axis, along, part, added=call["accumulate"])


def scatter(call: Call) -> Result:
    """aten.scatter and scatter_add."""
    x, index = call.operand("self"), call.operand("index")
    if call.get("reduce") is not None:
        raise call.refuse(f"combines by {call['reduce']}")
    axis, added = call["dim"] % len(x.shape), "add" in call.node.target._schema.name  # type: ignore[union-attr]
    part = call.get("value") if call.get("src") is None else call.operand("src")
    if not isinstance(part, int | float) and part.shape != index.shape:
        for at, size in enumerate(index.shape):
            part = call.build.slice(part, at, 0, size) if isinstance(part, Operator) else part.take(range(size), at)
    if isinstance(index, Operator):
        if any(one != whole for at, (one, whole) in enumerate(zip(index.shape, x.shape, strict=True)) if at != axis):
            raise call.refuse("puts values at places that depend on the network's input in a part of a tensor")
        return _scattered(call, x, axis, index, part, added=added)
    places = np.indices(index.shape)
    places[axis] = index
    return _put(call, x, _numbered(x)[tuple(places)], call.build.operand(part, like=dtype_of(x)), added=added)


# ---- at places that the input says ----


def _scattered(call: Call, x: Operand, axis: int, index: Operator, part: Operand | Number, *, added: bool) -> Operator:
    """x with `part` laid or added along an axis at an index that broadcasts: each place looks for what comes to it."""
    build, size = call.build, x.shape[axis]
    numbers = np.arange(size, dtype=np.int32).reshape(size, 1, *[1] * (len(x.shape) - axis - 1))
    hits = build.compare("equal", _apart(call, index, axis), numbers)
    found = cast(Operator, build.cast(hits, "float32"))
    if isinstance(part, int | float) and not added:
        came: Operand = build.reduce("max", found, [axis + 1], False)
        return build.where(build.compare("greater", came, 0.0), part, x)
    value = part if isinstance(part, int | float) else _apart(call, build.ranked(part, len(x.shape)), axis)
    total = build.reduce("sum", build.binary("mul", found, value), [axis + 1], False)
    if added:
        return cast(Operator, build.cast(build.binary("add", total, x), dtype_of(x)))
    came = build.reduce("max", found, [axis + 1], False)
    return build.where(build.compare("greater", came, 0.0), build.cast(total, dtype_of(x)), x)


def _apart(call: Call, x: Any, axis: int) -> Any:
    return call.build.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


# ---- taken by stride ----


def diagonal(call: Call) -> Result:
    """aten.diagonal, from the flattened tensor."""
    return taken(call, np.diagonal(_numbered(call.x), call["offset"], call["dim1"], call["dim2"]))


def as_strided(call: Call) -> Result:
    """aten.as_strided of a tensor that lies in memory as it is indexed."""
    if not call.node.args[0].meta["val"].is_contiguous():  # type: ignore[union-attr]
        raise call.refuse("reads a tensor by its place in memory, which is not that of its axes")
    places = np.full(call.shape, call["storage_offset"] or 0)
    for at, step in zip(np.indices(call.shape), call["stride"], strict=True):
        places += at * step
    return taken(call, places)


def take(call: Call) -> Result:
    """aten.take, at constant places."""
    if isinstance(call["index"], Operator):
        raise call.refuse("takes what lies at places of a flattened tensor that depend on the network's input")
    return taken(call, _numbered(call.x).reshape(-1)[call.operand("index")])


def taken(call: Call, places: Places) -> Operator:
    """What lies at places of the flattened tensor."""
    flat = call.build.reshape(call.x, (-1,))
    return call.build.reshape(call.build.gather(flat, 0, places.reshape(-1).tolist()), places.shape)


def _numbered(x: Operand) -> Places:
    return np.arange(math.prod(x.shape)).reshape(x.shape)


PLACES: Final[dict[str, Rule]] = {
    **dict.fromkeys(("index_put", "_unsafe_index_put"), index_put),
    **dict.fromkeys(("scatter", "scatter_add"), scatter),
    "as_strided": as_strided,
    "diagonal": diagonal,
    "select_scatter": select_scatter,
    "slice_scatter": slice_scatter,
    "take": take,
}
