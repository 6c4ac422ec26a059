"""Simplification: exact rewrites that make a Graph smaller and faster, whatever the format.

A rule looks at one operator and its neighbours; rules run until none finds anything, and what each did is counted.
They look at shapes, never at values but for a sign: a network as initialised, its parameters zero, keeps every operator
that it has when trained. Arithmetic on weights is in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from edgebench.graph.operators import (
    Activation,
    Binary,
    Compare,
    Concat,
    Conv,
    Gather,
    Graph,
    Operator,
    Pool,
    Reshape,
    Slice,
    Transpose,
    Where,
)
from edgebench.graph.rewriter import Rewriter, Rule
from edgebench.graph.simplify_affine import (
    affine_before,
    affine_behind,
    affine_behind_concat,
    affine_twice,
    fuse_activation,
    lone_affine,
    scale_before_relu,
    scale_through_matmul,
    scale_through_product,
)
from edgebench.graph.simplify_branches import parallel_branches
from edgebench.graph.simplify_moves import (
    concat_of_concats,
    concat_of_slices,
    every_nth_pixel,
    expand_before,
    expand_behind,
    gather_before,
    gather_behind,
    mark_flattened,
    move_twice,
    moves_as_one,
    padded_window,
    pooled_flat,
    same_shape,
    slice_of_concat,
    slice_twice,
    sliced_layer,
    twin,
)

Rules = Mapping[type[Operator], tuple[Rule, ...]]

_FOLDS: Final[Rules] = {
    Binary: (
        affine_behind,
        affine_behind_concat,
        affine_twice,
        scale_through_matmul,
        parallel_branches,
        affine_before,
        scale_before_relu,
        scale_through_product,
    ),
    Conv: (padded_window, gather_before),
    Gather: (gather_behind,),
    Pool: (padded_window, twin),
    Activation: (twin,),
    Reshape: (same_shape, pooled_flat, moves_as_one, move_twice),
    Transpose: (same_shape, moves_as_one, move_twice),
    Slice: (every_nth_pixel, slice_twice, sliced_layer, slice_of_concat),
    Concat: (concat_of_slices, concat_of_concats),
}
_BROADCASTS: Final[Rules] = {
    Binary: (expand_before,),
    Compare: (expand_before,),
    Where: (expand_before,),
    Activation: (expand_behind,),
}
# Each starts when the one before finds nothing more: an activation that was fused would block every fold.
_PHASES: Final[tuple[Rules, ...]] = (_FOLDS, _BROADCASTS, {Binary: (lone_affine,)}, {Activation: (fuse_activation,)})


def simplify(graph: Graph) -> Graph:
    """Returns a Graph that computes the same, with what was done to it in `rewrites`."""
    return mark_flattened(rewritten(graph, _PHASES))


def rewritten(graph: Graph, phases: Sequence[Rules]) -> Graph:
    """Returns the Graph after the rules of each phase have found all that they find."""
    rewriter = Rewriter(graph)
    for rules in phases:
        while _pass(rewriter, rules):
            pass
    return rewriter.graph()


def _pass(rewriter: Rewriter, rules: Rules) -> bool:
    """Looks at every operator once; returns whether anything changed."""
    changed = False
    for name in list(rewriter.operators):
        for rule in rules.get(type(rewriter.operators.get(name)), ()):  # type: ignore[arg-type]
            if rewriter.apply_rule(rule, rewriter.operators[name]):
                changed = True
                break
    return changed
