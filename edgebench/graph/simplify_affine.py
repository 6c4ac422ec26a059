"""Rewrites of scales and shifts: into the layer before or behind them, through moves that stand between, into one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, TypeGuard, cast

import numpy as np

from edgebench.graph.operators import (
    FUSIBLE,
    Activation,
    AnyArray,
    Arithmetic,
    Array,
    Binary,
    Concat,
    Conv,
    Dense,
    DepthToSpace,
    GlobalPool,
    MatMul,
    Operator,
    Pool,
    Reshape,
    Resize,
    Shape,
    SpaceToDepth,
    Transpose,
    TransposedConv,
)
from edgebench.graph.rewriter import Rewriter, wide

Layer = Conv | TransposedConv | Dense
Axes = list[int]

_IMAGE: Final = (Conv, TransposedConv, Pool, Resize, DepthToSpace, SpaceToDepth)
_CLAMPING: Final = ("add", "sub", "mul", "div")  # arithmetic whose kernels take an activation


def affine_behind(rewriter: Rewriter, operator: Binary) -> Operator | None:
    """A layer's output, perhaps moved, times or plus a constant of one value a channel: into the layer's weights."""
    x, constant = rewriter.source(operator), _factor(rewriter, operator)
    layer = x
    while isinstance(layer, Transpose | Reshape) and constant is not None and rewriter.is_single(layer):
        move, layer = layer, rewriter.source(layer)
        constant = _before_move(constant, move, layer.shape) if layer is not None else None
    if x is None or constant is None or not isinstance(layer, Layer) or not rewriter.is_single(layer):
        return None
    axis = len(layer.shape) - 1 if isinstance(layer, Dense) else 1
    if layer.weight is None or not varies_along(constant, axis):
        return None
    values = np.broadcast_to(constant.reshape(-1), layer.shape[axis : axis + 1]).astype(np.float64)
    bias = bias_of(layer)
    if operator.function == "add":
        rewriter.update(layer, bias=bias + values)
    else:
        rewriter.update(layer, weight=_scaled_rows(layer, values), bias=bias * values)
    return rewriter.operators[x.name]


def affine_behind_concat(rewriter: Rewriter, operator: Binary) -> Operator | None:
    """Layers side by side, times or plus a constant of one value a channel: each layer's own part of it."""
    x, constant = rewriter.source(operator), _factor(rewriter, operator)
    if not isinstance(x, Concat) or constant is None or not rewriter.is_single(x):
        return None
    layers = [part for part in rewriter.operands(x) if _is_own_layer(rewriter, part, x.axis)]
    if not varies_along(constant, x.axis) or len(layers) < len(x.inputs) or len(set(x.inputs)) < len(x.inputs):
        return None
    along = [1] * len(x.shape)
    along[x.axis] = x.shape[x.axis]
    ends = np.cumsum([layer.shape[x.axis] for layer in layers])[:-1]
    values = np.split(np.broadcast_to(constant, along), ends, x.axis)
    parts = [rewriter.binary(operator.function, part, piece) for part, piece in zip(layers, values, strict=True)]
    return rewriter.concat(parts, x.axis)


def _is_own_layer(rewriter: Rewriter, part: Operator | AnyArray, axis: int) -> TypeGuard[Layer]:
    """Whether `affine_behind` folds into what is joined along `axis`."""
    if not isinstance(part, Layer) or part.weight is None or part.activation is not None:
        return False
    return rewriter.is_single(part) and axis == (len(part.shape) - 1 if isinstance(part, Dense) else 1)


def affine_before(rewriter: Rewriter, operator: Binary) -> Operator | None:
    """A tensor times or plus a constant of one value a channel, read by layers alone: into the weights of all of them.

    Moves, joins, pools and resizes may stand between; a shift goes only where no zeros are padded.
    """
    constant, source = _factor(rewriter, operator), rewriter.source(operator)
    reached = None if constant is None else _reached(rewriter, operator, operator.function, constant)
    if not reached or source is None:
        return None
    _prepare(rewriter, operator.function, reached)
    return source


