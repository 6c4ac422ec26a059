"""The set `textures`: twelve materials that fill the image. Other classes than `shapes`, to transfer from or to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from edgebench.data.dataset import Pixels
from edgebench.data.synthetic.canvas import Field, blend, finish, grid, posed, sine, soft, two_colours, waves

Material = Callable[[np.random.Generator, Field, Field], Field]
"""A field whose sign is the material's pattern, of coordinates with a period of about 1."""


def _bricks(random: np.random.Generator, u: Field, v: Field) -> Field:
    shifted = u * 0.5 + 0.5 * (np.floor(v) % 2)
    across, down = np.abs(shifted % 1 - 0.5), np.abs(v % 1 - 0.5)
    inside: Field = np.minimum(0.46 - across, 0.42 - down) * 8
    return inside


def _marble(random: np.random.Generator, u: Field, v: Field) -> Field:
    warp = 2 * waves(random, u, v, 1.2, 4) + waves(random, u, v, 4, 4)
    return np.abs(sine((2 * u + warp) / (2 * np.pi))) * 2 - 0.7


def _weave(random: np.random.Generator, u: Field, v: Field) -> Field:
    over = (np.floor(u) + np.floor(v)) % 2 == 0
    return np.where(over, sine(u % 1 / 2), sine(v % 1 / 2) - 1) - 0.1


def _scales(random: np.random.Generator, u: Field, v: Field) -> Field:
    shifted = u + 0.5 * (np.floor(v) % 2)
    inside: Field = 0.75 - np.hypot(shifted % 1 - 0.5, v % 1) * 1.1
    return inside


def _cells(random: np.random.Generator, u: Field, v: Field) -> Field:
    nearest, second = _nearest(random, u, v)
    return (second - nearest) * 3 - 0.5


MATERIALS: Final[dict[str, Material]] = {
    "bricks": _bricks,
    "wood": lambda random, u, v: sine(np.hypot(u * 0.25, v) + waves(random, u, v, 0.9) * 0.5),
    "marble": _marble,
    "weave": _weave,
    "scales": _scales,
    "plaid": lambda random, u, v: sine(u) + sine(v) * 0.9 + sine(2 * u) * 0.4,
    "zigzag": lambda random, u, v: sine(v + 2 * np.abs(u * 0.5 % 1 - 0.5)),
    "cells": _cells,
    "pebbles": lambda random, u, v: 0.9 - _nearest(random, u, v)[0] * 2.4,
    "spiral": lambda random, u, v: sine(np.hypot(u, v) * 0.8 + np.arctan2(v, u) / np.pi),
    "gravel": lambda random, u, v: waves(random, u, v, 5, 9),
    "rain": lambda random, u, v: waves(random, u * 2, v * 0.3, 5, 9),
}
CLASSES: Final = tuple(MATERIALS)


def draw(random: np.random.Generator, label: int, size: int) -> Pixels:
    """Draws one image of class `label`, uint8 [size, size, 3]."""
    x, y = grid(size)
    u, v = posed(random, x, y, random.uniform(0.22, 0.36), 1.3)
    shift = random.uniform(-0.5, 0.5, 2).astype(np.float32)
    bend = random.uniform(0, 0.25) * waves(random, x, y, 3)
    field = MATERIALS[CLASSES[label]](random, u + shift[0] + bend, v + shift[1] - bend)
    low, high = two_colours(random)
    stain = soft(waves(random, x, y, 3), 4.0)
    ground = blend(np.broadcast_to(low, (*x.shape, 3)), np.clip(low + 0.12, 0, 1), stain)
    return finish(random, blend(ground, high, soft(field, 1.0)), x, y, size)


def _nearest(random: np.random.Generator, u: Field, v: Field) -> tuple[Field, Field]:
    """Distances to the nearest and the second nearest of 36 jittered centres around the origin."""
    lattice = np.stack(np.meshgrid(*[np.linspace(-4, 4, 6)] * 2), axis=-1).reshape(-1, 2)
    centres = (lattice + random.uniform(-0.6, 0.6, lattice.shape)).astype(np.float32)
    first, second = np.full_like(u, np.inf), np.full_like(u, np.inf)
    for centre in centres:
        distance = (u - centre[0]) ** 2 + (v - centre[1]) ** 2
        second = np.minimum(second, np.maximum(first, distance))
        first = np.minimum(first, distance)
    return np.sqrt(first), np.sqrt(second)
