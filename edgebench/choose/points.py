"""From a pool's columns to Points: the one-network estimate, with its interval, of the few that are shown."""

from __future__ import annotations

import math
from functools import cache

from msgspec.structs import replace

from edgebench.choose.pool import Pool
from edgebench.choose.prior import CONFIDENCE
from edgebench.choose.records import Point
from edgebench.estimate.estimator import estimate
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Interval
from edgebench.machines.profiles import DeviceProfile
from edgebench.models.sketch import sketch


class Describer:
    """Makes a Point of a candidate's index; each is estimated once.

    Where the pool's latency is not the estimate's, since confirmed networks have corrected it, the pool's holds.
    `calibrated_on` says what those estimates rest on.
    """

    def __init__(self, pool: Pool, device: DeviceProfile) -> None:
        self.pool = pool
        self.device = device
        self.point = cache(self._point)
        self.calibrated_on: set[str] = set()

    def _point(self, index: int) -> Point:
        columns = self.pool.columns
        spec, variant = self.pool.spec(index), self.pool.variant(index)
        found = estimate(sketch(spec), self.device, spec=spec, export=variant.export, threads=variant.threads)
        if found.latency_s is None or found.size_bytes is None:
            raise UsageError("; ".join(found.warnings))
        self.calibrated_on.add(found.calibrated_on)
        latency, note = _corrected(found.latency_s, float(columns.latency[index]))
        return Point(
            model=spec,
            export=variant.export,
            threads=variant.threads,
            origin=self.pool.origin(index),
            accuracy=Interval(
                value=float(columns.accuracy[index]),
                low=float(columns.accuracy_low[index]),
                high=float(columns.accuracy_high[index]),
                confidence=CONFIDENCE,
            ),
            extrapolated=bool(columns.outside[index]),
            latency_s=latency,
            peak_memory_bytes=None if found.peak_memory_bytes is None else round(float(columns.memory[index])),
            size_bytes=found.size_bytes,
            macs=int(columns.macs[index]),
            warnings=(*found.warnings, *note),
        )


def _corrected(told: Interval, latency_s: float) -> tuple[Interval, tuple[str, ...]]:
    """The estimate, or what confirmed networks make of it, and a note on that."""
    if latency_s == told.value or not math.isfinite(latency_s):
        return told, ()
    ratio = latency_s / told.value
    interval = replace(told, value=latency_s, low=told.low * ratio, high=told.high * ratio)
    return interval, (f"the estimate is multiplied by {ratio:.2f}, which confirmed networks were off by",)
