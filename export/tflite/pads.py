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
    used: list[Pair] = []
    same: list[Pair | None] = []
    for length, count, window, step, apart, (before, after) in zip(
        size, output, kernel, stride, dilation, (padding[:2], padding[2:]), strict=True
    ):
        reach = (count - 1) * step + (window - 1) * apart + 1  # cells from the first to the last that is read
        used.append((before, min(after, max(0, reach - length - before))))
        total = max(0, reach - length)
        # SAME may give another output size.
        same.append((total // 2, total - total // 2) if count == -(-length // step) else None)
    if used == [(0, 0), (0, 0)]:
        return Pads(same=False)
    if used == same:
        return Pads(same=True)
    return Pads(same=False, explicit=(*used[0], *used[1]))


def real_part(size: Pair, output: Pair, kernel: Pair, stride: Pair, padding: Padding) -> tuple[list[int], list[int]]:
    """Returns how many real rows each window spans, and how many columns: what an uncounted average divides by."""
    rows, columns = (
        [min(length, step * i - before + window) - max(0, step * i - before) for i in range(count)]
        for length, count, window, step, before in zip(size, output, kernel, stride, padding[::2], strict=True)
    )
    return rows, columns
