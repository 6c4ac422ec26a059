"""Bytes a network takes in a file and in a running process, counted from its graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from edgebench.estimate.work import works
from edgebench.graph.cost import count
from edgebench.graph.memory import plan_arena
from edgebench.graph.operators import Graph
from edgebench.runtimes import runtime as entry

_STORED: Final = {"fp32": 4.0, "fp16": 2.0, "int8": 1.0}  # bytes a weight in the file
_FILE_OVERHEAD: Final = 400  # bytes an operator: names, shapes, quantisation


@dataclass(frozen=True)
class Held:
    """What is to be held: weights in all, and those of dense layers and of Winograd's method; bytes of arena and file.

    Each is a number, or an array with one entry a network.
    """

    weights: Any
    dense: Any
    winograd: Any
    arena_bytes: Any
    file_bytes: Any


def file_bytes(graph: Graph, precision: str) -> int:
    """Size of the network's file: its weights at `precision`, and some hundred bytes an operator."""
    size: int = round(file_size(count(graph).weight_count, len(graph.operators), precision))
    return size


def file_size(weights: Any, operators: Any, precision: str) -> Any:
    """`file_bytes` from counts, which may be arrays with one entry a network; unrounded."""
    return weights * _STORED[precision] + _FILE_OVERHEAD * operators


def peak_memory_bytes(graph: Graph, runtime: str, precision: str) -> int | None:
    """Peak memory above an idle process: file, packed weights, activation arena, the runtime's own. None if unknown."""
    kernels = works(graph, runtime)
    held = Held(
        weights=count(graph).weight_count,
        dense=sum(work.weights for work in kernels if work.kind == "dense"),
        winograd=sum(work.weights for work in kernels if work.kind == "winograd"),
        arena_bytes=plan_arena(graph, element_bytes(precision)).peak_bytes,
        file_bytes=file_bytes(graph, precision),
    )
    size = memory_size(held, runtime, precision)
    return None if size is None else round(size)


def memory_size(held: Held, runtime: str, precision: str) -> Any:
    """`peak_memory_bytes` from counts, which may be arrays; unrounded. None for what was never measured."""
    known = entry(runtime).memory
    if known is None or precision not in known.precisions:
        return None
    others = held.weights - held.dense - held.winograd
    copied = others * known.copies + held.dense * known.dense_copies + held.winograd * known.winograd_copies
    copies = known.base_bytes + element_bytes(precision) * copied
    return copies + known.arenas * held.arena_bytes + known.files * held.file_bytes


def element_bytes(precision: str) -> int:
    """Bytes of an activation: both runtimes compute in fp32 unless the network is quantised."""
    return 1 if precision == "int8" else 4
