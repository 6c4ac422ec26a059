"""Rules of the aten calls that pick by what is computed: the largest, sorting, gathering, sampling by a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import numpy as np

from edgebench.graph.builder import Operand, dtype_of
from edgebench.graph.capture_call import Call, Result, Rule, as_operand
from edgebench.graph.capture_places import indexed, taken
from edgebench.graph.operators import Arithmetic, Operator, Pair, Pick, TopK

_FOLDED: Final = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "minimum": np.minimum, "maximum": np.maximum}
_STEPS: Final = {"floor": np.floor, "round": np.rint}


# ---- the largest ----


def topk(call: Call) -> Result:
    """aten.topk."""
    return _top(call, call["dim"], call["k"], largest=call["largest"])


def sort(call: Call) -> Result:
    """aten.sort: all of an axis."""
    return _top(call, call["dim"], None, largest=bool(call["descending"]))


def argsort(call: Call) -> Result:
    """aten.argsort."""
    return sort(call)[1]  # type: ignore[index]


def kthvalue(call: Call) -> Result:
    """aten.kthvalue: the k-th smallest, and where it is."""
    return _ordinal(call, call["k"])


def median(call: Call) -> Result:
    """aten.median: the lower of two in the middle; without an axis of everything, then the value alone."""
    if "dim" in call.arguments:
        return _ordinal(call, (call.x.shape[call["dim"]] + 1) // 2)
    flat = call.build.reshape(call.x, (1, -1))
    count = (flat.shape[1] + 1) // 2
    values, _ = _top(call, 1, count, largest=False, of=flat)
    return call.build.reshape(call.build.slice(values, 1, count - 1, count), ())


def _ordinal(call: Call, place: int) -> list[Operator]:
    both = _top(call, call["dim"], place, largest=False)
    axis = call["dim"] % len(call.x.shape)
    return [call.build.reshape(call.build.slice(one, axis, place - 1, place), call.shape) for one in both]


def _top(call: Call, axis: int, count: int | None, *, largest: bool, of: Operator | None = None) -> list[Operator]:
    """Values and indices; the smallest are the largest of what is negated."""
    x = cast(Operator, call.build.cast(of or call.x, "float32"))
    axis %= len(x.shape)
    source = x if largest else call.build.apply("neg", x)
    shape = (*x.shape[:axis], x.shape[axis] if count is None else count, *x.shape[axis + 1 :])
    values: Operator = call.build.add(TopK, [source], shape, axis=axis)
    places = call.build.add(TopK, [source], shape, axis=axis, indices=True, dtype="int32")
    values = values if largest else call.build.apply("neg", values)
    return [cast(Operator, call.build.cast(values, call.x.dtype)), places]


# ---- at places that the input says ----


def gather(call: Call) -> Result:
    """aten.gather: of all axes as one, where an index has its own place on every axis but one."""
    x, index = call.operand("self"), call.operand("index")
    axis, places = call["dim"] % len(x.shape), np.indices(index.shape, dtype=np.int32)
    strides = [math.prod(x.shape[at + 1 :]) for at in range(len(x.shape))]
    own = sum((places[at] * step for at, step in enumerate(strides) if at != axis), np.zeros(index.shape, np.int32))
    flat = _arithmetic(call, "add", _arithmetic(call, "mul", index, strides[axis]), own.astype(np.int32))
    return picked(call, call.build.reshape(x, (-1,)), 0, flat)


def index_select(call: Call) -> Result:
    """aten.index_select."""
    return picked(call, call.operand("self"), call["dim"] % len(call.shape), call.operand("index"))


def embedding(call: Call) -> Result:
    """aten.embedding."""
    return picked(call, call.operand("weight"), 0, call.operand("indices"))


def index(call: Call) -> Result:
    """aten.index of axes side by side, as one index of those axes merged; a mask of several is as many indices."""
    x = call.operand("self")
    given = [(axis, value) for axis, value in enumerate(call["indices"]) if value is not None]
    first, last = given[0][0], given[-1][0]
    indices = [part for _, value in given for part in _indices(as_operand(value))]
    if len(given) > 1 and len(indices) != last - first + 1:
        return taken(call, indexed(call, x))
    sizes = x.shape[first : first + len(indices)]
    flat: Operand = np.zeros((), np.int32)
    for part, size in zip(indices, sizes, strict=True):
        flat = _arithmetic(call, "add", _arithmetic(call, "mul", flat, size), _from_front(call, part, size))
    merged = call.build.reshape(x, (*x.shape[:first], math.prod(sizes), *x.shape[first + len(indices) :]))
    return call.build.reshape(picked(call, merged, first, flat), call.shape)


def _indices(value: Operand) -> Sequence[Operand]:
    return np.nonzero(value) if isinstance(value, np.ndarray) and value.dtype == bool else [value]


def _from_front(call: Call, index: Operand, size: int) -> Operand:
    """An index that may count from the end."""
    if isinstance(index, np.ndarray):
        return index % size
    return call.build.where(call.build.compare("less", index, 0), call.build.binary("add", index, size), index)


def picked(call: Call, x: Operand, axis: int, index: Operand) -> Operator:
    """x at whole numbers of any shape along `axis`, whose place that shape takes."""
    shape = (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])
    if isinstance(index, np.ndarray):
        made = call.build.gather(cast(Operator, x), axis, index.reshape(-1).astype(int).tolist())
        return call.build.reshape(made, shape)
    flat = call.build.reshape(index, (-1,))
    sizes = (*x.shape[:axis], flat.shape[0], *x.shape[axis + 1 :])
    return call.build.reshape(call.build.add(Pick, [x, flat], sizes, axis=axis, dtype=dtype_of(x)), shape)


def grid_sample(call: Call) -> Result:
    """aten.grid_sampler_2d, of all images as one.

    What lies outside is zero by a frame of zeros, to which coordinates beyond are drawn.
    """
    return _SAMPLES[call["interpolation_mode"]](call, call.operand("input"), call.operand("grid"))


def _bilinear(call: Call, x: Operand, grid: Operand) -> Operator:
    """Four pixels and their shares."""
    flat, sizes = _framed(call, x)
    points = [_drawn(call, _pixel(call, grid, x, at), x.shape[2 + at]) for at in range(2)]
    first = [
        _arithmetic(call, "minimum", _stepped(call, "floor", point), max(size - 2, 0))
        for point, size in zip(points, sizes, strict=True)
    ]
    shares = [_arithmetic(call, "sub", point, low) for point, low in zip(points, first, strict=True)]
    corner, terms = _place(call, first[0], first[1], sizes), []
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        behind = row * sizes[1] * (sizes[0] > 1) + column * (sizes[1] > 1)
        pixel = picked(call, flat, 2, _arithmetic(call, "add", corner, behind) if behind else corner)
        share = _arithmetic(call, "mul", _share(call, shares[0], row), _share(call, shares[1], column))
        terms.append(_weighed(call, pixel, share))
    return _sampled(call, terms, x, grid)


def _nearest(call: Call, x: Operand, grid: Operand) -> Operator:
    """One pixel."""
    flat, sizes = _framed(call, x)
    points = [_drawn(call, _pixel(call, grid, x, at), x.shape[2 + at]) for at in range(2)]
    rows, columns = (_stepped(call, "round", point) for point in points)
    return _sampled(call, [picked(call, flat, 2, _place(call, rows, columns, sizes))], x, grid)


def _bicubic(call: Call, x: Operand, grid: Operand) -> Operator:
    """Sixteen pixels, each drawn to where there are some, weighed by Keys' cubic (1981, a = -3/4) of its distance."""
    flat, sizes = _framed(call, x)
    points = [_pixel(call, grid, x, at) for at in range(2)]
    first = [_stepped(call, "floor", point) for point in points]
    shares = [_arithmetic(call, "sub", point, low) for point, low in zip(points, first, strict=True)]
    places = [
        [_drawn(call, _arithmetic(call, "add", first[at], float(tap)), x.shape[2 + at]) for tap in range(-1, 3)]
        for at in range(2)
    ]
    weights = [[_polynomial(call, share, row) for row in _CUBIC] for share in shares]
    rows = []
    for row, weight in zip(places[0], weights[0], strict=True):
        pixels = [picked(call, flat, 2, _place(call, row, column, sizes)) for column in places[1]]
        across = [_weighed(call, pixel, share) for pixel, share in zip(pixels, weights[1], strict=True)]
        rows.append(_weighed(call, _total(call, across), weight))
    return _sampled(call, rows, x, grid)


