"""Builds operators one after the other: every method gives the operator that computes its result, shape included.

Capture and simplification share it. An operand is an operator or a constant (a numpy array in the dtype that folding
is exact in: float64 where arithmetic was done). Whatever changes nothing gives its operand back; whatever only moves
constants about gives a constant.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar, cast

import numpy as np
import numpy.typing as npt

from edgebench.graph.operators import (
    Activation,
    AnyArray,
    Arithmetic,
    Array,
    Binary,
    Cast,
    Compare,
    Comparison,
    Concat,
    Conv,
    Dense,
    DType,
    Expand,
    Function,
    Gather,
    GlobalPool,
    MatMul,
    Operator,
    Pad,
    Padding,
    Pair,
    Reduce,
    Reduction,
    Reshape,
    Shape,
    Slice,
    Softmax,
    Subsample,
    Transpose,
    Where,
)

Operand = Operator | AnyArray
Number = int | float
Made = TypeVar("Made", bound=Operator)
Moved = TypeVar("Moved", Operator, AnyArray, Operand)  # moves give an operator of one, a constant of one

_RANKED: Final[tuple[DType, ...]] = ("bool", "int32", "float32")  # the later one wins where two meet
_DTYPES: Final[dict[str, DType]] = {"b": "bool", "i": "int32", "u": "int32", "f": "float32"}
_NEUTRAL: Final[dict[str, Number]] = {"add": 0, "sub": 0, "mul": 1, "div": 1}
_SWAPPED: Final = ("add", "mul", "maximum", "minimum")
_LOGICAL: Final[dict[str, Comparison]] = {  # arithmetic of booleans
    "add": "logical_or",
    "maximum": "logical_or",
    "minimum": "logical_and",
    "mul": "logical_and",
}


def dtype_of(operand: Operand) -> DType:
    """Returns the dtype that an operand has in the Graph."""
    return operand.dtype if isinstance(operand, Operator) else _DTYPES[operand.dtype.kind]


def unflatten(shape: Shape, elements: int) -> Shape:
    """Returns `shape` with its -1, if it has one, worked out for so many elements."""
    known = math.prod(size for size in shape if size != -1)
    return tuple(elements // max(1, known) if size == -1 else int(size) for size in shape)


class Builder:
    """The operators made so far, in order, and the constants that they name.

    `begin` names what is built next: operators are called after the base and their kind until `finish` gives the last
    one the base itself.
    """

    def __init__(self) -> None:
        self.operators: dict[str, Operator] = {}
        self.constants: dict[str, AnyArray] = {}
        self._base = self._module = ""
        self._before = 0
        self._known: dict[int, tuple[Any, str]] = {}
        self._numbers: defaultdict[str, int] = defaultdict(lambda: 2)

    def begin(self, base: str, module: str) -> None:
        """Calls what is built from here on after `base`, and says that `module` made it."""
        self._base, self._module, self._before = base, module, len(self.operators)

    def finish(self, result: Operator) -> Operator:
        """Gives the operator that was built last the name that `begin` was given, if it is `result`."""
        made = len(self.operators) > self._before and next(reversed(self.operators)) == result.name
        if not made or self._base in self.operators:
            return result
        named = replace(self.operators.pop(result.name), name=self._base)
        self.register(named)
        return named

    def register(self, operator: Operator) -> None:
        """Adds an operator as it is."""
        self.operators[operator.name] = operator

    def add(self, kind: type[Made], inputs: Sequence[Operand], shape: Sequence[int], **fields: Any) -> Made:
        """Returns a new operator of `kind`; its dtype is its first input's unless given."""
        fields.setdefault("dtype", dtype_of(inputs[0]))
        names = tuple(self.name_of(operand) for operand in inputs)
        operator = kind(name="", inputs=names, shape=tuple(int(n) for n in shape), module=self._module, **fields)
        operator = replace(operator, name=self.free(f"{self._base}_{operator.kind}"))
        self.register(operator)
        return operator

    def name_of(self, operand: Operand) -> str:
        """The name by which an operator reads `operand`; a constant gets one when it is first read."""
        if isinstance(operand, Operator):
            return operand.name
        if id(operand) not in self._known:
            name = self.free(f"{self._base}_constant")
            self.constants[name] = operand
            self._known[id(operand)] = (operand, name)
        return self._known[id(operand)][1]

    def free(self, name: str) -> str:
        """Returns `name`, numbered where it is taken."""
        taken = name
        while taken in self.operators or taken in self.constants:
            taken = f"{name}_{self._numbers[name]}"
            self._numbers[name] += 1
        return taken

    # ---- operands ----

    def operand(self, value: Operand | Number, rank: int = 0, like: DType | None = None) -> Operand:
        """Returns a number as a constant (of the dtype `like`, if that can hold it), and anything in `rank` axes."""
        if isinstance(value, int | float):
            whole = like in ("int32", "bool") and not isinstance(value, float)
            value = np.array(value, np.bool_ if isinstance(value, bool) else np.int32 if whole else np.float64)
        return self.ranked(value, rank)

    def ranked(self, x: Moved, rank: int) -> Moved:
        """x with axes of size 1 in front, up to `rank`."""
        return self.reshape(x, (1,) * (rank - len(x.shape)) + x.shape)

    def aligned(self, *values: Operand | Number) -> list[Operand]:
        """Returns operands of one rank and dtype."""
        given = [value for value in values if not isinstance(value, int | float)]
        numbers: DType = "float32" if any(isinstance(value, float) for value in values) else "int32"
        dtype = max((dtype_of(value) for value in given), key=_RANKED.index, default=numbers)
        rank = max((len(value.shape) for value in given), default=0)
        made = [self.operand(value, rank, dtype) for value in values]
        widest = max((dtype_of(value) for value in made), key=_RANKED.index)
        return [self.cast(value, widest) for value in made]

    def cast(self, x: Operand, dtype: DType) -> Operand:
        """Changes the dtype."""
        if dtype_of(x) == dtype:
            return x
        if isinstance(x, np.ndarray):
            return x.astype(dtype)
        return self.add(Cast, [x], x.shape, dtype=dtype)

    # ---- element by element ----

    def apply(self, function: Function, x: Operator, slope: float = 0.01) -> Operator:
        """A function of each element."""
        return self.add(Activation, [x], x.shape, function=function, slope=slope)

    def binary(self, function: Arithmetic, left: Operand | Number, right: Operand | Number) -> Operator:
        """Arithmetic with broadcasting; a constant stands right, and is added or multiplied where that is the same.

        A number that changes nothing is dropped, but never an array, whatever its values: a network as initialised
        computes what it computes when trained.
        """
        if isinstance(left, Operator) and isinstance(right, int | float) and right == _NEUTRAL.get(function):
            return left
        x, y = self.aligned(left, right)
        if function == "div" and dtype_of(x) != "float32":
            x, y = self.cast(x, "float32"), self.cast(y, "float32")
        if dtype_of(x) == "bool" and function in _LOGICAL:
            return self.compare(_LOGICAL[function], x, y)
        if isinstance(y, np.ndarray) and function in ("sub", "div"):
            function, y = ("add", -y) if function == "sub" else ("mul", 1 / y.astype(np.float64))
        if isinstance(x, np.ndarray) and function == "sub":
            return self.binary("add", self.binary("mul", y, -1.0), x)
        if isinstance(x, np.ndarray) and function in _SWAPPED:
            x, y = y, x
        return self.add(Binary, [x, y], np.broadcast_shapes(x.shape, y.shape), function=function)

    def compare(self, function: Comparison, left: Operand | Number, right: Operand | Number) -> Operator:
        """A comparison with broadcasting."""
        x, y = self.aligned(left, right)
        return self.add(Compare, [x, y], np.broadcast_shapes(x.shape, y.shape), function=function, dtype="bool")

    def where(self, mask: Operand, left: Operand | Number, right: Operand | Number) -> Operator:
        """`left` where `mask` holds, else `right`; of a constant mask, a product and a sum."""
        if isinstance(mask, np.ndarray):
            return self._chosen(mask, left, right)
        rank = max(len(value.shape) for value in (mask, left, right) if not isinstance(value, int | float))
        x, y = (self.ranked(value, rank) for value in self.aligned(left, right))
        condition = self.operand(mask, rank)
        shape = np.broadcast_shapes(condition.shape, x.shape, y.shape)
        return self.add(Where, [condition, x, y], shape, dtype=dtype_of(x))

    def _chosen(self, mask: AnyArray, left: Operand | Number, right: Operand | Number) -> Operator:
        parts: list[Operator] = []
        values = self.aligned(left, right)
        dtype = np.dtype(dtype_of(values[0])) if dtype_of(values[0]) != "float32" else np.dtype(np.float64)
        filled: AnyArray = np.zeros((1,) * mask.ndim, dtype)
        for value, holds in zip(values, (mask, ~mask), strict=True):
            if isinstance(value, Operator):
                parts.append(self.binary("mul", value, holds.astype(dtype)))
            else:
                filled = filled + np.where(holds, value, dtype.type(0))
        return self.binary("add", parts[0], parts[1] if len(parts) > 1 else filled)

    # ---- over axes ----

    def reduce(self, function: Reduction, x: Operator, axes: Sequence[int] | None, keep: bool) -> Operator:
        """A reduction over `axes` (all, if None or empty)."""
        rank = len(x.shape)
        over = tuple(sorted(axis % rank for axis in (axes or range(rank))))
        kept = [1 if axis in over else size for axis, size in enumerate(x.shape)]
        if function == "mean" and rank == 4 and over == (2, 3):
            made: Operator = self.add(GlobalPool, [x], kept)
        else:
            made = x if list(x.shape) == kept else self.add(Reduce, [x], kept, function=function, axes=over)
        return made if keep else self.reshape(made, [size for axis, size in enumerate(x.shape) if axis not in over])

    def softmax(self, x: Operator, axis: int) -> Operator:
        """Softmax over one axis."""
        return self.add(Softmax, [x], x.shape, axis=axis % len(x.shape))

    def normalise(self, x: Operator, axes: Sequence[int], eps: float, *, centre: bool = True) -> Operator:
        """(x - mean) / sqrt(variance + eps) over `axes`; without `centre` the mean is taken for 0 (RMS norm)."""
        if centre:
            x = self.binary("sub", x, self.reduce("mean", x, axes, True))
        mean = self.reduce("mean", self.apply("square", x), axes, True)
        return self.binary("mul", x, self.apply("rsqrt", self.binary("add", mean, float(eps))))

    # ---- layers ----

    def conv(
        self,
        x: Operator,
        weight: Array,
        bias: Array | None,
        stride: Pair,
        padding: Padding,
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> Operator:
        """A 2-D convolution."""
        padded = (x.shape[2] + padding[0] + padding[1], x.shape[3] + padding[2] + padding[3])
        spans = [step * (size - 1) + 1 for step, size in zip(dilation, weight.shape[2:], strict=True)]
        size = [(n - span) // step + 1 for n, span, step in zip(padded, spans, stride, strict=True)]
        return self.add(
            Conv,
            [x],
            (x.shape[0], weight.shape[0], *size),
            in_channels=x.shape[1],
            kernel=weight.shape[2:],
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            weight=weight,
            bias=bias,
        )

    def dense(self, x: Operator, weight: Array, bias: Array | None = None) -> Operator:
        """A fully connected layer over the last axis."""
        shape = (*x.shape[:-1], weight.shape[0])
        return self.add(Dense, [x], shape, in_features=weight.shape[1], weight=weight, bias=bias)

    def matmul(self, left: Operand, right: Operand) -> Operator:
        """torch.matmul; a constant matrix on either side is a dense layer."""
        if isinstance(right, np.ndarray) and right.ndim == 2:
            return self.dense(cast(Operator, left), np.ascontiguousarray(right.T))
        if isinstance(left, np.ndarray) and left.ndim == 2 and len(right.shape) > 1:
            return self.swap(self.dense(self.swap(cast(Operator, right), -1, -2), left), -1, -2)
        if len(left.shape) == 1:
            product = self.matmul(self.reshape(left, (1, -1)), right)
            return self.reshape(product, (*product.shape[:-2], product.shape[-1]))
        if len(right.shape) == 1:
            product = self.matmul(left, self.reshape(right, (-1, 1)))
            return self.reshape(product, product.shape[:-1])
        rank = max(len(left.shape), len(right.shape))
        x, y = self.operand(left, max(rank, 3)), self.operand(right, max(rank, 3))
        batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        made = self.add(MatMul, [x, y], (*batch, x.shape[-2], y.shape[-1]), in_features=x.shape[-1], dtype="float32")
        return self.reshape(made, made.shape[1:]) if rank == 2 else made

    def resample(self, x: Operator, rows: npt.NDArray[np.float64], columns: npt.NDArray[np.float64]) -> Operator:
        """Any separable linear map of height and width, (out, in) each, as two dense layers."""
        across = self.dense(x, cast(Array, columns))
        return self.swap(self.dense(self.swap(across, 2, 3), cast(Array, rows)), 2, 3)

    # ---- moves ----

    def reshape(self, x: Moved, shape: Sequence[int]) -> Moved:
        """The same elements in `shape`, which may hold one -1."""
        target = unflatten(tuple(shape), math.prod(x.shape))
        if isinstance(x, np.ndarray):
            return x.reshape(target)  # type: ignore[return-value]
        return x if target == x.shape else self.add(Reshape, [x], target)

    def transpose(self, x: Moved, permutation: Sequence[int]) -> Moved:
        """Axis i of the result is axis `permutation[i]` of x."""
        order = tuple(axis % len(x.shape) for axis in permutation)
        if isinstance(x, np.ndarray):
            return x.transpose(order)
        if order == tuple(range(len(order))):
            return x
        return self.add(Transpose, [x], [x.shape[axis] for axis in order], permutation=order)

    def swap(self, x: Moved, one: int, other: int) -> Moved:
        """x with two axes exchanged."""
        order = list(range(len(x.shape)))
        order[one], order[other] = order[other], order[one]
        return self.transpose(x, order)

    def slice(self, x: Operator, axis: int, start: int | None, stop: int | None, step: int = 1) -> Operator:
        """x[start:stop:step] along one axis."""
        axis %= len(x.shape)
        first, last, _ = slice(start, stop, step).indices(x.shape[axis])
        count = max(0, -(-(last - first) // step))
        if (first, count) == (0, x.shape[axis]):
            return x
        return self.add(Slice, [x], (*x.shape[:axis], count, *x.shape[axis + 1 :]), axis=axis, start=first, step=step)

    def subsample(self, x: Operator, stride: Pair) -> Operator:
        """Every n-th row and column."""
        if stride == (1, 1):
            return x
        size = [-(-n // step) for n, step in zip(x.shape[2:], stride, strict=True)]
        return self.add(Subsample, [x], (*x.shape[:2], *size), stride=stride)

    def split(self, x: Operator, axis: int, sizes: Sequence[int]) -> list[Operator]:
        """Consecutive parts along an axis."""
        ends = np.cumsum(sizes).tolist()
        return [self.slice(x, axis, end - size, end) for size, end in zip(sizes, ends, strict=True)]

    def concat(self, parts: Sequence[Operand], axis: int) -> Operator:
        """The parts one after the other; empty ones are left out."""
        filled = [part for part in parts if math.prod(part.shape)]
        if len(filled) == 1 and isinstance(filled[0], Operator):
            return filled[0]
        axis %= len(filled[0].shape)
        shape = list(filled[0].shape)
        shape[axis] = sum(part.shape[axis] for part in filled)
        widest = max((dtype_of(part) for part in filled), key=_RANKED.index)
        return self.add(Concat, [self.cast(part, widest) for part in filled], shape, axis=axis)

    def expand(self, x: Moved, shape: Sequence[int]) -> Moved:
        """x repeated along axes of size 1, up to `shape` (-1 leaves an axis as it is)."""
        x = self.ranked(x, len(shape))
        target = tuple(old if new == -1 else int(new) for new, old in zip(shape, x.shape, strict=True))
        if isinstance(x, np.ndarray):
            return np.broadcast_to(x, target)  # type: ignore[return-value]
        return x if target == x.shape else self.add(Expand, [x], target)

    def gather(self, x: Operator, axis: int, indices: Sequence[int]) -> Operator:
        """Picks along an axis."""
        axis %= len(x.shape)
        picked = tuple(int(index) % x.shape[axis] for index in indices)
        if picked == tuple(range(x.shape[axis])):
            return x
        if picked == tuple(range(picked[0], picked[0] + len(picked))):
            return self.slice(x, axis, picked[0], picked[0] + len(picked))
        shape = (*x.shape[:axis], len(picked), *x.shape[axis + 1 :])
        return self.add(Gather, [x], shape, axis=axis, indices=picked)

    def pad(self, x: Operator, amounts: Sequence[Pair], value: float = 0.0, mode: str = "constant") -> Operator:
        """Pads every axis as torch does; a negative amount cuts off."""
        for axis, (before, after) in enumerate(amounts):
            size = x.shape[axis]
            if before < 0 or after < 0:
                x = self.slice(x, axis, max(-before, 0), size - max(-after, 0))
            elif (before or after) and mode == "replicate":
                edges = self.slice(x, axis, 0, 1), self.slice(x, axis, size - 1, size)
                x = self.concat([*[edges[0]] * before, x, *[edges[1]] * after], axis)
            elif (before or after) and mode == "circular":
                x = self.concat([self.slice(x, axis, size - before, size), x, self.slice(x, axis, 0, after)], axis)
        added = tuple((max(before, 0), max(after, 0)) for before, after in amounts)
        if mode in ("replicate", "circular") or not any(map(any, added)):
            return x
        shape = [size + before + after for size, (before, after) in zip(x.shape, added, strict=True)]
        return self.add(Pad, [x], shape, amounts=added, value=float(value), mode=mode)
