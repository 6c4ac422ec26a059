"""Folding: batch norm, zero padding and activations go into the operator before them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from edgebench.graph.operators import Activation, Add, Conv, Dense, Function, Graph, Mul, Operator, Pad, Reshape

Double = npt.NDArray[np.float64]

FUSIBLE: Final[frozenset[Function]] = frozenset({"relu", "relu6"})  # what TFLite's operators can clamp to


def batch_norm_affine(
    gamma: Double | None, beta: Double | None, mean: Double, variance: Double, eps: float
) -> tuple[Double, Double]:
    """Returns (scale, shift) so that scale * x + shift is batch norm in evaluation.

    Float64, so that folding costs no accuracy (Ioffe & Szegedy, 2015, algorithm 2).
    """
    scale = (1.0 if gamma is None else gamma) / np.sqrt(variance + eps)
    return scale, (0.0 if beta is None else beta) - mean * scale


def fold_affine(operator: Operator, scale: Double, shift: Double) -> Operator | None:
    """Returns `operator` with scale * y + shift (one value an output channel) folded in, or None where it cannot be."""
    if not isinstance(operator, Conv | Dense) or operator.activation is not None or operator.weight is None:
        return None
    rows = scale.reshape(-1, *[1] * (operator.weight.ndim - 1))
    bias = np.zeros_like(shift) if operator.bias is None else operator.bias.astype(np.float64)
    return replace(
        operator, weight=(operator.weight * rows).astype(np.float32), bias=(bias * scale + shift).astype(np.float32)
    )


def fuse_activation(operator: Operator, function: Function) -> Operator | None:
    """Returns `operator` with the activation fused, or None where it cannot be."""
    if function not in FUSIBLE or not isinstance(operator, Conv | Dense | Add | Mul) or operator.activation is not None:
        return None
    return replace(operator, activation=function)


def absorb_padding(pad: Operator, convolution: Conv) -> Conv | None:
    """Returns `convolution` with the zeros of `pad` as its own padding, or None where `pad` is not that."""
    if not isinstance(pad, Pad) or any(pad.channels) or min(pad.padding) < 0:
        return None
    padding = tuple(a + b for a, b in zip(pad.padding, convolution.padding, strict=True))
    return replace(convolution, inputs=pad.inputs, padding=cast(tuple[int, int, int, int], padding))


def mark_flattened(graph: Graph) -> Graph:
    """Returns `graph` with `flattened` set on every dense layer whose input is a flattened image.

    Only where all who read the flattened tensor are dense layers (after activations, perhaps): a channels-last writer
    may then leave its order and permute their columns.
    """
    marked: dict[str, Operator] = {}
    for operator in graph.operators:
        image = flattened_image(graph, operator)
        if image is not None:
            readers = _dense_readers(graph, operator.name) or []
            marked.update({dense.name: replace(dense, flattened=image) for dense in readers})
    return Graph(tuple(marked.get(operator.name, operator) for operator in graph.operators), graph.output)


def keeps_order(graph: Graph, name: str) -> bool:
    """Whether the readers of a flattened image need it in torch's order: someone is not a dense layer that knows."""
    readers = _dense_readers(graph, name)
    return readers is None or any(dense.flattened is None for dense in readers)


def flattened_image(graph: Graph, operator: Operator) -> tuple[int, int, int] | None:
    """Returns the (C, H, W) that `operator` flattens; None if it does not, or if H = W = 1 and order is no matter."""
    if not isinstance(operator, Reshape) or len(operator.shape) != 2:
        return None
    shape = graph[operator.inputs[0]].shape
    return (shape[1], shape[2], shape[3]) if len(shape) == 4 and shape[2:] != (1, 1) else None


def _dense_readers(graph: Graph, name: str) -> list[Dense] | None:
    """The dense layers that read `name`, directly or after activations; None if anything else does."""
    if name == graph.output:
        return None
    found: list[Dense] = []
    for operator in graph.operators:
        if name not in operator.inputs:
            continue
        behind = _dense_readers(graph, operator.name) if isinstance(operator, Activation) else None
        if isinstance(operator, Dense):
            found.append(operator)
        elif behind is not None:
            found.extend(behind)
        else:
            return None
    return found
