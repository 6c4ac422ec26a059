"""How torch's padding becomes TFLite's: SAME or VALID where they mean the same, explicit zeros before it elsewhere.

torch pads symmetrically and leaves rows at the end unread; TFLite's SAME pads just what the last window needs, the
odd row at the end. Both agree for odd kernels at stride 1 and, at stride 2, for odd sizes only.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgebench.graph.operators import Padding, Pair

NONE: Padding = (0, 0, 0, 0)


@dataclass(frozen=True)
class Pads:
    """What a windowed operator needs: `same` padding of its own, or `explicit` rows and columns added before it."""

    same: bool
    explicit: Padding = NONE


def plan(size: Pair, output: Pair, kernel: Pair, stride: Pair, dilation: Pair, padding: Padding) -> Pads:
    """Returns the pads for windows over an input of `size` that give `output`, both (height, width)."""
    axes = [
        (_used(*axis, before, after), _same(*axis))
        for axis, (before, after) in zip(
            zip(size, output, kernel, stride, dilation, strict=True), (padding[:2], padding[2:]), strict=True
        )
    ]
    if all(used == (0, 0) for used, _ in axes):
        return Pads(same=False)
    if all(used == same for used, same in axes):
        return Pads(same=True)
    (vertical, _), (horizontal, _) = axes
    return Pads(same=False, explicit=(*vertical, *horizontal))


def real_part(size: Pair, output: Pair, kernel: Pair, stride: Pair, padding: Padding) -> tuple[list[int], list[int]]:
    """Returns how many real rows each window spans, and how many columns: what an uncounted average divides by."""
    rows, columns = (
        [min(length, step * i - before + window) - max(0, step * i - before) for i in range(count)]
        for length, count, window, step, before in zip(size, output, kernel, stride, padding[::2], strict=True)
    )
    return rows, columns


def _reach(output: int, kernel: int, stride: int, dilation: int) -> int:
    """Cells from the first to the last that some window reads."""
    return (output - 1) * stride + (kernel - 1) * dilation + 1


def _used(size: int, output: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> Pair:
    """The padding that some window reads."""
    return before, min(after, max(0, _reach(output, kernel, stride, dilation) - size - before))


def _same(size: int, output: int, kernel: int, stride: int, dilation: int) -> Pair | None:
    """What TFLite's SAME pads; None where SAME gives another output size."""
    if output != -(-size // stride):
        return None
    total = max(0, _reach(output, kernel, stride, dilation) - size)
    return total // 2, total - total // 2
