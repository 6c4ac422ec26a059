"""Bytes a network takes in a file and in a running process, counted from its graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edgebench.graph.cost import count
from edgebench.graph.memory import plan_arena
from edgebench.graph.operators import Graph

_STORED: Final = {"fp32": 4.0, "fp16": 2.0, "int8": 1.0}  # bytes a weight in the file
_FILE_OVERHEAD: Final = 400  # bytes an operator: names, shapes, quantisation


@dataclass(frozen=True)
class Runtime:
    """How a runtime holds a network: bytes of its own, and bytes a weight beyond the file that it keeps mapped.

    Fitted to peak memory of the zoo on an x86-64 Linux host (tests/benchmarks/estimate_memory.py); what a runtime
    allocates is the same code on another processor, but no board has confirmed it.
    """

    base_bytes: float
    packed: dict[str, float]


_RUNTIMES: Final = {
    "litert": Runtime(6e6, {"fp32": 4.0, "fp16": 4.0, "int8": 1.0}),
    "onnxruntime": Runtime(12e6, {"fp32": 4.0, "fp16": 4.0, "int8": 1.0}),
    "ncnn": Runtime(6e6, {"fp32": 4.0, "fp16": 2.0, "int8": 1.0}),
    "torch": Runtime(30e6, {"fp32": 0.0, "fp16": 0.0, "int8": 0.0}),
}


def file_bytes(graph: Graph, precision: str) -> int:
    """Size of the network's file: its weights at `precision`, and some hundred bytes an operator."""
    return round(count(graph).weight_count * _STORED[precision]) + _FILE_OVERHEAD * len(graph.operators)


def peak_memory_bytes(graph: Graph, runtime: str, precision: str) -> int | None:
    """Peak memory above an idle process: file, packed weights, activation arena, the runtime's own. None if unknown."""
    known = _RUNTIMES.get(runtime)
    if known is None:
        return None
    arena = plan_arena(graph, element_bytes=1 if precision == "int8" else 4).peak_bytes
    packed = count(graph).weight_count * known.packed[precision]
    return round(known.base_bytes + packed + arena) + file_bytes(graph, precision)
