"""What an accuracy prior learns from trainings on one's own data: an offset, and how much its differences count.

    logit(top-1 on the data) = offset[rung] + slope * logit(top-1 expected)

A rung is a number of epochs; networks that are trained longer are better, all by about the same offset in logit. The
slope starts from 1, what published trainings say, and moves as far as the trainings force it to: data on which small
networks are nearly as good as large ones have a small one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from edgebench.choose.prior import Floats, load, logit, percent
from edgebench.ground.records import Interval, ModelSpec, Record

_SLOPE_SPREAD: Final = 0.5  # how far from 1 a slope is expected before anything was trained
_QUANTILE: Final = 1.645  # of a normal distribution, for 90%


class Training(Record, frozen=True, kw_only=True):
    """One proxy: the expected top-1 and what `epochs` gave on `images` validation images of `classes`, in percent."""

    model: ModelSpec
    rung: int
    epochs: int
    expected: float
    accuracy: float
    images: int
    classes: int

    @property
    def is_chance(self) -> bool:
        """Whether guessing would often do as well: the accuracy is within three standard errors of one in `classes`."""
        guess = 1 / self.classes
        return self.accuracy / 100 < guess + 3 * math.sqrt(guess * (1 - guess) / self.images)


class Learned(Record, frozen=True, kw_only=True):
    """The prior's offset and slope on a data set, in logit, after the last rung; `spread` is a 90% half-width."""

    data: str
    trainings: tuple[Training, ...]
    offset: float
    slope: float
    spread: float

    def accuracy(self, expected: Floats) -> Floats:
        """The top-1 to expect on the data, in percent, where the prior expects `expected`."""
        return percent(self.offset + self.slope * logit(expected))

    def interval(self, expected: Interval) -> Interval:
        """The same with its interval."""
        level = logit(self.accuracy(np.array([expected.value])))
        low, value, high = (float(percent(level + step)[0]) for step in (-self.spread, 0.0, self.spread))
        return Interval(value=value, low=low, high=high, confidence=expected.confidence)


def learn(data: str, trainings: Sequence[Training]) -> Learned:
    """Fits offset and slope by least squares, each training weighted by how many images judge it.

    `trainings` must not be empty. Its interval covers the residuals of this fit, the images' own chance, and never
    less than what the prior is off on published networks.
    """
    rungs = sorted({each.rung for each in trainings})
    member = np.array([[float(each.rung == rung) for rung in rungs] for each in trainings])
    expected = logit(np.array([each.expected for each in trainings]))
    images = np.array([each.images for each in trainings], dtype=float)
    edge = 50.0 / images  # an accuracy is kept half an image from 0 and from 100%
    inside = np.clip([each.accuracy for each in trainings], edge, 100.0 - edge)
    reached = logit(inside)
    # One over the standard error in logit: the images' chance, and what the prior itself is off by.
    chance = 1 / (images * inside / 100 * (1 - inside / 100))
    weight = (chance + (load().within / _QUANTILE) ** 2) ** -0.5
    design = np.column_stack([member, expected]) * weight[:, None]
    belief = np.append(np.zeros(len(rungs)), 1 / _SLOPE_SPREAD)
    solved = np.linalg.lstsq(np.vstack([design, belief]), np.append(reached * weight, 1 / _SLOPE_SPREAD), rcond=None)[0]
    rest = (reached - np.column_stack([member, expected]) @ solved) * weight
    free = max(1, len(trainings) - len(rungs))
    scale = max(1.0, float(np.sqrt((rest**2).sum() / free)))
    typical = scale / float(np.median(weight))
    return Learned(
        data=data,
        trainings=tuple(trainings),
        offset=float(solved[len(rungs) - 1]),
        slope=max(0.0, float(solved[-1])),
        spread=max(load().within, _QUANTILE * typical),
    )