def _prepare(rewriter: Rewriter, function: Arithmetic, reached: list[tuple[str, AnyArray]]) -> None:
    for name, constant in reached:
        layer = cast(Conv | Dense, rewriter.operators[name])
        rewriter.update(layer, **_prepared(layer, function, constant, rewriter.shape_of(layer.inputs[0])))


def _reached(
    rewriter: Rewriter, x: Operator, function: Arithmetic, constant: AnyArray
) -> list[tuple[str, AnyArray]] | None:
    """The layers that read x, directly or not, with the constant as it arrives there; None where others do, too."""
    found: list[tuple[str, AnyArray]] = []
    if rewriter.is_output(x):
        return None
    for reader in rewriter.readers_of(x):
        for at in (number for number, name in enumerate(reader.inputs) if name == x.name):
            if _takes(reader, function, constant):
                found.append((reader.name, constant))
                continue
            passed = _passed(rewriter, reader, at, function, constant)
            further = None if passed is None else _reached(rewriter, reader, function, passed)
            if further is None:
                return None
            found += further
    return found


def _passed(rewriter: Rewriter, reader: Operator, at: int, function: Arithmetic, constant: AnyArray) -> AnyArray | None:
    """The constant behind an operator that lets a product or sum pass; None for any other."""
    if isinstance(reader, Transpose | Reshape):
        return _behind_move(constant, reader, rewriter.shape_of(reader.inputs[0]))
    if isinstance(reader, Concat) and varies_along(constant, reader.axis):
        return _joined(constant, [rewriter.shape_of(name) for name in reader.inputs], at, reader.axis, function)
    passes = isinstance(reader, GlobalPool | Resize) or (isinstance(reader, Pool) and _keeps(reader, function))
    return constant.reshape(constant.shape[: len(reader.shape)]) if passes and varies_along(constant, 1) else None


def _joined(constant: AnyArray, shapes: list[Shape], at: int, axis: int, function: Arithmetic) -> AnyArray:
    """The constant of one part of a join, with what changes nothing in place of the other parts'."""
    sizes = [shape[axis] for shape in shapes]
    start = sum(sizes[:at])
    whole = np.full(sum(sizes), 1.0 if function == "mul" else 0.0)
    whole[start : start + sizes[at]] = constant.reshape(-1)
    return whole.reshape([-1 if number == axis else 1 for number in range(len(shapes[at]))])


def _keeps(pool: Pool, function: Arithmetic) -> bool:
    """Whether the pool of x times or plus a constant is that of x, times or plus it."""
    if function == "mul" or pool.mode == "max":
        return (function == "mul") == (pool.mode == "average")
    return pool.divisor is None and not (pool.counts_padding and any(pool.padding))


def scale_through_product(rewriter: Rewriter, operator: Binary) -> Operator | None:
    """A tensor times a gate that is times a constant: into the weights of the layers that read the product."""
    gates = [gate for at in (0, 1) if isinstance(gate := rewriter.source(operator, at), Binary)]
    for gate in gates if operator.function == "mul" and operator.activation is None else ():
        constant, source = _factor(rewriter, gate), rewriter.source(gate)
        if constant is None or source is None or gate.function != "mul" or not rewriter.is_single(gate):
            continue
        reached = _reached(rewriter, operator, "mul", constant) if varies_along(constant, 1) else None
        if reached:
            _prepare(rewriter, "mul", reached)
            return rewriter.update(
                operator, inputs=tuple(source.name if name == gate.name else name for name in operator.inputs)
            )
    return None


def scale_before_relu(rewriter: Rewriter, operator: Binary) -> Operator | None:
    """ReLU of a layer, times constants of which none is negative: into the layer's weights."""
    x, constant = rewriter.source(operator), _factor(rewriter, operator)
    if not isinstance(x, Activation) or x.function != "relu" or constant is None or operator.function != "mul":
        return None
    if not rewriter.is_single(x) or (constant < 0).any():
        return None
    made = affine_behind(rewriter, replace(operator, inputs=(x.inputs[0], operator.inputs[1])))
    return None if made is None else x


