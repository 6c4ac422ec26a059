"""The networks that a calibration runs: small ones whose times are made of different things.

Together they span what the form of a latency has a constant for (see form.py): wide and narrow convolutions, 1x1, 3x3
and larger, depthwise ones, big dense layers, sigmoids, normalisation, many small operators. None takes longer than
60 ms on a Raspberry Pi 4, all together 0.4 s, which is a minute under an emulator.
"""

from __future__ import annotations

from typing import Final, TypedDict

from edgebench import models
from edgebench.ground.records import ModelSpec


class Size(TypedDict, total=False):
    """What differs from a network's own scaling point."""

    width: float
    resolution: int


GRID: Final[tuple[tuple[str, Size], ...]] = (
    ("lenet5", {}),
    ("mobilenetv1", {"width": 0.25, "resolution": 128}),
    ("mobilenetv1", {"width": 0.5, "resolution": 192}),
    ("mobilenetv1", {"resolution": 96}),
    ("mobilenetv2", {"width": 0.35, "resolution": 96}),
    ("mobilenetv2", {"width": 0.5, "resolution": 224}),
    ("mobilenetv2", {"width": 1.4, "resolution": 96}),
    ("efficientnet_lite0", {"resolution": 96}),
    ("efficientnet_lite0", {"width": 0.5, "resolution": 160}),
    ("efficientnet_b0", {"resolution": 64}),
    ("efficientnet_b0", {"width": 0.5, "resolution": 128}),
    ("resnet18", {"resolution": 64}),
    ("resnet18", {"width": 0.25, "resolution": 160}),
    ("resnet50", {"width": 0.5, "resolution": 64}),
    ("vgg16", {"width": 0.25, "resolution": 96}),
    ("alexnet", {"width": 0.5}),
    ("googlenet", {"resolution": 64}),
    ("googlenet", {"width": 0.5, "resolution": 128}),
    ("nin", {"resolution": 96}),
)


def specs() -> list[ModelSpec]:
    """The grid's networks."""
    return [models.resolve(name, **size) for name, size in GRID]