def _polynomial(call: Call, x: Operand, coefficients: Sequence[float]) -> Operand:
    """The coefficients are those of the highest power first."""
    made: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        made = _arithmetic(call, "add", _arithmetic(call, "mul", x, made), coefficient)
    return cast(Operand, made)


def _framed(call: Call, x: Operand) -> tuple[Operand, Pair]:
    """All images' pixels on one axis, each in a frame of zeros where these are padded; its height and width then."""
    if call["padding_mode"] == 0:
        frame: list[Pair] = [(0, 0), (0, 0), (1, 1), (1, 1)]
        x = call.build.pad(x, frame) if isinstance(x, Operator) else np.pad(x, frame)
    return call.build.reshape(call.build.swap(x, 0, 1), (1, x.shape[1], -1)), cast(Pair, x.shape[2:])


def _weighed(call: Call, pixel: Operator, share: Operand) -> Operator:
    return call.build.binary("mul", pixel, call.build.reshape(share, (1, 1, -1)))


def _total(call: Call, terms: Sequence[Operator]) -> Operator:
    total, *others = terms
    for term in others:
        total = call.build.binary("add", total, term)
    return total


def _sampled(call: Call, terms: Sequence[Operator], x: Operand, grid: Operand) -> Operator:
    total = call.build.reshape(_total(call, terms), (x.shape[1], x.shape[0], *grid.shape[1:3]))
    return call.build.swap(total, 0, 1)


