"""Where activations lie in memory: TFLite's greedy-by-size arena plan, computed from the graph alone.

Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference" (2020), section 5.2; TensorFlow Lite's
arena_planner.cc keeps graph inputs and outputs for the whole run, and so does this plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from edgebench.graph.operators import Activation, Add, Graph, Mul, Operator, Reshape

ALIGNMENT: Final = 64  # bytes; TFLite's kDefaultTensorAlignment

_IN_PLACE: Final = (Activation, Add, Mul)


@dataclass(frozen=True)
class Buffer:
    """A stretch of the arena that is live from operator `first` to operator `last`, both included."""

    tensors: tuple[str, ...]
    size_bytes: int
    first: int
    last: int
    offset: int = 0

    def overlaps(self, other: Buffer) -> bool:
        """Whether both are live at some operator."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class MemoryPlan:
    """The placed buffers. Tensors that share storage (reshapes, in-place operators) share a buffer."""

    buffers: tuple[Buffer, ...]

    @property
    def peak_bytes(self) -> int:
        """Size of the arena."""
        return max((buffer.offset + buffer.size_bytes for buffer in self.buffers), default=0)

    @property
    def live_bytes(self) -> int:
        """Largest sum of simultaneously live buffers: no plan can be smaller."""
        starts = {buffer.first for buffer in self.buffers}
        return max((sum(b.size_bytes for b in self.buffers if b.first <= step <= b.last) for step in starts), default=0)

    @property
    def offsets(self) -> dict[str, int]:
        """Byte offset of every tensor in the arena."""
        return {tensor: buffer.offset for buffer in self.buffers for tensor in buffer.tensors}


def plan_arena(graph: Graph, element_bytes: int = 4) -> MemoryPlan:
    """Plans the activations of `graph`, `element_bytes` an element, aligned to 64 bytes.

    Largest buffers are placed first, each into the tightest gap left by the placed buffers it coexists with.
    """
    placed: list[Buffer] = []
    for buffer in sorted(lifetimes(graph, element_bytes), key=lambda b: (-b.size_bytes, b.first)):
        neighbours = sorted((other for other in placed if other.overlaps(buffer)), key=lambda b: b.offset)
        placed.append(replace(buffer, offset=_best_gap(neighbours, buffer.size_bytes)))
    return MemoryPlan(tuple(sorted(placed, key=lambda b: b.first)))


def lifetimes(graph: Graph, element_bytes: int = 4) -> list[Buffer]:
    """Returns the unplaced buffers of `graph`, tensors that share storage merged into one."""
    last_use = _last_uses(graph)
    buffers: dict[str, Buffer] = {}
    for step, operator in enumerate(graph.operators):
        last = last_use[operator.name]
        shared = _shares_with(graph, operator, step, buffers)
        if shared is None:
            size = _aligned(operator.elements * element_bytes)
            buffers[operator.name] = Buffer((operator.name,), size, step, last)
            continue
        merged = replace(shared, tensors=(*shared.tensors, operator.name), last=max(shared.last, last))
        buffers.update(dict.fromkeys(merged.tensors, merged))
    return list({buffer.tensors: buffer for buffer in buffers.values()}.values())


def _last_uses(graph: Graph) -> dict[str, int]:
    """The last step that reads each tensor; the input and the output are read after the last step, by the caller."""
    last = {operator.name: step for step, operator in enumerate(graph.operators)}
    for step, operator in enumerate(graph.operators):
        last.update(dict.fromkeys(operator.inputs, step))
    end = len(graph.operators)
    return last | {graph.input.name: end, graph.output: end}


def _shares_with(graph: Graph, operator: Operator, step: int, buffers: dict[str, Buffer]) -> Buffer | None:
    """The buffer that `operator` writes into instead of one of its own."""
    if isinstance(operator, Reshape):
        return buffers[operator.inputs[0]]
    if isinstance(operator, _IN_PLACE):
        for producer in graph.producers(operator):
            buffer = buffers[producer.name]
            if producer.elements == operator.elements and buffer.last == step:
                return buffer
    return None


def _best_gap(neighbours: list[Buffer], size: int) -> int:
    """Offset of the smallest gap between `neighbours` (by offset) that holds `size`, else the end of the last one."""
    best: tuple[int, int] | None = None
    end = 0
    for other in neighbours:
        gap = other.offset - end
        if gap >= size and (best is None or gap < best[0]):
            best = (gap, end)
        end = max(end, other.offset + other.size_bytes)
    return end if best is None else best[1]


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
