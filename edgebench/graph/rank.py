"""Fewer axes for formats whose tensors have only so many: those that an operator treats alike become one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from edgebench.graph.operators import (
    AnyArray,
    ArgMax,
    Dense,
    Graph,
    Input,
    MatMul,
    Operator,
    Pad,
    Pick,
    Reduce,
    Reshape,
    Shape,
    Transpose,
)

Groups = list[list[int]]


def within_rank(graph: Graph, most: int) -> Graph:
    """The same graph, where no operator but a reshape has a tensor of more than `most` axes.

    One whose axes are no fewer however they are merged stays as it is, but for a transpose, which is done in steps.
    """
    operators: list[Operator] = []
    constants = dict(graph.constants)
    for operator in graph.operators:
        shapes = [graph.shape(name) for name in operator.inputs]
        if isinstance(operator, Input | Reshape) or max(map(len, (*shapes, operator.shape))) <= most:
            operators.append(operator)
        elif isinstance(operator, Transpose):
            operators += _in_steps(operator, shapes[0], most)
        else:
            operators += _merged(operator, shapes, constants)
    return replace(graph, operators=tuple(operators), constants=constants)


def _merged(operator: Operator, shapes: Sequence[Shape], constants: dict[str, AnyArray]) -> list[Operator]:
    """The operator over merged axes, behind reshapes of what it reads and before one of what it gives."""
    kept = operator.shape
    if isinstance(operator, ArgMax) and not operator.keep:
        kept = (*kept[: operator.axis], 1, *kept[operator.axis :])
    apart = 1 if isinstance(operator, Pick) else len(shapes)  # indices have an axis of their own
    groups = _alike(operator, (*shapes[:apart], kept))
    before: list[Operator] = []
    names: list[str] = []
    for name, shape in zip(operator.inputs[:apart], shapes, strict=False):
        low = f"{name}/{operator.name}"
        if name in constants:
            constants[low] = constants[name].reshape(_sizes(shape, groups))
        else:
            before.append(Reshape(name=low, inputs=(name,), shape=_sizes(shape, groups)))
        names.append(low)
    names += operator.inputs[apart:]
    sizes = _sizes(kept, groups)
    changed = _renumbered(operator, groups)
    if kept != operator.shape:
        sizes = tuple(size for axis, size in enumerate(sizes) if axis != changed["axis"])
    made = replace(operator, name=f"{operator.name}/merged", inputs=tuple(names), shape=sizes, **changed)
    back = Reshape(name=operator.name, inputs=(made.name,), shape=operator.shape, dtype=operator.dtype)
    return [*before, made, back]


def _alike(operator: Operator, shapes: Sequence[Shape]) -> Groups:
    """Neighbouring axes that are one for the operator; those of size 1 everywhere are left out."""
    own = _own_axes(operator, shapes[0])
    units = [tuple(shape[axis] == 1 for shape in shapes) for axis in range(len(shapes[0]))]
    left = [axis for axis, ones in enumerate(units) if axis in own or not all(ones)] or [0]
    return [list(group) for _, group in groupby(left, lambda axis: (own.get(axis), units[axis]))]


def _own_axes(operator: Any, shape: Shape) -> dict[int, int]:
    """The axes that mean something to an operator; those of a reduction mean the same."""
    rank = len(shape)
    if isinstance(operator, Dense):
        axes: Sequence[int] = (rank - 1,)
    elif isinstance(operator, MatMul):
        axes = (rank - 2, rank - 1)
    elif isinstance(operator, Pad):
        axes = [axis for axis, amounts in enumerate(operator.amounts) if any(amounts)]
    elif isinstance(operator, Reduce):
        return dict.fromkeys([axis for axis in operator.axes if shape[axis] != 1] or operator.axes[:1], 0)
    else:
        axes = (operator.axis,) if hasattr(operator, "axis") else ()
    return {axis: axis for axis in axes}


def _renumbered(operator: Any, groups: Groups) -> dict[str, Any]:
    """The fields that count axes."""
    at = {axis: number for number, group in enumerate(groups) for axis in group}
    if isinstance(operator, Pad):
        return {"amounts": tuple(operator.amounts[group[0]] for group in groups)}
    if isinstance(operator, Reduce):
        return {"axes": tuple(sorted({at[axis] for axis in operator.axes if axis in at}))}
    return {"axis": at[operator.axis]} if hasattr(operator, "axis") else {}


def _sizes(shape: Shape, groups: Groups) -> Shape:
    return tuple(math.prod(shape[axis] for axis in group) for group in groups)


def _in_steps(operator: Transpose, shape: Shape, most: int) -> list[Operator]:
    """Axes that stay together are one; where these are too many, one is brought behind the one that it follows."""
    wanted = [axis for axis in operator.permutation if shape[axis] != 1]
    have = sorted(wanted)
    made: list[Operator] = []
    source = operator.inputs[0]
    while have != wanted:
        runs, target = together(have, wanted), wanted
        if len(runs) > most:
            first, second = sorted(runs, key=lambda run: wanted.index(run[0]))[:2]
            rest = [axis for axis in have if axis not in second]
            behind = rest.index(first[-1]) + 1
            target = [*rest[:behind], *second, *rest[behind:]]
            runs = together(have, target)
        order = sorted(range(len(runs)), key=lambda number: target.index(runs[number][0]))
        sizes = _sizes(shape, runs)
        low = Reshape(name=f"{operator.name}/{len(made)}", inputs=(source,), shape=sizes, dtype=operator.dtype)
        moved = tuple(sizes[number] for number in order)
        made += [
            low,
            replace(operator, name=f"{low.name}/t", inputs=(low.name,), shape=moved, permutation=tuple(order)),
        ]
        have, source = target, made[-1].name
    return [*made, Reshape(name=operator.name, inputs=(source,), shape=operator.shape, dtype=operator.dtype)]


def together(before: Sequence[int], after: Sequence[int]) -> Groups:
    """The axes in their order `before`, those that are neighbours in the order `after` as well as one run."""
    runs: Groups = []
    for axis in before:
        if runs and after.index(runs[-1][-1]) + 1 == after.index(axis):
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return runs
