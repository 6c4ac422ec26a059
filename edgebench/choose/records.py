"""The answer's records: what was chosen, from what, and why everything else lost."""

from __future__ import annotations

from msgspec.structs import replace

from edgebench.choose.budget import Budget
from edgebench.choose.learning import Learned
from edgebench.ground.records import SCHEMA, ExportSpec, Interval, ModelSpec, Parity, Provenance, Record


class There(Record, frozen=True, kw_only=True):
    """What a network takes on one of several devices."""

    device: str
    latency_s: Interval
    processor: str = "cpu"
    provenance: Provenance = "estimated"


class Point(Record, frozen=True, kw_only=True):
    """One network as one file, run by a processor with so many threads, and what it gives and takes.

    `accuracy` is the expected top-1 in percent, never measured here, or None where nothing tells it; `extrapolated`
    when no published row reaches so far. `origin` is a published network's name, or the place on a compound line, or
    "". `path` is the exported file.
    `peak_memory_bytes` is None where it is not known of the runtime or processor. `there` has each of several devices,
    the slowest first, and `latency_s` is the slowest's.
    """

    model: ModelSpec
    export: ExportSpec
    threads: int
    processor: str = "cpu"
    origin: str = ""
    accuracy: Interval | None
    extrapolated: bool = False
    latency_s: Interval
    provenance: Provenance = "estimated"
    peak_memory_bytes: int | None = None
    memory_provenance: Provenance = "estimated"
    size_bytes: int
    macs: int
    path: str | None = None
    sha256: str | None = None
    parity: Parity | None = None
    there: tuple[There, ...] = ()
    warnings: tuple[str, ...] = ()

    def on(self, device: str) -> Point:
        """The point as it is on one of its devices."""
        for each in self.there:
            if each.device == device:
                return replace(
                    self, latency_s=each.latency_s, processor=each.processor, provenance=each.provenance, there=()
                )
        return self

    @property
    def worth(self) -> float:
        """What points are ordered by: the expected accuracy, else the multiply-accumulates."""
        return float(self.macs) if self.accuracy is None else self.accuracy.value

    @property
    def key(self) -> tuple[str, str, int]:
        """What the point is: network, file, threads; however much is known of it."""
        return self.model.key, self.export.key, self.threads


class Rejected(Record, frozen=True, kw_only=True):
    """A point that somebody might have expected, and the reasons why it lost, most telling first."""

    point: Point
    reasons: tuple[str, ...]


class Headroom(Record, frozen=True, kw_only=True):
    """How much of a limit is left: `left` is the share of `limit` that `value` does not use."""

    name: str
    limit: float
    value: float
    left: float


class Choice(Record, frozen=True, kw_only=True):
    """The chosen point and its reasons. `device` has several names with commas where it was chosen for all of them.

    `ties` are points whose accuracy differs by less than the prior can tell (prior.TIE) and that take less time;
    `upgrade` is the fastest network that is better by more than a tie, whatever limit it breaks. `frontier` holds the
    points that no other beats in accuracy, latency and memory at once, fastest first, within the limits and beyond:
    some of `frontier_points`, evenly spaced. `learned` is there when accuracies are those of a data set of one's own.
    """

    schema: int = SCHEMA
    id: str
    time: str
    device: str
    family: str
    budget: Budget
    recipes: dict[str, str]
    picked: Point
    confirmed: tuple[Point, ...] = ()
    ties: tuple[Point, ...] = ()
    upgrade: Point | None = None
    frontier: tuple[Point, ...] = ()
    frontier_points: int = 0
    rejected: tuple[Rejected, ...] = ()
    headroom: tuple[Headroom, ...] = ()
    candidates: int
    search_s: float
    learned: Learned | None = None
    calibrated_on: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
