"""What accuracy to expect of a scaling point before anybody has trained it: a form fitted to published results.

    logit(top-1) = offset[design, recipe] - A width^-a - B depth^-b - C (resolution / 224)^-c

Width and depth are those of the rounded network (scalable.Base), the constants A, a, ... are shared by all designs, and
the offset is what one design reaches under one training recipe; where nobody has published that pair, it is the
design's part of its offsets plus the recipe's. It saturates: each axis has a most that it can give,
which is why scaling one axis alone loses to scaling all three (Tan and Le, 2019, section 3.2). The constants are in
data/prior.json, written by `python tests/benchmarks/fit_prior.py` from data/accuracy.csv and data/int8.csv.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from edgebench.ground.errors import unknown
from edgebench.ground.records import Record

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

AXES: Final = ("width", "depth", "resolution")
UNIT_RESOLUTION: Final = 224.0
CONFIDENCE: Final = 0.9
ANY: Final = "any"
"""In Prior.int8: what a design loses of which no pair was published."""
TIE: Final = 1.0
"""Differences under this many points of top-1 are within the prior's error: ties."""

COMMON_RECIPE: Final = "efficientnet_paper"
"""What several families are compared under: the trainings of the EfficientNet paper's tables 3 and 7."""

DEFAULT_RECIPE: Final[Mapping[str, str]] = {
    "mobilenetv1": "efficientnet_paper",
    "mobilenetv2": "efficientnet_paper",
    "efficientnet": "efficientnet_paper",
    "efficientnet_lite": "lite",
    "resnet_basic": "torchvision_v1",
    "resnet_bottleneck": "efficientnet_paper",
    "mobilenetv3_large": "slim",
    "mobilenetv3_small": "slim",
    "mobilenetv4_conv_small": "timm_ra4",
    "mobilenetv4_conv_medium": "timm_ra4",
    "mobilenetv4_conv_large": "timm_ra4",
    "mnasnet_b1": "torchvision_v1",
    "mnasnet_a1": "timm_rmsp",
    "shufflenetv2": "torchvision_v1",
    "squeezenet1_0": "torchvision_v1",
    "squeezenet1_1": "torchvision_v1",
    "efficientnetv2": "autoaugment",
    "efficientnetv2_s": "efficientnetv2",
}
"""The recipe of each design when it is scaled alone: the common one where it was published, else its authors'."""


class Saturation(Record, frozen=True, kw_only=True):
    """One axis: `amplitude` * x^-`exponent` is what is missing in logit at x."""

    amplitude: float
    exponent: float


class LeftOut(Record, frozen=True, kw_only=True):
    """Errors, in points of top-1, on rows that the fit did not see."""

    kin: str
    recipe: str
    rows: int
    mean: float
    worst: float


class Drop(Record, frozen=True, kw_only=True):
    """Points of top-1 that post-training int8 costs a design: the median of `rows` published pairs, +- `half_range`."""

    points: float
    half_range: float
    rows: int


class Prior(Record, frozen=True, kw_only=True):
    """The fitted constants.

    `within` and `transfer` are half-widths of the 90% interval in logit: inside the range in which a design's own
    rows lie, and outside it but inside `ranges`, where other designs' rows lie. `own` holds the former by design.
    `designs` and `recipes` make up the offsets of pairs that nobody has published, `between` is such a pair's
    half-width.
    """

    saturations: dict[str, Saturation]
    offsets: dict[str, dict[str, float]]
    designs: dict[str, float]
    recipes: dict[str, float]
    ranges: dict[str, tuple[float, float]]
    own: dict[str, dict[str, tuple[float, float]]]
    within: float
    transfer: float
    between: float
    int8: dict[str, Drop]
    left_out_point: list[LeftOut]
    left_out_design: list[LeftOut]
    left_out_pair: list[LeftOut]

    def recipe(self, kin: str, recipe: str | None) -> str:
        """The recipe to use for a design. Raises UsageError for one that no published row of any design has."""
        chosen = recipe or DEFAULT_RECIPE[kin]
        if chosen not in self.recipes:
            raise unknown("recipe", chosen, self.recipes)
        return chosen

    def published(self, kin: str, recipe: str) -> bool:
        """Whether a row of the design has this recipe."""
        return recipe in self.offsets[kin]

    def offset(self, kin: str, recipe: str) -> float:
        """What the design reaches under the recipe, in logit, before its axes take away what they lack."""
        known = self.offsets[kin].get(recipe)
        return self.designs[kin] + self.recipes[recipe] if known is None else known


@dataclass(frozen=True)
class Accuracy:
    """Top-1 in percent with its 90% interval, one entry a network; `outside` marks those beyond all published rows."""

    top1: Floats
    low: Floats
    high: Floats
    outside: Mask


@cache
def load() -> Prior:
    """The shipped constants."""
    return msgspec.json.decode(files(__package__).joinpath("data", "prior.json").read_bytes(), type=Prior)


def latent(saturations: Mapping[str, Saturation], width: Floats, depth: Floats, resolution: Floats) -> Floats:
    """What is missing in logit at real widths, depths and resolutions in pixels: at most zero."""
    points = dict(zip(AXES, (width, depth, resolution / UNIT_RESOLUTION), strict=True))
    total = np.zeros(np.broadcast_shapes(*(value.shape for value in points.values())))
    for axis, value in points.items():
        total = total - saturations[axis].amplitude * value ** -saturations[axis].exponent
    return total


def accuracy(
    kin: str, width: Floats, depth: Floats, resolution: Floats, *, precision: str = "fp32", recipe: str | None = None
) -> Accuracy:
    """Returns the expected top-1 of a design at real widths and depths (scalable.Base) and resolutions in pixels.

    Raises UsageError for an unknown recipe.
    """
    prior = load()
    chosen = prior.recipe(kin, recipe)
    level = prior.offset(kin, chosen) + latent(prior.saturations, width, depth, resolution)
    own = _inside(prior.own[kin], width, depth, resolution)
    half = np.where(own, prior.within, prior.transfer)
    if not prior.published(kin, chosen):
        half = np.maximum(half, prior.between)
    drop, slack = 0.0, 0.0
    if precision == "int8":
        lost = prior.int8.get(kin, prior.int8[ANY])
        drop, slack = lost.points, lost.half_range
    return Accuracy(
        top1=percent(level) - drop,
        low=percent(level - half) - drop - slack,
        high=percent(level + half) - drop + slack,
        outside=~_inside(prior.ranges, width, depth, resolution),
    )


def logit(top1: Floats) -> Floats:
    """Percent to log-odds."""
    result: Floats = np.log(top1 / (100.0 - top1))
    return result


def percent(level: Floats) -> Floats:
    """Log-odds to percent."""
    result: Floats = 100.0 / (1.0 + np.exp(-level))
    return result


def _inside(ranges: Mapping[str, tuple[float, float]], width: Floats, depth: Floats, resolution: Floats) -> Mask:
    inside = np.ones(np.broadcast_shapes(width.shape, depth.shape, resolution.shape), dtype=bool)
    for axis, value in zip(AXES, (width, depth, resolution), strict=True):
        low, high = ranges[axis]
        inside &= (value >= low * (1 - 1e-6)) & (value <= high * (1 + 1e-6))
    return inside
