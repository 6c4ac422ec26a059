"""Bytes a network takes in a file and in a running process, counted from its graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import msgspec

from edgebench.estimate.errors import CONFIDENCE
from edgebench.estimate.published import text
from edgebench.estimate.work import works
from edgebench.graph.cost import count
from edgebench.graph.memory import plan_arena
from edgebench.graph.operators import Graph
from edgebench.ground.records import Interval
from edgebench.ground.tables import read_csv

_STORED: Final = {"fp32": 4.0, "fp16": 2.0, "int8": 1.0}  # bytes a weight in the file
_FILE_OVERHEAD: Final = 400  # bytes an operator: names, shapes, quantisation


TERMS: Final = ("base_bytes", "copies", "dense_copies", "winograd_copies", "arenas")


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """How a runtime holds a network: its own bytes, copies of the weights, of the arena and of the file.

    Dense layers and 3x3 convolutions that are run by Winograd's method have copies of their own. `median` and `spread`
    are of the errors on networks left out: |estimate / peak - 1|, and the half-width of the 90% interval of ln.
    """

    runtime: str
    precision: str
    base_bytes: float
    copies: float
    dense_copies: float
    winograd_copies: float
    arenas: float
    files: float
    networks: int
    median: float
    spread: float


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


def peak_memory(graph: Graph, runtime: str, precision: str) -> Interval | None:
    """Peak memory in bytes above an idle process, with its 90% interval; None for what was never measured.

    File, packed weights, activation arena, the runtime's own.
    """
    size = memory_size(held(graph, runtime, precision), runtime, precision)
    if size is None:
        return None
    factor = math.exp(_constants()[runtime, _held_as(precision)].spread)
    return Interval(value=round(size), low=size / factor, high=size * factor, confidence=CONFIDENCE)


def peak_memory_bytes(graph: Graph, runtime: str, precision: str) -> int | None:
    """The same without the interval."""
    found = peak_memory(graph, runtime, precision)
    return None if found is None else round(found.value)


def held(graph: Graph, runtime: str, precision: str) -> Held:
    """What a runtime holds of a graph."""
    kernels = works(graph, runtime)
    return Held(
        weights=count(graph).weight_count,
        dense=sum(work.weights for work in kernels if work.kind == "dense"),
        winograd=sum(work.weights for work in kernels if work.kind == "winograd"),
        arena_bytes=plan_arena(graph, element_bytes(precision)).peak_bytes,
        file_bytes=file_bytes(graph, precision),
    )


def memory_size(held: Held, runtime: str, precision: str) -> Any:
    """`peak_memory_bytes` from counts, which may be arrays; unrounded. None for what was never measured."""
    known = _constants().get((runtime, _held_as(precision)))
    if known is None:
        return None
    sizes = zip(terms(held, precision), TERMS, strict=True)
    return known.files * held.file_bytes + sum(getattr(known, name) * size for size, name in sizes)


def terms(held: Held, precision: str) -> tuple[Any, ...]:
    """What each of TERMS multiplies: 1, then bytes of copies of the weights, and of the arena."""
    element, others = element_bytes(precision), held.weights - held.dense - held.winograd
    return 1, element * others, element * held.dense, element * held.winograd, held.arena_bytes


def element_bytes(precision: str) -> int:
    """Bytes of an activation: runtimes compute in fp32 unless the network is quantised."""
    return 1 if precision == "int8" else 4


def _held_as(precision: str) -> str:
    """Half-precision weights are unpacked when they are read, and only the file is smaller."""
    return "int8" if precision == "int8" else "fp32"


@cache
def _constants() -> Mapping[tuple[str, str], Memory]:
    return {(line.runtime, line.precision): line for line in read_csv(text("memory.csv"), Memory)}