def affine_twice(rewriter: Rewriter, operator: Binary) -> Operator | None:
    """Two products or two sums with constants, one after the other, are one."""
    x, constant = rewriter.source(operator), _factor(rewriter, operator)
    if constant is None or not isinstance(x, Binary) or x.function != operator.function or not rewriter.is_single(x):
        return None
    before, source = _factor(rewriter, x), rewriter.source(x)
    if before is None or source is None:
        return None
    one, other = before.astype(np.float64), constant.astype(np.float64)
    return rewriter.binary(operator.function, source, one * other if operator.function == "mul" else one + other)


def scale_through_matmul(rewriter: Rewriter, operator: Binary) -> Operator | None:
    """A matrix product times one number: the smaller left matrix times the number, which its layer may take."""
    x, constant = rewriter.source(operator), _factor(rewriter, operator)
    if constant is None or operator.function != "mul" or constant.size != 1 or not isinstance(x, MatMul):
        return None
    left, right = rewriter.operands(x)
    if not rewriter.is_single(x) or not isinstance(left, Operator) or left.elements > x.elements:
        return None
    return rewriter.matmul(rewriter.binary("mul", left, constant.reshape((1,) * len(left.shape))), right)


def lone_affine(rewriter: Rewriter, operator: Binary) -> Operator | None:
    """x * c + d a channel, beside convolutions: a 1x1 depthwise convolution, one pass that takes an activation, too."""
    product, shift = rewriter.source(operator), _factor(rewriter, operator)
    if operator.function != "add" or shift is None or not isinstance(product, Binary) or product.function != "mul":
        return None
    scale, x = _factor(rewriter, product), rewriter.source(product)
    if scale is None or x is None or len(x.shape) != 4 or x.shape[1] == 1 or not rewriter.is_single(product):
        return None
    near = isinstance(x, _IMAGE) or any(_feeds_image(rewriter, reader) for reader in rewriter.readers_of(operator))
    if not near or not varies_along(scale, 1) or not varies_along(shift, 1):
        return None
    channels = x.shape[1]
    weight, bias = (np.broadcast_to(array.reshape(-1), (channels,)) for array in (scale, shift))
    return rewriter.conv(x, weight.reshape(channels, 1, 1, 1), bias, (1, 1), (0, 0, 0, 0), groups=channels)


def fuse_activation(rewriter: Rewriter, operator: Activation) -> Operator | None:
    """An activation that kernels clamp to for nothing goes into the layer or arithmetic before it."""
    x = rewriter.source(operator)
    if operator.function not in FUSIBLE or x is None or not rewriter.is_single(x) or x.dtype != "float32":
        return None
    takes = isinstance(x, Layer) or (isinstance(x, Binary) and x.function in _CLAMPING)
    if not takes or getattr(x, "activation", None) is not None:
        return None
    return rewriter.update(x, activation=operator.function)


# ---- pieces ----


def varies_along(constant: AnyArray, axis: int) -> bool:
    """Whether the constant's shape says that it varies along `axis` only."""
    return all(size == 1 or at == axis for at, size in enumerate(constant.shape))


def bias_of(layer: Layer) -> Array:
    """The layer's bias in float64, zeros where it has none."""
    channels = layer.shape[-1] if isinstance(layer, Dense) else layer.shape[1]
    return wide(np.zeros(channels, np.float32) if layer.bias is None else layer.bias)


def _factor(rewriter: Rewriter, operator: Binary) -> AnyArray | None:
    """The constant that a product or sum of an operand's own shape has."""
    x, constant = rewriter.source(operator), rewriter.constant(operator)
    plain = operator.function in ("add", "mul") and operator.dtype == "float32" and operator.activation is None
    return constant if plain and x is not None and x.shape == operator.shape and x.dtype == "float32" else None


