"""How a scaling point changes a table: channel and repeat rounding, and the compound rule. Plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from edgebench.ground.errors import UsageError

Row = TypeVar("Row")

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
"""Depth, width and resolution at phi = 1; alpha * beta^2 * gamma^2 = 1.92, about twice the MACs
(Tan and Le, EfficientNet, 2019, section 3.3)."""

_SHOWN = 1e-6  # by which a number of six digits may be off

PHI_LIMIT = 10.0
"""Beyond it a network has 6 times the depth and 4 times the resolution (or a fraction): surely a slip."""


def round_channels(channels: float, divisor: int = 8, least: float = 0.9) -> int:
    """Returns the multiple of `divisor` nearest to `channels`, at least `divisor` and never under 90% of it.

    Source: round_filters in tensorflow/tpu efficientnet_model.py; _make_divisible in slim's mobilenet.py. `least` is
    another share than 90%.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < least * channels else rounded


def round_repeats(repeats: int, depth: float) -> int:
    """Returns ceil(repeats * depth), at least 1 (round_repeats in tensorflow/tpu efficientnet_model.py).

    A product that is whole but for rounding counts as whole: a depth of 2/3 is shown, and typed, as 0.666667.
    """
    return max(1, math.ceil(repeats * depth * (1 - _SHOWN)))


def repeated(rows: Sequence[Row], depth: float) -> list[Row]:
    """Returns the blocks of a stage whose rows differ, as many as `round_repeats` says: the last row as often as it
    takes, or the first rows only."""
    count = round_repeats(len(rows), depth)
    return [*rows[:count], *[rows[-1]] * (count - len(rows))]


def compound(phi: float, resolution: int = 224) -> tuple[float, float, int]:
    """Returns (width, depth, resolution) = (1.1^phi, 1.2^phi, 1.15^phi times `resolution`) for any real phi.

    The resolution is rounded to the nearest multiple of 8, at least 8. EfficientNet's published B1..B7 are near this
    line and not on it. Raises UsageError unless -10 <= phi <= 10.
    """
    if not -PHI_LIMIT <= phi <= PHI_LIMIT:
        raise UsageError(f"phi {phi:g} is out of range: use a number from -{PHI_LIMIT:g} to {PHI_LIMIT:g}")
    return BETA**phi, ALPHA**phi, max(8, int(resolution * GAMMA**phi / 8 + 0.5) * 8)
