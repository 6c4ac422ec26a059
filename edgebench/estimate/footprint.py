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
    """How a runtime holds a network: its own bytes, copies of the weights, of the arena and of the file.

    Dense layers and 3x3 convolutions that ncnn runs by Winograd's method have copies of their own. A copy of a
    half-precision weight takes 4 bytes, since all runtimes here compute in fp32.
    """

    base_bytes: float
    copies: float
    dense_copies: float
    winograd_copies: float
    arenas: float = 1.0
    files: float = 1.0


# From peak memory of seven zoo networks on an x86-64 Linux machine, LiteRT 2.3 and onnxruntime 1.31, one thread
# (tests/benchmarks/estimate_memory.py). Another processor runs the same allocations; no board has confirmed it.
# ncnn 1.0.20261020 likewise, on ten networks, which differ from it by at most 12%: it reads the file instead of mapping
# it, transforms 3x3 weights to 4 times their size, and takes a layer's output before it frees its input. The same
# MobileNetV2 took 12% less on an emulated Cortex-A72.
_RUNTIMES: Final = {
    "litert": RuntimeMemory(7e6, copies=1.0, dense_copies=1.0, winograd_copies=1.0),
    "onnxruntime": RuntimeMemory(11e6, copies=1.9, dense_copies=0.65, winograd_copies=1.9),
    "ncnn": RuntimeMemory(1.5e6, copies=0.72, dense_copies=1.3, winograd_copies=4.6, arenas=3.9, files=0.0),
}


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
    known = _RUNTIMES.get(runtime)
    if known is None or (runtime, precision) == ("ncnn", "int8"):
        return None
    others = held.weights - held.dense - held.winograd
    copied = others * known.copies + held.dense * known.dense_copies + held.winograd * known.winograd_copies
    copies = known.base_bytes + element_bytes(precision) * copied
    return copies + known.arenas * held.arena_bytes + known.files * held.file_bytes


def element_bytes(precision: str) -> int:
    """Bytes of an activation: both runtimes compute in fp32 unless the network is quantised."""
    return 1 if precision == "int8" else 4
