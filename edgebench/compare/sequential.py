"""An interval of a ratio that may be looked at after every pair of processes: valid at any stopping time.

A pair is one process of either side, one right after the other in random order. When both sides are alike, the order
alone decides the sign of x = ln(new/base), whatever the machine does between pairs, so x is symmetric about 0. For a
symmetric x, any fixed `rate` and any `stake` below 1, the factor 1 + stake * tanh(rate * x) has mean 1 (average it over
x and -x). A product of such factors is therefore a nonnegative martingale, and by Ville's inequality it ever exceeds
1/alpha with probability alpha at most: no price has to be paid for looking again. See Ramdas, Ruf, Larsson and Koolen,
"Admissible anytime-valid sequential inference must rely on nonnegative martingales", arXiv:2009.03167, whose example
is the test of symmetry, and Howard, Ramdas, McAuliffe and Sekhon 2021, Annals of Statistics 49, for intervals that are
valid over time.

It is a bet on the sign of x, small for a small x. A pair at most doubles what was won, and costs at most the stake, so
a process that met a busy neighbour neither decides nor ruins the rest. The best rate is about (effect)/(variance), the
best stake that much smaller the more pairs are disturbed; nobody knows either beforehand, but an average of such
products over several rates and stakes is a martingale again. The interval holds every shift that neither the upper nor
the lower test has rejected so far.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np

from edgebench.compare.statistics import ALPHA, Array
from edgebench.ground.records import Interval

# From a 5% effect in 10% noise (rate 5) to a 1% effect in 0.5% noise (rate 400), in octaves.
RATES: Final = 2.0 ** np.arange(2, 10)

# For a machine that disturbs one pair in three, and for one that disturbs next to none. Staking all, as the factor
# exp(rate * x)/cosh(rate * x) does, saves one pair on a quiet machine and never ends on a busy one.
STAKES: Final = np.array([0.6, 0.95])

# Bisection to a relative accuracy of 1e-5, well under any latency's noise.
_STEPS: Final = 40
_WIDEST: Final = math.log(100.0)


def interval(base: Sequence[float], new: Sequence[float], alpha: float = ALPHA) -> Interval:
    """The ratio new/base of paired values with its anytime-valid interval at 1 - alpha.

    The sides are positive and equally long; the interval is (0.01, 100) while there are too few pairs for any.
    """
    x = np.log(np.asarray(new, dtype=np.float64)) - np.log(np.asarray(base, dtype=np.float64))
    # The median of all pairwise means (Hodges and Lehmann 1963) is the estimate that belongs to a symmetric shift.
    means = (x[:, None] + x[None, :]) / 2
    return Interval(
        value=math.exp(float(np.median(means[np.triu_indices(len(x))]))),
        low=math.exp(_lower_bound(x, alpha / 2)),
        high=math.exp(-_lower_bound(-x, alpha / 2)),
        confidence=1 - alpha,
    )


def evidence(x: Array) -> Array:
    """ln of the averaged martingale after 1, 2, ... pairs, against "x is symmetric about 0 or less"."""
    factors = np.log1p(np.multiply.outer(STAKES, np.tanh(np.multiply.outer(RATES, x))))
    paths = np.cumsum(factors, axis=-1).reshape(-1, len(x))
    averaged: Array = np.logaddexp.reduce(paths, axis=0) - math.log(len(paths))
    return averaged


def is_bounded(ratio: Interval, pairs: int) -> bool:
    """Whether the interval of so many pairs says anything: fewer than the least leave it at its placeholder."""
    return pairs >= least_pairs(round(1 - ratio.confidence, 9))


@cache
def least_pairs(alpha: float = ALPHA) -> int:
    """The fewest pairs that can exclude a ratio of 1: all of them far on one side."""
    pairs = 1
    while evidence(np.full(pairs, np.inf))[-1] < math.log(2 / alpha):
        pairs += 1
    return pairs


def _lower_bound(x: Array, alpha: float) -> float:
    """The largest shift that has been rejected from below at any time so far."""
    low, high = -_WIDEST, _WIDEST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        rejected = len(x) > 0 and float(evidence(x - middle).max()) >= -math.log(alpha)
        low, high = (middle, high) if rejected else (low, middle)
    return low
