"""Rules of the aten calls that run over whole axes: reductions, softmax, attention, products by index."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
import torch

from edgebench.graph.builder import dtype_of
from edgebench.graph.capture_call import Call, Result, Rule, as_operand
from edgebench.graph.operators import ArgMax, Array, Operator, Reduction

_MASKED: Final = -1e9  # far below any score, and finite


# ---- reductions ----


def _reduce(function: Reduction) -> Rule:
    return lambda call: _reduced(call, function, call.x)


def _reduced(call: Call, function: Reduction, x: Operator) -> Operator:
    dims = call.get("dim")
    x = x if x.dtype == "float32" or function in ("max", "min") else cast(Operator, call.build.cast(x, "float32"))
    made = call.build.reduce(function, x, [dims] if isinstance(dims, int) else dims, bool(call.get("keepdim")))
    counts = function == "sum" and call.x.dtype != "float32" and call.get("dtype") != torch.float32
    return cast(Operator, call.build.cast(made, "int32")) if counts else made


def extreme(call: Call) -> Result:
    """aten.max and min: of two tensors, of everything, or along an axis, then with the index."""
    largest = call.node.target._schema.name == "aten::max"  # type: ignore[union-attr]
    if "other" in call.arguments:
        return call.build.binary("maximum" if largest else "minimum", call.operand("self"), call.operand("other"))
    value = _reduced(call, "max" if largest else "min", call.x)
    return value if "dim" not in call.arguments else [value, _position(call, largest)]


def argmax(call: Call) -> Result:
    """aten.argmax."""
    return _position(call, True)


def argmin(call: Call) -> Result:
    """aten.argmin."""
    return _position(call, False)


def _position(call: Call, largest: bool) -> Operator:
    x, axis = call.x if largest else call.build.apply("neg", call.x), call["dim"]
    if axis is None:
        x, axis = call.build.reshape(x, (1, math.prod(x.shape))), 1
    axis %= len(x.shape)
    rest = [1 if at == axis else size for at, size in enumerate(x.shape)]
    made = call.build.add(ArgMax, [x], rest, axis=axis, keep=True, dtype="int32")
    return call.build.reshape(made, call.shape)


def var(call: Call) -> Result:
    """aten.var."""
    return _variance(call)


def std(call: Call) -> Result:
    """aten.std."""
    return call.build.apply("sqrt", _variance(call))


def var_mean(call: Call) -> Result:
    """aten.var_mean."""
    return [_variance(call), _reduced(call, "mean", call.x)]


def std_mean(call: Call) -> Result:
    """aten.std_mean."""
    return [std(call), _reduced(call, "mean", call.x)]


def _variance(call: Call) -> Operator:
    x, dims = call.x, call.get("dim")
    axes = list(dims) if dims else list(range(len(x.shape)))
    count = math.prod(x.shape[axis] for axis in axes)
    correction = call.get("correction", call.get("unbiased"))
    correction = 1 if correction is None else correction
    centred = call.build.binary("sub", x, call.build.reduce("mean", x, axes, True))
    mean = _reduced(call, "mean", call.build.apply("square", centred))
    return call.build.binary("mul", mean, count / (count - correction)) if correction else mean


def norm(call: Call) -> Result:
    """aten.linalg_vector_norm and norm, of any order above 0."""
    order = call.get("ord", call.get("p", 2))
    order = 2 if order is None else order
    if order == 1 or order == math.inf:
        return _reduced(call, "sum" if order == 1 else "max", call.build.apply("abs", call.x))
    if order <= 0:
        raise call.refuse(f"is a norm of order {order}; edgebench covers those above 0")
    if order != 2:
        powers = call.build.binary("pow", call.build.apply("abs", call.x), float(order))
        return call.build.binary("pow", _reduced(call, "sum", powers), 1 / order)
    return call.build.apply("sqrt", _reduced(call, "sum", call.build.apply("square", call.x)))


def prod(call: Call) -> Result:
    """aten.prod: halves times each other until one is left."""
    axis = call.get("dim", call.get("dims"))
    [axis] = axis if isinstance(axis, list) else [axis]
    x = call.build.reshape(call.x, (-1,)) if axis is None else call.x
    axis = (axis or 0) % len(x.shape)
    while x.shape[axis] > 1:
        half = x.shape[axis] // 2
        parts = call.build.split(x, axis, [half, half, x.shape[axis] % 2])
        x = call.build.concat([call.build.binary("mul", parts[0], parts[1]), *parts[2:]], axis)
    return call.build.reshape(x, call.shape)


def cdist(call: Call) -> Result:
    """aten.cdist of order 2: every row of one against every row of the other."""
    if call["p"] != 2:
        raise call.refuse(f"is a distance of order {call['p']}; edgebench covers 2")
    one, other = call.operand("x1"), call.operand("x2")
    rows = call.build.reshape(one, (*one.shape[:-1], 1, one.shape[-1]))
    columns = call.build.reshape(other, (*other.shape[:-2], 1, *other.shape[-2:]))
    squares = call.build.apply("square", call.build.binary("sub", rows, columns))
    return call.build.apply("sqrt", call.build.reduce("sum", squares, [-1], False))


def logsumexp(call: Call) -> Result:
    """aten.logsumexp."""
    top = call.build.reduce("max", call.x, call["dim"], True)
    total = call.build.reduce("sum", call.build.apply("exp", call.build.binary("sub", call.x, top)), call["dim"], True)
    made = call.build.binary("add", call.build.apply("log", total), top)
    return call.build.reshape(made, call.shape)


def cumsum(call: Call) -> Result:
    """aten.cumsum: a dense layer with a triangle of ones."""
    axis = call["dim"] % len(call.x.shape)
    ones = cast(Array, np.tril(np.ones((call.x.shape[axis],) * 2, np.float32)))
    return call.build.swap(call.build.dense(call.build.swap(call.x, axis, -1), ones), axis, -1)


# ---- softmax and attention ----


def softmax(call: Call) -> Result:
    """aten.softmax."""
    return call.build.softmax(call.x, call["dim"])


def log_softmax(call: Call) -> Result:
    """aten.log_softmax: x - max - log(sum(exp(x - max))), which does not take the logarithm of a rounded 0."""
    top = call.build.reduce("max", call.x, [call["dim"]], True)
    shifted = call.build.binary("sub", call.x, top)
    total = call.build.reduce("sum", call.build.apply("exp", shifted), [call["dim"]], True)
    return call.build.binary("sub", shifted, call.build.apply("log", total))


def softmin(call: Call) -> Result:
    """aten.softmin."""
    return call.build.softmax(call.build.apply("neg", call.x), call["dim"])


def attention(call: Call) -> Result:
    """aten.scaled_dot_product_attention, with a mask, causal, and with shared keys and values (enable_gqa)."""
    query, key, value = (call.operand(name) for name in ("query", "key", "value"))
    scale = query.shape[-1] ** -0.5 if call["scale"] is None else float(call["scale"])
    if call["enable_gqa"]:
        key, value = (_shared(call, x, query.shape[-3] // x.shape[-3]) for x in (key, value))
    scores = call.build.matmul(call.build.binary("mul", query, scale), call.build.swap(key, -1, -2))
    mask = call.operand("attn_mask")
    if call["is_causal"]:
        mask = np.tril(np.ones(scores.shape[-2:], bool))
    if mask is None:
        return call.build.matmul(call.build.softmax(scores, -1), value)
    shares = call.build.softmax(_masked(call, scores, mask), -1)
    if dtype_of(mask) == "bool" and (isinstance(mask, Operator) or not mask.any(-1).all()):
        shares = call.build.binary("mul", shares, call.build.cast(mask, "float32"))  # a row without any key is 0
    return call.build.matmul(shares, value)


def _masked(call: Call, scores: Operator, mask: Any) -> Operator:
    if isinstance(mask, np.ndarray) and mask.dtype == np.bool_:
        return call.build.binary("add", scores, np.where(mask, 0.0, _MASKED))
    if mask.dtype == "bool":
        return call.build.where(mask, scores, _MASKED)
    return call.build.binary("add", scores, mask)


def _shared(call: Call, x: Operator, times: int) -> Operator:
    """Each head of x `times` times, one after the other."""
    *lead, heads, length, width = x.shape
    apart = call.build.reshape(x, (*lead, heads, 1, length, width))
    wide = call.build.expand(apart, (*lead, heads, times, length, width))
    return call.build.reshape(wide, (*lead, heads * times, length, width))


# ---- products by index ----


def einsum(call: Call) -> Result:
    """aten.einsum of one or two operands, no index twice in one of them: a sum, or one matrix product."""
    equation = call["equation"].replace(" ", "")
    terms, _, result = equation.partition("->")
    names = terms.split(",")
    if not result or "." in equation or len(names) > 2 or any(len(set(term)) < len(term) for term in names):
        raise call.simpler()
    needed = [set(result).union(*names[:at], *names[at + 1 :]) for at in range(len(names))]
    tensors = [
        _without(call, as_operand(tensor), term, kept)
        for tensor, term, kept in zip(call["tensors"], names, needed, strict=True)
    ]
    names = ["".join(index for index in term if index in kept) for term, kept in zip(names, needed, strict=True)]
    if len(names) == 2:
        return _product(call, tensors, names, result)
    only: Operator = tensors[0]
    return call.build.transpose(only, [names[0].index(index) for index in result])


def _without(call: Call, x: Any, term: str, needed: set[str]) -> Any:
    """x summed over the indices that nothing else has."""
    axes = tuple(at for at, index in enumerate(term) if index not in needed)
    if isinstance(x, Operator):
        return call.build.reduce("sum", x, axes, False) if axes else x
    return x.sum(axes)


def _product(call: Call, tensors: Sequence[Any], names: Sequence[str], result: str) -> Operator:
    """Batch indices first, then (own, summed) of the left and (summed, own) of the right."""
    left, right = names
    sizes = dict(zip(left + right, (*tensors[0].shape, *tensors[1].shape), strict=True))
    batch = [index for index in result if index in left and index in right]
    summed = [index for index in left if index in right and index not in result]
    mine, theirs = ([i for i in one if i not in other] for one, other in ((left, right), (right, left)))
    operands = [
        call.build.reshape(
            call.build.transpose(x, [term.index(index) for index in (*batch, *one, *other)]),
            [*(sizes[index] for index in batch), *(math.prod(sizes[index] for index in part) for part in (one, other))],
        )
        for x, term, one, other in ((tensors[0], left, mine, summed), (tensors[1], right, summed, theirs))
    ]
    order = [*batch, *mine, *theirs]
    made = call.build.reshape(call.build.matmul(*operands), [sizes[index] for index in order])
    return call.build.transpose(made, [order.index(index) for index in result])


AXES: Final[dict[str, Rule]] = {
    **dict.fromkeys(("softmax", "_softmax"), softmax),
    **dict.fromkeys(("log_softmax", "_log_softmax"), log_softmax),
    **dict.fromkeys(("max", "min"), extreme),
    **dict.fromkeys(("linalg_vector_norm", "norm"), norm),
    "amax": _reduce("max"),
    "amin": _reduce("min"),
    "argmax": argmax,
    "argmin": argmin,
    "cdist": cdist,
    "cumsum": cumsum,
    "einsum": einsum,
    "logsumexp": logsumexp,
    "mean": _reduce("mean"),
    "prod": prod,
    "scaled_dot_product_attention": attention,
    "softmin": softmin,
    "std": std,
    "std_mean": std_mean,
    "sum": _reduce("sum"),
    "var": var,
    "var_mean": var_mean,
}
