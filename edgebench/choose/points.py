"""From a pool's columns to Points: the one-network estimate, with its interval, of the few that are shown."""

from __future__ import annotations

from functools import cache

from edgebench.choose.pool import Pool
from edgebench.choose.prior import CONFIDENCE
from edgebench.choose.records import Point
from edgebench.errors import UsageError
from edgebench.estimate import estimate
from edgebench.graph.sketch import sketch
from edgebench.profiles import DeviceProfile
from edgebench.records import Interval


class Describer:
    """Makes a Point of a candidate's index; each is estimated once.

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
            latency_s=found.latency_s,
            peak_memory_bytes=found.peak_memory_bytes,
            size_bytes=found.size_bytes,
            macs=int(columns.macs[index]),
            warnings=found.warnings,
        )
