"""Bias correction: rounded weights shift the mean of a layer's outputs, and the bias takes the shift back.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section 4.2, with the
inputs' means taken from calibration images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from edgebench.graph.operators import Array, Conv, Dense, Graph, Operator

LEVELS: Final = 127  # int8 weights are symmetric around zero


def correct(graph: Graph, means: Mapping[str, Array]) -> Graph:
    """Returns `graph` with corrected biases; `means` are those of each channel of each tensor, by name."""
    corrected = (_corrected(operator, means) for operator in graph.operators)
    return Graph(tuple(corrected), graph.output)


def rounding_error(weight: Array) -> Array:
    """Returns what rounding to int8, with one scale for each output channel, adds to the weights."""
    largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)), keepdims=True)
    scale = np.where(largest > 0, largest, 1) / LEVELS
    error: Array = (np.rint(weight / scale) * scale - weight).astype(np.float32)
    return error


def _corrected(operator: Operator, means: Mapping[str, Array]) -> Operator:
    if not isinstance(operator, Conv | Dense) or operator.weight is None:
        return operator
    mean = means[operator.inputs[0]]
    error = rounding_error(operator.weight)
    if isinstance(operator, Conv):
        inside = error.sum(axis=(2, 3))
        grouped = mean.reshape(operator.groups, 1, -1)
        shift = (inside.reshape(operator.groups, -1, inside.shape[1]) * grouped).sum(axis=2).reshape(-1)
    else:
        shift = error @ mean
    bias = np.zeros_like(shift) if operator.bias is None else operator.bias
    return replace(operator, bias=(bias - shift).astype(np.float32))
