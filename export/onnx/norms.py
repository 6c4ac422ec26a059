"""Normalisations, which the Graph has as means and products, found again: ONNX has an operator for each.

What is looked for is what the Graph's builder makes of them: (x - mean(x)) * rsqrt(mean(square(x - mean(x))) + eps),
perhaps followed by a scale and a shift. It is written as LayerNormalization where the last axis is normalised, as
InstanceNormalization where all behind the first or the second are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from edgebench.formats.onnx.emit import Emission
from edgebench.graph.operators import Activation, Array, Binary, GlobalPool, Graph, Operator, Reduce, Shape

IMAGE: Final = (2, 3)


@dataclass(frozen=True)
class Norm:
    """A normalisation of `source`, whose `shape` is the output's, over its `axes`, and the operators that it is of."""

    source: str
    shape: Shape
    axes: tuple[int, ...]
    eps: float
    parts: frozenset[str]
    scale: Array | None = None
    shift: Array | None = None

    @property
    def layer(self) -> bool:
        """Whether it is over the last axis."""
        return self.axes == (len(self.shape) - 1,)

    @property
    def varying(self) -> Shape:
        """The shape of a scale that can be a part of it."""
        last = self.shape[-1:] if self.layer else self.shape[1:2] if self.axes[0] == 2 else (1,)
        return last if self.layer else (*last, *[1] * (len(self.shape) - 2))


def norms(graph: Graph) -> dict[str, Norm]:
    """The normalisations of a graph by the name of the operator that ends each."""
    readers: dict[str, list[Operator]] = {}
    for operator in graph.operators:
        for name in operator.inputs:
            readers.setdefault(name, []).append(operator)
    found: dict[str, Norm] = {}
    for operator in graph.operators:
        norm = _centred(graph, operator)
        if norm is not None and _is_own(graph, norm, operator.name, readers):
            end, norm = _with_affine(graph, operator, norm, readers)
            found[end] = norm
    return found


def _centred(graph: Graph, operator: Operator) -> Norm | None:
    """The normalisation that a product ends."""
    if not isinstance(operator, Binary) or operator.function != "mul" or operator.activation:
        return None
    centred, root = (graph.get(name) for name in operator.inputs)
    total = _argument(graph, root, "rsqrt")
    if not isinstance(centred, Binary) or centred.function != "sub" or not isinstance(total, Binary):
        return None
    constant = graph.constants.get(total.inputs[1]) if total.function == "add" else None
    variance, mean = graph.get(total.inputs[0]), graph.get(centred.inputs[1])
    axes = _averaged(variance)
    if constant is None or constant.size != 1 or axes is None or variance is None or mean is None:
        return None
    square = graph.get(variance.inputs[0])
    if _argument(graph, square, "square") is not centred or _averaged(mean) != axes or root is None or square is None:
        return None
    source = centred.inputs[0]
    rank = len(operator.shape)
    behind = axes == tuple(range(axes[0], rank)) and (axes[0] in (1, 2) or axes == (rank - 1,))
    if mean.inputs != (source,) or not behind:
        return None
    parts = frozenset(one.name for one in (mean, centred, square, variance, total, root))
    return Norm(source, operator.shape, axes, float(constant.reshape(())), parts)


def _argument(graph: Graph, operator: Operator | None, function: str) -> Operator | None:
    plain = isinstance(operator, Activation) and operator.function == function
    return graph.get(operator.inputs[0]) if plain and operator is not None else None


def _averaged(operator: Operator | None) -> tuple[int, ...] | None:
    if isinstance(operator, GlobalPool) and len(operator.shape) == 4:
        return IMAGE
    return operator.axes if isinstance(operator, Reduce) and operator.function == "mean" else None


def _is_own(graph: Graph, norm: Norm, end: str, readers: Mapping[str, list[Operator]]) -> bool:
    """Whether nothing else reads what is inside."""
    inner = norm.parts | {end}
    return not norm.parts & set(graph.outputs) and all(
        reader.name in inner for name in norm.parts for reader in readers[name]
    )


def _with_affine(
    graph: Graph, operator: Operator, norm: Norm, readers: Mapping[str, list[Operator]]
) -> tuple[str, Norm]:
    """The end and the normalisation with the constant scale, then the shift, that follow, as far as they fit."""
    for function, name in (("mul", "scale"), ("add", "shift")):
        following = readers.get(operator.name, [])
        if len(following) != 1 or operator.name in graph.outputs:
            break
        (one,) = following
        if not isinstance(one, Binary) or one.function != function or one.inputs[0] != operator.name:
            continue
        constant = graph.constants.get(one.inputs[1])
        values = None if constant is None else _along(constant, norm, one.shape)
        if values is None:
            break
        fields: dict[str, Any] = {name: values}
        norm = replace(norm, parts=norm.parts | {operator.name}, **fields)
        operator = one
        if one.activation:
            break
    return operator.name, norm


def _along(constant: Array, norm: Norm, shape: Shape) -> Array | None:
    """A constant as one value a place of the axis that a scale may vary along; None where it varies elsewhere."""
    rank = len(norm.varying)
    fits = shape == norm.shape and all(size == 1 for size in constant.shape[:-rank])
    own = constant.shape[-rank:]
    if not fits or any(size not in (1, wide) for size, wide in zip(own, norm.varying, strict=True)):
        return None
    return np.broadcast_to(constant.reshape(own), norm.varying).reshape(-1)


def emit(emission: Emission, norm: Norm) -> str:
    """LayerNormalization or InstanceNormalization, the latter of a tensor of one channel where all is normalised."""
    count = int(np.prod(norm.varying))
    scale = np.ones(count, np.float32) if norm.scale is None else norm.scale
    shift = np.zeros(count, np.float32) if norm.shift is None else norm.shift
    x, name = emission.get(norm.source), emission.operator.name
    weights = [emission.constant(f"{name}.scale", scale), emission.constant(f"{name}.shift", shift)]
    if norm.layer:
        return emission.add("LayerNormalization", [x, *weights], axis=-1, epsilon=norm.eps)
    if norm.axes[0] == 2:
        return emission.add("InstanceNormalization", [x, *weights], epsilon=norm.eps)
    shape = emission.shapes[name]
    flat = (shape[0], 1, int(np.prod(norm.shape[1:])))
    x = emission.reshaped(x, flat)
    x = emission.add("InstanceNormalization", [x, *weights], flat, epsilon=norm.eps)
    return emission.reshaped(x, shape)
