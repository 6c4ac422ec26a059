"""Ranges that XNNPACK's sums take: addends and their sum in 8 bits, no scale too far from the other.

Beyond that it leaves the operator to slower kernels, and what stands around it falls into more delegates. A wider range
of the narrow side costs nothing: its steps are still far below those of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edgebench.formats.quantize.ranges import Range
from edgebench.formats.tflite.flatbuffer import read
from edgebench.formats.tflite.inspect import operator_name

# XNNPACK asks for addend's scale / sum's scale in [2^-10, 2^8) (xnn_define_binary of quantised tensors).
LEAST: Final = 2.0**-9
MOST: Final = 2.0**7
SUMS: Final = ("ADD", "SUB")


def summable(source: Path, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The ranges of the tensors of the float file `source`, some of them wider."""
    model = read(source)
    kinds = [operator_name(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    tensors, found = model.subgraphs[0].tensors, dict(ranges)
    for operator in model.subgraphs[0].operators:
        if kinds[operator.opcodeIndex] not in SUMS:
            continue
        *addends, total = (tensors[int(at)].name.decode() for at in (*operator.inputs, *operator.outputs))
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