def _scaled_rows(layer: Layer, values: Any) -> Array:
    """The layer's weights, one factor an output channel."""
    weight = wide(layer.weight)  # type: ignore[arg-type]
    if isinstance(layer, TransposedConv):
        grouped = values.reshape(layer.groups, -1).repeat(layer.in_channels // layer.groups, 0)
        return weight * grouped[:, :, None, None]  # type: ignore[no-any-return]
    return weight * values.reshape(-1, *[1] * (weight.ndim - 1))  # type: ignore[no-any-return]


def _takes(reader: Operator, function: Arithmetic, constant: AnyArray) -> bool:
    if isinstance(reader, Dense):
        return reader.weight is not None and varies_along(constant, constant.ndim - 1)
    if not isinstance(reader, Conv) or reader.weight is None or not varies_along(constant, 1):
        return False
    return function == "mul" or not any(reader.padding)


def _prepared(reader: Conv | Dense, function: Arithmetic, constant: AnyArray, shape: Shape) -> dict[str, Array]:
    """The weight and bias that make of x what the layer makes of x times or plus the constant."""
    weight = wide(reader.weight)  # type: ignore[arg-type]
    channels = shape[-1] if isinstance(reader, Dense) else shape[1]
    columns = np.broadcast_to(constant.reshape(-1), (channels,)).astype(np.float64)
    if isinstance(reader, Conv):
        grouped = columns.reshape(reader.groups, -1).repeat(weight.shape[0] // reader.groups, 0)
        columns = grouped[:, :, None, None]
    if function == "mul":
        return {"weight": cast(Array, weight * columns)}
    return {"bias": bias_of(reader) + (weight * columns).reshape(len(weight), -1).sum(1)}


def _before_move(constant: AnyArray, move: Transpose | Reshape, before: Shape) -> AnyArray | None:
    """The constant in line with the axes that a tensor had before a move; None where it varies across several."""
    if isinstance(move, Transpose):
        return constant.transpose(np.argsort(move.permutation))
    return _through_reshape(constant, before, move.shape)


def _behind_move(constant: AnyArray, move: Transpose | Reshape, before: Shape) -> AnyArray | None:
    """The constant in line with the axes that a tensor has behind a move; None where it varies across several."""
    if isinstance(move, Transpose):
        return constant.transpose(move.permutation)
    return _through_reshape(constant, move.shape, before)


def _through_reshape(constant: AnyArray, before: Shape, after: Shape) -> AnyArray | None:
    """The constant in line with the axes that a reshape had before; None where it varies across several of them."""
    if constant.size == 1:
        return constant.reshape((1,) * len(before))
    varying = {axis for axis, size in enumerate(constant.shape) if size != 1}
    for old, new in axis_blocks(before, after):
        if len(old) == 1 and varying <= set(new):
            sizes = [after[axis] for axis in new]
            along = np.broadcast_to(constant.reshape([constant.shape[axis] for axis in new]), sizes)
            return along.reshape([-1 if axis == old[0] else 1 for axis in range(len(before))])
    return None


def axis_blocks(before: Shape, after: Shape) -> list[tuple[Axes, Axes]]:
    """Returns the smallest groups of axes that a reshape maps onto each other, axes of size 1 left out."""
    old, new = ([axis for axis, size in enumerate(shape) if size != 1] for shape in (before, after))
    blocks: list[tuple[Axes, Axes]] = []
    while old and new:
        left, right = [old.pop(0)], [new.pop(0)]
        one, other = before[left[0]], after[right[0]]
        while one != other:
            if one < other:
                left.append(old.pop(0))
                one *= before[left[-1]]
            else:
                right.append(new.pop(0))
                other *= after[right[-1]]
        blocks.append((left, right))
    return blocks


def _feeds_image(rewriter: Rewriter, reader: Operator) -> bool:
    if isinstance(reader, Activation):
        return any(isinstance(behind, _IMAGE) for behind in rewriter.readers_of(reader))
    return isinstance(reader, _IMAGE)