def _pixel(call: Call, grid: Operand, x: Operand, at: int) -> Operand:
    """One of the coordinates of all points, from -1 to 1 in the grid, in pixels."""
    last, size = 1 - at, x.shape[2 + at]
    one = call.build.slice(grid, 3, last, last + 1) if isinstance(grid, Operator) else grid[..., last].astype(float)
    half = (size - 1) / 2 if call["align_corners"] else size / 2
    point = _arithmetic(call, "mul", call.build.reshape(one, (-1,)), half)
    return _arithmetic(call, "add", point, (size - 1) / 2)


def _drawn(call: Call, point: Operand, size: int) -> Operand:
    """Drawn to where there are pixels; to places of an image in its frame, where zeros are padded."""
    padding, corners = call["padding_mode"], bool(call["align_corners"])
    if padding == 2:
        point = _reflected(call, point, 0.0 if corners else -0.5, float(size - 1 if corners else size))
    shifted = _arithmetic(call, "add", point, 1.0) if padding == 0 else point
    last = float(size + 1 if padding == 0 else size - 1)
    return _arithmetic(call, "minimum", _arithmetic(call, "maximum", shifted, 0.0), last)


def _reflected(call: Call, point: Operand, low: float, span: float) -> Operand:
    """Mirrored at both ends as often as it takes: a wave of straight lines."""
    if not span:
        return _arithmetic(call, "mul", point, 0.0)
    away = _arithmetic(call, "sub", point, low)
    turns = _stepped(call, "floor", _arithmetic(call, "mul", away, 1 / (2 * span)))
    rest = _arithmetic(call, "sub", away, _arithmetic(call, "mul", turns, 2 * span))
    back = _arithmetic(call, "add", _arithmetic(call, "mul", rest, -1.0), 2 * span)
    return _arithmetic(call, "add", _arithmetic(call, "minimum", rest, back), low)


def _share(call: Call, share: Operand, second: int) -> Operand:
    """What the second of two neighbours has, or what it leaves."""
    return share if second else _arithmetic(call, "add", _arithmetic(call, "mul", share, -1.0), 1.0)


def _place(call: Call, row: Operand, column: Operand, sizes: Pair) -> Operand:
    """Where a pixel lies on the axis of all images' pixels: whole numbers, which float16 would not hold."""
    images, (height, width) = call.shape[0], sizes
    rows, columns = (call.build.cast(each, "int32") for each in (row, column))
    within = _arithmetic(call, "add", _arithmetic(call, "mul", rows, width), columns)
    before = np.repeat(np.arange(images, dtype=np.int32) * height * width, row.shape[0] // images)
    return _arithmetic(call, "add", within, before) if images > 1 else within


def _arithmetic(call: Call, function: Arithmetic, x: Operand, y: Operand | float) -> Operand:
    """Arithmetic of what may be constant."""
    if isinstance(x, Operator) or isinstance(y, Operator):
        return call.build.binary(function, x, y)
    return np.asarray(_FOLDED[function](x, y))


def _stepped(call: Call, function: Literal["floor", "round"], x: Operand) -> Operand:
    return call.build.apply(function, x) if isinstance(x, Operator) else _STEPS[function](x)


_SAMPLES: Final = (_bilinear, _nearest, _bicubic)  # by torch's numbers
_CUBIC: Final = (  # of the share behind a pixel, for it and its neighbours: before, itself, and two behind
    (-0.75, 1.5, -0.75, 0.0),
    (1.25, -2.25, 0.0, 1.0),
    (-1.25, 1.5, 0.75, 0.0),
    (0.75, -0.75, 0.0, 0.0),
)

PICKS: Final[dict[str, Rule]] = {
    "argsort": argsort,
    "embedding": embedding,
    "gather": gather,
    "grid_sampler_2d": grid_sample,
    "index": index,
    "index_select": index_select,
    "kthvalue": kthvalue,
    "median": median,
    "sort": sort,
    "topk": topk,
}
