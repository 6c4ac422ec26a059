"""Finds normalisations, which the Graph keeps as plain arithmetic: a format may have an operator for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from edgebench.graph.operators import Activation, AnyArray, Binary, GlobalPool, Graph, Operator, Reduce, Shape


@dataclass(frozen=True)
class Norm:
    """weight * (x - mean) / sqrt(variance + epsilon) + bias, mean and (biased) variance over `axes`.

    `weight` and `bias`, where there are any, have the shape of these axes or, where these are all behind the channels
    (axis 1), one value a channel: the norm is then an instance norm.
    """

    source: str
    axes: tuple[int, ...]
    epsilon: float
    weight: AnyArray | None = None
    bias: AnyArray | None = None

    @property
    def by_channel(self) -> bool:
        """Whether this is an instance norm with a weight or bias."""
        return any(each is not None and each.ndim < len(self.axes) for each in (self.weight, self.bias))


def norms(graph: Graph) -> dict[str, Norm]:
    """Normalisations by the name of the operator that ends each: its product, or an affine step behind that.

    The operators inside are still there, and those that something else reads are needed. `Builder.normalise` makes
    what is found here, (x - mean) * rsqrt(mean((x - mean)^2) + epsilon).
    """
    found: dict[str, Norm] = {}
    for operator in graph.operators:
        if isinstance(operator, Binary) and operator.dtype == "float32":
            norm = _normalised(graph, operator) or _affine(graph, operator, found)
            if norm is not None:
                found[operator.name] = norm
    return found


def needed(graph: Graph, found: Mapping[str, Norm]) -> Collection[str]:
    """The operators that are left to compute where each norm found is one step from its source."""
    seen: set[str] = set()
    waiting = list(graph.outputs)
    while waiting:
        name = waiting.pop()
        if name not in seen and name not in graph.constants:
            seen.add(name)
            waiting += [found[name].source] if name in found else graph[name].inputs
    return seen


def _normalised(graph: Graph, product: Binary) -> Norm | None:
    if product.function != "mul":
        return None
    for centred, scale in (product.inputs, product.inputs[::-1]):
        steps = _read(graph, scale, "rsqrt", "add", "mean", "square", "sub", "mean")
        if steps is None:
            continue
        _, added, variance, square, difference, mean = steps
        epsilon = graph.constants.get(added.inputs[1])
        source = mean.inputs[0]
        wanted = (centred, (source, mean.name), _axes(variance))
        if epsilon is None or epsilon.size != 1 or (square.inputs[0], difference.inputs, _axes(mean)) != wanted:
            continue
        return Norm(source, _axes(mean), float(epsilon.item()))
    return None


def _read(graph: Graph, name: str, *functions: str) -> list[Operator] | None:
    """The operators from `name` backwards, if they are these functions of one another; of `sub` what is taken off."""
    found: list[Operator] = []
    for function in functions:
        operator = next(iter(_operator(graph, name)), None)
        if operator is None or _function(operator) != function or getattr(operator, "activation", None):
            return None
        found.append(operator)
        name = operator.inputs[1 if function == "sub" else 0]
    return found


def _operator(graph: Graph, name: str) -> Iterator[Operator]:
    if name not in graph.constants:
        yield graph[name]


def _function(operator: Operator) -> str:
    if isinstance(operator, GlobalPool):
        return "mean" if len(operator.shape) == 4 else ""
    return operator.function if isinstance(operator, Activation | Binary | Reduce) else ""


def _axes(mean: Operator) -> tuple[int, ...]:
    return mean.axes if isinstance(mean, Reduce) else (2, 3)


def _affine(graph: Graph, operator: Binary, found: dict[str, Norm]) -> Norm | None:
    """The norm that a product or sum with a constant becomes a part of."""
    before = found.get(operator.inputs[0])
    constant = graph.constants.get(operator.inputs[1])
    if before is None or constant is None or getattr(graph[operator.inputs[0]], "activation", None):
        return None
    values = _fitted(constant, operator.shape, before)
    if values is None or before.bias is not None:
        return None
    if operator.function == "mul" and before.weight is None:
        return replace(before, weight=values)
    return replace(before, bias=values) if operator.function == "add" else None


def _fitted(constant: AnyArray, shape: Shape, norm: Norm) -> AnyArray | None:
    """A constant in the form that a norm takes, its axes of size 1 left out; None where it has no such form."""
    inside = tuple(size if axis in norm.axes else 1 for axis, size in enumerate(shape))
    channels = tuple(size if axis == 1 else 1 for axis, size in enumerate(shape))
    taken = {None if each is None else each.ndim for each in (norm.weight, norm.bias)} - {None}
    if constant.shape == inside and taken <= {len(norm.axes)}:
        return constant.reshape([shape[axis] for axis in norm.axes])
    behind = norm.axes == tuple(range(2, len(shape)))
    if constant.shape == channels and behind and taken <= {1} and len(shape) > 3:
        return constant.reshape(-1)
    return None
