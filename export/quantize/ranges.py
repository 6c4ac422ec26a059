"""Observers: what values a tensor takes over the calibration images, and the range that int8 then covers.

One pass over the images collects everything that every calibrator needs, in bounded memory. An observer takes arrays of
any shape and layout; the formats feed it by tensor name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgebench.ground.records import Calibrator

Double = npt.NDArray[np.float64]
Range = tuple[float, float]
"""The lowest and the highest value that is kept; zero lies within."""

HALF: Final = 4096  # bins on each side of zero
LARGEST_SAMPLE: Final = 8192  # elements of one array that enter its histogram; the extremes are exact all the same
MOMENTUM: Final = 0.95  # of the moving average, as in ai-edge-quantizer
CENTRAL_SHARE: Final = 0.9999  # of the values that the percentile calibrator keeps
STEPS: Final = 255  # between the lowest and the highest of 256 values
NOTHING: Final = 1e-9  # the share that a bin has in place of none, so that a divergence stays finite
LEVELS: Final = 128  # that entropy compares a side of the distribution with, as in Migacz (2017)


@dataclass
class Observer:
    """Extremes, moving extremes and a histogram over [-limit, limit) of one tensor's values, zeros left out.

    Zeros are always stored exactly, so they count for no calibrator. `limit` doubles when larger values come, and
    neighbouring bins are then merged.
    """

    low: float = 0.0
    high: float = 0.0
    moving: Range | None = None
    limit: float = 0.0
    counts: Double = field(default_factory=lambda: np.zeros(2 * HALF))

    def add(self, values: npt.NDArray[Any]) -> None:
        """Takes the tensor's values for one image. Raises ValueError for values that are not finite."""
        low, high = float(values.min()), float(values.max())
        if not np.isfinite([low, high]).all():
            raise ValueError("an activation is not finite: the network overflows on a calibration image")
        self.low, self.high = min(self.low, low), max(self.high, high)
        if self.moving is None:
            self.moving = (low, high)
        else:
            old_low, old_high = self.moving
            self.moving = MOMENTUM * old_low + (1 - MOMENTUM) * low, MOMENTUM * old_high + (1 - MOMENTUM) * high
        if max(-low, high) > 0:
            flat = values.reshape(-1)
            self._count(flat if flat.size <= LARGEST_SAMPLE else flat[_positions(flat.size)], max(-low, high))

    @property
    def values(self) -> Double:
        """The middle of each bin."""
        middles: Double = (np.arange(2 * HALF, dtype=np.float64) - HALF + 0.5) * (self.limit / HALF)
        return middles

    def _count(self, sample: npt.NDArray[Any], largest: float) -> None:
        self.limit = self.limit or largest
        while largest > self.limit:
            merged = np.zeros(2 * HALF)
            merged[HALF // 2 : HALF // 2 * 3] = self.counts.reshape(-1, 2).sum(axis=1)
            self.limit, self.counts = 2 * self.limit, merged
        nonzero = sample[sample != 0]
        bins = np.floor(nonzero / self.limit * HALF).astype(np.int64) + HALF
        self.counts += np.bincount(np.clip(bins, 0, 2 * HALF - 1), minlength=2 * HALF)


def observe(passes: Iterable[Mapping[str, npt.NDArray[Any]]]) -> dict[str, Observer]:
    """Returns an observer for each tensor, by name. Each of `passes` maps names to one image's values."""
    observers: dict[str, Observer] = {}
    for tensors in passes:
        for name, values in tensors.items():
            observers.setdefault(name, Observer()).add(values)
    return observers


def ranges(observers: Mapping[str, Observer], calibrator: Calibrator) -> dict[str, Range]:
    """Returns each tensor's range by one calibrator; zero lies in every range, and none is empty."""
    found = {}
    for name, observer in observers.items():
        low, high = CALIBRATORS[calibrator](observer)
        low, high = min(low, 0.0), max(high, 0.0)
        found[name] = (low, high) if high > low else (0.0, 1.0)  # a tensor that is always zero may have any
    return found


def minmax(observer: Observer) -> Range:
    """Everything that was seen."""
    return observer.low, observer.high


def moving(observer: Observer) -> Range:
    """The moving average of each image's extremes, which forgets a single outlier."""
    return observer.moving or (0.0, 0.0)


def percentile(observer: Observer) -> Range:
    """The central 99.99% of the values other than zero."""
    total = observer.counts.sum()
    if not total:
        return minmax(observer)
    tail = (1 - CENTRAL_SHARE) / 2
    share = np.cumsum(observer.counts) / total
    width = observer.limit / HALF
    first, last = np.searchsorted(share, tail), np.searchsorted(share, 1 - tail)
    return _within((first - HALF) * width, (last + 1 - HALF) * width, observer)


def entropy(observer: Observer) -> Range:
    """The threshold of magnitude at which quantised values tell most of the distribution (Migacz, GTC 2017).

    It minimises the Kullback-Leibler divergence of the distribution, clipped, from the same in 128 levels.
    """
    counts = observer.counts[HALF:] + observer.counts[HALF - 1 :: -1]
    if not counts.any():
        return minmax(observer)
    filled = int(np.flatnonzero(counts)[-1]) + 1
    sizes = range(LEVELS, filled + 1, LEVELS)
    best = min(sizes, key=lambda size: _divergence(counts, size), default=filled)
    threshold = (best if best + LEVELS <= filled else filled) * observer.limit / HALF
    return _within(-threshold, threshold, observer)


def mse(observer: Observer) -> Range:
    """The range with the least expected squared error: of values beyond it, and of rounding within it."""
    shares = np.geomspace(0.01, 1, 96)
    low, high = np.meshgrid(observer.low * shares, observer.high * shares, indexing="ij")
    errors = _squared_error(observer, low, high)
    row, column = np.unravel_index(np.argmin(errors), errors.shape)
    return float(low[row, column]), float(high[row, column])


CALIBRATORS: Final[dict[Calibrator, Callable[[Observer], Range]]] = {
    "minmax": minmax,
    "moving": moving,
    "percentile": percentile,
    "entropy": entropy,
    "mse": mse,
}


def _squared_error(observer: Observer, low: Double, high: Double) -> Double:
    """Summed over the histogram, for each pair of ends: clipping exactly, rounding as step^2 / 12 (Bennett, 1948)."""
    values, counts = observer.values, observer.counts
    above = _clipped(values, counts, high)
    below = _clipped(-values[::-1], counts[::-1], -low)
    step = (high - low) / STEPS
    error: Double = above + below + counts.sum() * step**2 / 12
    return error


def _clipped(values: Double, counts: Double, ends: Double) -> Double:
    """Sum of counts * (value - end)^2 over the values above each end, by moments summed from the far side."""
    moments = [np.append(np.cumsum((counts * values**power)[::-1])[::-1], 0) for power in range(3)]
    at = np.searchsorted(values, ends)
    error: Double = moments[2][at] - 2 * ends * moments[1][at] + ends**2 * moments[0][at]
    return error


def _divergence(counts: Double, size: int) -> float:
    """KL divergence of the first `size` bins, with all beyond in the last, from the same in LEVELS levels."""
    clipped = counts[:size].copy()
    clipped[-1] += counts[size:].sum()
    rows = counts[:size].reshape(LEVELS, -1)
    filled = (rows > 0).sum(axis=1, keepdims=True)
    levels = np.where(rows > 0, rows.sum(axis=1, keepdims=True) / np.maximum(filled, 1), 0).reshape(-1)
    p, q = clipped / clipped.sum(), levels / max(levels.sum(), 1)
    seen = p > 0
    return float(np.sum(p[seen] * np.log(p[seen] / np.maximum(q[seen], NOTHING))))


def _within(low: float, high: float, observer: Observer) -> Range:
    return max(float(low), observer.low), min(float(high), observer.high)


@lru_cache(maxsize=256)
def _positions(size: int) -> npt.NDArray[np.int64]:
    """Positions at random, the same for every array of a size: a fixed stride would meet few of the channels."""
    return np.random.default_rng(size).integers(0, size, LARGEST_SAMPLE)
