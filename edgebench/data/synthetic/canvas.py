"""What all generated images share: a grid, soft edges, smooth noise, light, and the way to 8 bits."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgebench.data.dataset import Pixels

Field = npt.NDArray[np.floating[Any]]
"""One number a pixel, [side, side]; or a colour a pixel, [side, side, 3]."""

LEAST_SIDE: Final = 64  # smaller images are drawn at this side and reduced, so that fine detail fades as in a camera


def grid(size: int) -> tuple[Field, Field]:
    """Returns x and y of every pixel's centre, from -1 to 1 across the image, for an image of `size` pixels."""
    side = max(size, LEAST_SIDE)
    line = (np.arange(side, dtype=np.float32) + 0.5) * (2 / side) - 1
    x, y = np.meshgrid(line, line)
    return x, y


def posed(random: np.random.Generator, x: Field, y: Field, radius: float, stretch: float) -> tuple[Field, Field]:
    """Returns coordinates that are turned at random, stretched by up to `stretch`, and 1 at `radius`."""
    angle, ratio = random.uniform(0, 2 * np.pi), random.uniform(1, stretch) ** 0.5
    cos, sin = np.cos(angle) / radius, np.sin(angle) / radius
    turned = (cos * x + sin * y) * ratio, (cos * y - sin * x) / ratio
    return turned[0].astype(np.float32), turned[1].astype(np.float32)


def soft(distance: Field, width: float) -> Field:
    """Returns 0 to 1 across an edge at distance 0, over `width`."""
    share: Field = np.clip(distance / width + 0.5, 0, 1)
    return share


def sine(phase: Field) -> Field:
    """Returns the sine of a field whose period is 1."""
    wave: Field = np.sin(phase * (2 * np.pi))
    return wave


def waves(random: np.random.Generator, x: Field, y: Field, frequency: float, count: int = 3) -> Field:
    """Returns smooth noise of about unit size: a few sine waves of about this frequency (radians) in any direction."""
    total = np.zeros_like(x)
    for angle, phase in random.uniform(0, 2 * np.pi, (count, 2)):
        scale = frequency * random.uniform(0.7, 1.3)
        across, down = float(scale * np.cos(angle)), float(scale * np.sin(angle))
        total += np.sin(across * x + down * y + float(phase))
    smooth: Field = total * (2 / count) ** 0.5
    return smooth


def two_colours(random: np.random.Generator) -> tuple[Field, Field]:
    """Returns two colours in 0..1 that differ by 0.35 to 0.6 in brightness, the first darker or lighter."""
    contrast = random.uniform(0.35, 0.6)
    dark = random.uniform(0.05, 0.95 - contrast)
    tints = random.uniform(-0.15, 0.15, (2, 3))
    colours = np.clip(np.asarray([[dark], [dark + contrast]]) + tints, 0, 1).astype(np.float32)
    first = int(random.integers(2))
    return colours[first], colours[1 - first]


def blend(below: Field, above: Field, share: Field) -> Field:
    """Returns `below` where `share` is 0 and `above` where it is 1."""
    blended: Field = below + (above - below) * share[..., None]
    return blended


def finish(random: np.random.Generator, image: Field, x: Field, y: Field, size: int) -> Pixels:
    """Lights an image [side, side, 3] from one side, adds a camera's noise, and gives `size` x `size` pixels."""
    angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0, 0.35)
    light = 1 + np.float32(strength * np.cos(angle)) * x + np.float32(strength * np.sin(angle)) * y
    noise = random.standard_normal(image.shape, dtype=np.float32) * np.float32(random.uniform(0.01, 0.05))
    pixels = np.clip((image * light[..., None] + noise) * 255 + 0.5, 0, 255).astype(np.uint8)
    if len(pixels) == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BOX))
