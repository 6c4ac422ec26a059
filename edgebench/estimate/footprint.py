"""Bytes a network takes in a file and in a running process, counted from its graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from edgebench.estimate.work import works
from edgebench.graph.cost import count
from edgebench.graph.memory import plan_arena
from edgebench.graph.operators import Graph

_STORED: Final = {"fp32": 4.0, "fp16": 2.0, "int8": 1.0}  # bytes a weight in the file
_FILE_OVERHEAD: Final = 400  # bytes an operator: names, shapes, quantisation


@dataclass(frozen=True)
class RuntimeMemory:
    """How a runtime holds a network: its own bytes, and copies of the weights beside the file that it keeps mapped.

    A copy of a half-precision weight takes 4 bytes, since both runtimes compute in fp32.
    """

    base_bytes: float
    copies: float
    dense_copies: float


# From peak memory of seven zoo networks on an x86-64 Linux machine, LiteRT 2.3 and onnxruntime 1.31, one thread
# (tests/benchmarks/estimate_memory.py). Another processor runs the same allocations; no board has confirmed it.
_RUNTIMES: Final = {
    "litert": RuntimeMemory(7e6, copies=1.0, dense_copies=1.0),
    "onnxruntime": RuntimeMemory(11e6, copies=1.9, dense_copies=0.65),
}

# ncnn 1.0.20261020 likewise, on ten networks: bytes of its own, and what it holds of each byte of weights in fp32 and
# of the arena, whatever the file's precision. It reads the file instead of mapping it, transforms 3x3 weights for
# Winograd's method to 4 times their size, and gives no buffer back before the next layer has its own. The ten differ
# by at most 12%; the same MobileNetV2 took 12% less on an emulated Cortex-A72.
_NCNN_BASE: Final = 1.5e6
_NCNN_HELD: Final = {"dense": 1.3, "winograd": 4.6}
_NCNN_OTHERS: Final = 0.72
_NCNN_ARENAS: Final = 3.9


def file_bytes(graph: Graph, precision: str) -> int:
    """Size of the network's file: its weights at `precision`, and some hundred bytes an operator."""
    size: int = round(file_size(count(graph).weight_count, len(graph.operators), precision))
    return size


def file_size(weights: Any, operators: Any, precision: str) -> Any:
    """`file_bytes` from counts, which may be arrays with one entry a network; unrounded."""
    return weights * _STORED[precision] + _FILE_OVERHEAD * operators


def peak_memory_bytes(graph: Graph, runtime: str, precision: str) -> int | None:
    """Peak memory above an idle process: file, packed weights, activation arena, the runtime's own. None if unknown."""
    if runtime == "ncnn":
        return None if precision == "int8" else _ncnn_bytes(graph)
    cost = count(graph)
    dense = sum(operator.weights for operator in cost.operators if operator.kind == "dense")
    held = memory_size(cost.weight_count, dense, runtime, precision)
    if held is None:
        return None
    beside: int = round(held)
    return beside + plan_arena(graph, element_bytes(precision)).peak_bytes + file_bytes(graph, precision)


def memory_size(weights: Any, dense: Any, runtime: str, precision: str) -> Any:
    """What `runtime` holds beside the arena and the mapped file, from counts that may be arrays. None if unknown."""
    known = _RUNTIMES.get(runtime)
    if known is None:
        return None
    return known.base_bytes + element_bytes(precision) * ((weights - dense) * known.copies + dense * known.dense_copies)


def _ncnn_bytes(graph: Graph) -> int:
    held = sum(4 * work.weights * _NCNN_HELD.get(work.kind, _NCNN_OTHERS) for work in works(graph, "ncnn"))
    return round(_NCNN_BASE + held + _NCNN_ARENAS * plan_arena(graph).peak_bytes)


def element_bytes(precision: str) -> int:
    """Bytes of an activation: both runtimes compute in fp32 unless the network is quantised."""
    return 1 if precision == "int8" else 4
