"""Scales that XNNPACK's sums and products take: addends and their sum in 8 bits, no scale too far from the other.

Beyond that it leaves the operator to slower kernels, and what stands around it falls into more delegates. A wider range
of the narrow side costs nothing: its steps are still far below those of the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgebench.formats.quantize.ranges import Range
from edgebench.formats.tflite.flatbuffer import read, rewrite
from edgebench.formats.tflite.inspect import holds_data, name_of, operators

# XNNPACK asks for addend's scale / sum's scale in [2^-10, 2^8) (xnn_define_binary of quantised tensors).
LEAST: Final = 2.0**-9
MOST: Final = 2.0**7
SUMS: Final = ("ADD", "SUB")
# And for the product of factors' scales / their product's scale in [2^-16, 2^8).
LEAST_PRODUCT: Final = 2.0**-15
# What has its input's scale in int8, as the quantizer writes it, and is here between a layer and a sum.
PASSING: Final = ("RESHAPE", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "PAD", "GATHER", "AVERAGE_POOL_2D", "MAX_POOL_2D")


def sums(content: bytes) -> list[tuple[list[str], str]]:
    """The addends and the result of every sum in a file, by the tensors that have their ranges."""
    owners: dict[str, str] = {}
    found = []
    for kind, operator, graph in operators(content):
        given = [owners.get(name, name) for name in (name_of(graph, at) for at in operator.InputsAsNumpy())]
        made = name_of(graph, operator.Outputs(0))
        if kind in PASSING:
            owners[made] = given[0]
        elif kind in SUMS:
            found.append((given, made))
    return found


def summable(sums: Sequence[tuple[Sequence[str], str]], ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The ranges of the tensors of a file with these sums, some of them wider."""
    found = dict(ranges)
    for addends, total in sums:
        known = [name for name in addends if name in found]
        if total in found and known:
            found[total] = _spanning(found[total], max(_span(found[name]) for name in known) / MOST)
            for name in known:
                found[name] = _spanning(found[name], _span(found[total]) * LEAST)
    return found


def _span(both: Range) -> float:
    return both[1] - both[0]


def _spanning(both: Range, least: float) -> Range:
    """The range, widened on both sides alike where it is narrower than `least`."""
    span = _span(both)
    if span >= least:
        return both
    return (both[0] * least / span, both[1] * least / span) if span else (0.0, least)


def mend_constants(target: Path) -> None:
    """Rewrites the int8 file `target` where a constant's scale is too small for the sums and products that read it.

    The quantizer takes it from the constant alone, which may be next to nothing: a class token or a gain of zero as
    initialised. Less than a step of what it is added to is lost.
    """
    needed = _needed(target.read_bytes())
    if needed:
        model = read(target)
        for at, scale in needed.items():
            tensor = model.subgraphs[0].tensors[at]
            zero, old = int(tensor.quantization.zeroPoint[0]), float(tensor.quantization.scale[0])
            buffer = model.buffers[tensor.buffer]
            stored = np.frombuffer(buffer.data, np.int8).astype(np.float64)
            buffer.data = np.rint((stored - zero) * (old / scale) + zero).astype(np.int8).view(np.uint8)
            tensor.quantization.scale = np.asarray([scale], np.float32)
        rewrite(model, target)


def _needed(content: bytes) -> dict[int, float]:
    """The scales of the constants that lack them, by tensor: the largest that any reader asks for."""
    model = schema.Model.GetRootAs(content, 0)
    found: defaultdict[int, float] = defaultdict(float)
    for kind, operator, graph in operators(content):
        if kind not in (*SUMS, "MUL"):
            continue
        first, second = (int(at) for at in operator.InputsAsNumpy())
        for own, other in ((first, second), (second, first)):
            scales = [_scale(graph.Tensors(at)) for at in (own, other, operator.Outputs(0))]
            if all(scales) and holds_data(model, graph.Tensors(own)):
                least = scales[2] * (LEAST if kind in SUMS else LEAST_PRODUCT / scales[1])
                if scales[0] < least:
                    found[own] = max(found[own], least)
    return dict(found)


def _scale(tensor: Any) -> float:
    """The scale of a whole tensor; 0 where it has none."""
    parameters = tensor.Quantization()
    return float(parameters.Scale(0)) if parameters is not None and parameters.ScaleLength() == 1 else 0.0
