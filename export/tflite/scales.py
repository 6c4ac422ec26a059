"""Ranges that XNNPACK's sums take: addends and their sum in 8 bits, no scale too far from the other.

Beyond that it leaves the operator to slower kernels, and what stands around it falls into more delegates. A wider range
of the narrow side costs nothing: its steps are still far below those of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from edgebench.formats.quantize.ranges import Range
from edgebench.formats.tflite.inspect import name_of, operators

# XNNPACK asks for addend's scale / sum's scale in [2^-10, 2^8) (xnn_define_binary of quantised tensors).
LEAST: Final = 2.0**-9
MOST: Final = 2.0**7
SUMS: Final = ("ADD", "SUB")


def sums(content: bytes) -> list[tuple[list[str], str]]:
    """The addends that are computed or constant, and the result, of every sum in a file, by their tensors' names."""
    return [
        ([name_of(graph, at) for at in operator.InputsAsNumpy()], name_of(graph, operator.Outputs(0)))
        for kind, operator, graph in operators(content)
        if kind in SUMS
    ]


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
