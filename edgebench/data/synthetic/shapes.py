"""The set `shapes`: five outlines, each with one of eight fine patterns, on a cluttered ground."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from edgebench.data.dataset import Pixels
from edgebench.data.synthetic.canvas import Field, blend, finish, grid, posed, soft, two_colours, waves

PITCH: Final = (0.14, 0.22)  # of a pattern, in half images: 4.5 to 7 pixels of 64, under 2 of 16
RIM: Final = 0.13  # of an object's radius, in one colour: what tells outlines apart when patterns do not
CLUTTER: Final = 3


def _polygon(corners: int, waist: float) -> Callable[[Field, Field], Field]:
    """Distance inside a star with corners at 1 and waists at `waist`; cos(pi / corners) makes it a regular polygon."""
    half = math.pi / corners
    edge = waist * math.cos(half) - 1, waist * math.sin(half)  # from a corner to the waist after it
    across, along = edge[0] / math.hypot(*edge), edge[1] / math.hypot(*edge)

    def inside(x: Field, y: Field) -> Field:
        radius, angle = np.hypot(x, y), np.arctan2(y, x)
        folded = half - np.abs(angle % (2 * half) - half)  # from the nearest corner
        distance: Field = radius * np.sin(folded) * across - (radius * np.cos(folded) - 1) * along
        return distance

    return inside


def _cross(x: Field, y: Field) -> Field:
    width, length, arm = np.abs(x), np.abs(y), 0.32
    upright = np.minimum(arm - width, 0.95 - length)
    return np.maximum(upright, np.minimum(arm - length, 0.95 - width))


OUTLINES: Final[dict[str, Callable[[Field, Field], Field]]] = {
    "disc": lambda x, y: 0.85 - np.hypot(x, y),
    "triangle": _polygon(3, math.cos(math.pi / 3)),
    "square": _polygon(4, math.cos(math.pi / 4)),
    "star": _polygon(5, 0.45),
    "cross": _cross,
}
# Of coordinates in radians a pitch: a field whose sign is the pattern.
PATTERNS: Final[dict[str, Callable[[Field, Field], Field]]] = {
    "striped": lambda u, v: np.sin(u),
    "checked": lambda u, v: np.sin(u) * np.sin(v) * 1.5,
    "dotted": lambda u, v: np.cos(u) + np.cos(v) - 0.6,
    "ringed": lambda u, v: np.sin(np.hypot(u, v)),
    "waved": lambda u, v: np.sin(u + 1.6 * np.sin(v * 0.6)),
    "hatched": lambda u, v: np.maximum(np.cos(u), np.cos(v)) - 0.7,
    "rayed": lambda u, v: np.sin(14 * np.arctan2(v, u)),
    "plain": lambda u, v: np.ones_like(u),
}
CLASSES: Final = tuple(f"{pattern} {outline}" for pattern in PATTERNS for outline in OUTLINES)
"""The first ten are the five outlines, striped and checked: half of what tells them apart is fine detail."""


def draw(random: np.random.Generator, label: int, size: int) -> Pixels:
    """Draws one image of class `label`, uint8 [size, size, 3]."""
    x, y = grid(size)
    pattern, outline = CLASSES[label].split(" ")
    image = _ground(random, x, y)
    radius = random.uniform(0.55, 0.8)
    across, down = (random.uniform(-1, 1, 2) * (0.9 - radius)).tolist()
    near_x, near_y = x - across, y - down
    inside = OUTLINES[outline](*posed(random, near_x, near_y, radius, 1.2))
    pitch = random.uniform(*PITCH) / (2 * np.pi)
    marks = soft(PATTERNS[pattern](*posed(random, near_x, near_y, pitch, 1.2)), 0.8)
    light, dark = two_colours(random)
    marked = blend(np.broadcast_to(light, image.shape), dark, marks)
    image = blend(image, random.uniform(0, 1, 3).astype(np.float32), soft(inside, 0.05))
    image = blend(image, marked, soft(inside - RIM, 0.05))
    return finish(random, image, x, y, size)


def _ground(random: np.random.Generator, x: Field, y: Field) -> Field:
    """A smooth two-coloured ground with plain blobs on it, in the way of whoever looks for edges or colours."""
    first, second = random.uniform(0.1, 0.9, (2, 3)).astype(np.float32)
    image = blend(np.broadcast_to(first, (*x.shape, 3)), second, soft(waves(random, x, y, 2.5), 4.0))
    for centre in random.uniform(-1, 1, (CLUTTER, 2)).astype(np.float32):
        radius = random.uniform(0.08, 0.3)
        u, v = posed(random, x - centre[0], y - centre[1], radius, 3.0)
        colour = random.uniform(0.05, 0.95, 3).astype(np.float32)
        image = blend(image, colour, soft(1 - u * u - v * v, 0.3))
    return image
