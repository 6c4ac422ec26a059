"""All candidates as columns: every network of the space, as every asked file, with what each gives and takes.

The few that are shown become Points: the one-network estimate, with its interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import product

import numpy as np
from msgspec.structs import replace

from edgebench.choose.prior import CONFIDENCE, Accuracy, Floats, Mask, accuracy
from edgebench.choose.records import Point, There
from edgebench.choose.scalable import Base
from edgebench.choose.space import Extent, Space, space
from edgebench.choose.table import Grid, Points, Table
from edgebench.estimate import calibrations, footprint
from edgebench.estimate.accelerated import known as processors
from edgebench.estimate.accelerated.estimator import costs as elsewhere
from edgebench.estimate.costs import Costs, on_cpu
from edgebench.estimate.estimator import estimate, missing
from edgebench.graph.memory import Indices
from edgebench.graph.operators import Graph
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Estimate, ExportSpec, Interval, ModelSpec
from edgebench.machines.profiles import DeviceProfile
from edgebench.models import resolve
from edgebench.runtimes import runtime_of

Expect = Callable[[Grid, Points, Floats, str], Accuracy]
"""What accuracies to expect of points of a grid, with these multiply-accumulates, in a precision."""


@dataclass(frozen=True)
class Variant:
    """One way to run a network: a file, a number of threads, and the `processor` where one is asked for."""

    export: ExportSpec
    threads: int
    processor: str | None = None

    def on(self, device: DeviceProfile) -> str:
        """The processor of a device that runs it. Raises UsageError for one that the device does not have."""
        return processors.processor(device, runtime_of(self.export.format), self.export.precision, self.processor)


@dataclass(frozen=True)
class Columns:
    """One entry a candidate. `space` and `variant` index the pool's lists, `position` the space's points."""

    space: Indices
    variant: Indices
    position: Indices
    accuracy: Floats
    accuracy_low: Floats
    accuracy_high: Floats
    outside: Mask
    latency: Floats
    memory: Floats
    size: Floats
    macs: Floats

    def __len__(self) -> int:
        return len(self.accuracy)

    def quantities(self) -> dict[str, Floats]:
        """The columns that budgets limit, by the names of budget.SHOW."""
        return {"latency": self.latency, "memory": self.memory, "size": self.size, "accuracy": self.accuracy}


@dataclass(frozen=True)
class Pool:
    """The candidates, and what their indices mean. Not `judged`: accuracies are not known, and their columns hold what
    own.by_macs orders candidates by."""

    spaces: tuple[Space, ...]
    variants: tuple[Variant, ...]
    columns: Columns
    judged: bool = True

    def spec(self, index: int) -> ModelSpec:
        """The network of one candidate, under its published name where it has one."""
        its_space = self.spaces[int(self.columns.space[index])]
        position = int(self.columns.position[index])
        name = next((name for name, where in its_space.published.items() if where == position), None)
        if name is not None:
            return resolve(name)
        return its_space.grid.spec(*its_space.at(position))

    def graph(self, index: int) -> Graph:
        """The graph of one candidate."""
        its_space = self.spaces[int(self.columns.space[index])]
        return its_space.grid.draw(*its_space.at(int(self.columns.position[index])))

    def variant(self, index: int) -> Variant:
        """How the candidate is run."""
        return self.variants[int(self.columns.variant[index])]

    def origin(self, index: int) -> str:
        """What the candidate's network is known as, or ""."""
        return self.spaces[int(self.columns.space[index])].origin.get(int(self.columns.position[index]), "")

    def published(self) -> list[int]:
        """Candidates that are published networks."""
        marks = [set(each.published.values()) for each in self.spaces]
        pairs = zip(self.columns.space.tolist(), self.columns.position.tolist(), strict=True)
        return [index for index, (number, position) in enumerate(pairs) if position in marks[number]]


def pool(
    bases: Sequence[Base],
    variants: Sequence[Variant],
    devices: Sequence[DeviceProfile],
    *,
    extent: Extent,
    recipe: str | None = None,
    extrapolate: bool = False,
) -> Pool:
    """Costs and expected accuracies of every candidate; those beyond the prior's range only with `extrapolate`.

    Raises UsageError when a device has no calibration for a variant, naming those it has.
    """

    def expect(grid: Grid, points: Points, _: Floats, precision: str) -> Accuracy:
        return accuracy(grid.base.kin, *grid.real(points), precision=precision, recipe=recipe)

    spaces = tuple(space(base, extent=extent) for base in bases)
    return filled(spaces, (Table(each.grid) for each in spaces), variants, devices, expect, extrapolate=extrapolate)


def filled(
    spaces: Sequence[Space],
    tables: Iterable[Table],
    variants: Sequence[Variant],
    devices: Sequence[DeviceProfile],
    expect: Expect,
    *,
    extrapolate: bool = False,
) -> Pool:
    """The candidates of some spaces, with the costs of their tables and what `expect` says of accuracies.

    Latencies are those of the slowest device. Raises UsageError as `pool` does.
    """
    for variant, device in product(variants, devices):
        costs(device, variant)
    parts = []
    for index, (its_space, table) in enumerate(zip(spaces, tables, strict=True)):
        every = np.arange(len(its_space))
        for number, variant in enumerate(variants):
            marks = (np.full(len(every), index), np.full(len(every), number), every)
            part = vars(_columns(marks, table, its_space.points, variant, devices, expect))
            for name, position in its_space.published.items():  # what is known of a network is in its own constants
                one = its_space.points.at(np.array([position]))
                part["latency"][position] = _slowest_s(table, one, variant, devices, resolve(name))[0]
            kept = extrapolate | ~part["outside"]
            parts.append({name: column[kept] for name, column in part.items()})
    columns = {each.name: np.concatenate([part[each.name] for part in parts]) for each in fields(Columns)}
    return Pool(tuple(spaces), tuple(variants), Columns(**columns))


def costs(device: DeviceProfile, variant: Variant, spec: ModelSpec | None = None) -> Costs:
    """What networks are estimated with in a variant; a known one, where its `spec` is given.

    Raises UsageError when there is nothing, or for more threads than cores.
    """
    found = known_costs(device, variant, spec)
    if found is not None:
        return found
    runtime, export, on = runtime_of(variant.export.format), variant.export, variant.on(device)
    if on != "cpu":
        raise UsageError(processors.missing(device, on, runtime, export.precision))
    raise UsageError(missing(device, runtime, export, variant.threads))


def known_costs(device: DeviceProfile, variant: Variant, spec: ModelSpec | None = None) -> Costs | None:
    """As `costs`, None when there is nothing. Raises UsageError for more threads than cores."""
    if not 1 <= variant.threads <= device.cpu.cores:
        raise UsageError(f"{variant.threads} threads on {device.name}: give 1 to {device.cpu.cores}, its cores")
    runtime, precision = runtime_of(variant.export.format), variant.export.precision
    on = variant.on(device)
    if on != "cpu":
        return elsewhere(device, on, runtime, precision, spec)
    calibration = calibrations.calibration(device, runtime, precision, variant.threads, spec)
    return None if calibration is None else on_cpu(device, calibration)


def _columns(
    marks: tuple[Indices, Indices, Indices],
    table: Table,
    points: Points,
    variant: Variant,
    devices: Sequence[DeviceProfile],
    expect: Expect,
) -> Columns:
    precision, runtime = variant.export.precision, runtime_of(variant.export.format)
    counts = table.counts(points, runtime)
    size = np.rint(footprint.file_size(counts.weights, counts.operators, precision))
    arena = table.arena_bytes(points, footprint.element_bytes(precision))
    held = footprint.Held(counts.weights, counts.dense_weights, counts.winograd_weights, arena, size)
    on_cpus = all(variant.on(device) == "cpu" for device in devices)
    known = footprint.memory_size(held, runtime, precision) if on_cpus else None
    memory = np.zeros(len(points)) if known is None else np.rint(known)  # zero: it is not known
    macs = counts.macs.astype(float)
    expected = expect(table.grid, points, macs, precision)
    return Columns(
        *marks,
        accuracy=expected.top1,
        accuracy_low=expected.low,
        accuracy_high=expected.high,
        outside=expected.outside,
        latency=_slowest_s(table, points, variant, devices),
        memory=memory,
        size=size,
        macs=macs,
    )


def _slowest_s(
    table: Table, points: Points, variant: Variant, devices: Sequence[DeviceProfile], spec: ModelSpec | None = None
) -> Floats:
    """Seconds on the slowest of the devices, of points that are the known network `spec` where it is given."""
    every = [table.latency_s(points, costs(each, variant, spec)) for each in devices]
    slowest: Floats = np.max(every, axis=0)
    return slowest


class Describer:
    """Makes a Point of a candidate's index; each is estimated once.

    Where the pool's latency is not the estimate's, since confirmed networks have corrected it, the pool's holds.
    `calibrated_on` says what those estimates rest on.
    """

    def __init__(self, pool: Pool, devices: Sequence[DeviceProfile]) -> None:
        self.pool = pool
        self.devices = devices
        self.point = cache(self._point)
        self.calibrated_on: set[str] = set()

    def _point(self, index: int) -> Point:
        columns = self.pool.columns
        spec, variant = self.pool.spec(index), self.pool.variant(index)
        graph = self.pool.graph(index)
        found = [
            estimate(
                graph, device, spec=spec, export=variant.export, threads=variant.threads, processor=variant.on(device)
            )
            for device in self.devices
        ]
        self.calibrated_on.update(each.calibrated_on for each in found)
        slowest = max(found, key=_seconds)
        ratio, note = _correction(_seconds(slowest), float(columns.latency[index]))
        there = [
            There(device=each.device, latency_s=_times(each.latency_s, ratio), processor=each.processor)
            for each in sorted(found, key=_seconds, reverse=True)
            if each.latency_s is not None
        ]
        return Point(
            model=spec,
            export=variant.export,
            threads=variant.threads,
            processor=slowest.processor,
            origin=self.pool.origin(index),
            accuracy=self._accuracy(index) if self.pool.judged else None,
            extrapolated=bool(columns.outside[index]),
            latency_s=there[0].latency_s,
            there=tuple(there) if len(there) > 1 else (),
            peak_memory_bytes=None if slowest.peak_memory_bytes is None else round(float(columns.memory[index])),
            size_bytes=slowest.size_bytes or 0,
            macs=int(columns.macs[index]),
            warnings=(*slowest.warnings, *note),
        )

    def _accuracy(self, index: int) -> Interval:
        columns = self.pool.columns
        return Interval(
            value=float(columns.accuracy[index]),
            low=float(columns.accuracy_low[index]),
            high=float(columns.accuracy_high[index]),
            confidence=CONFIDENCE,
        )


def _seconds(alone: Estimate) -> float:
    """Raises UsageError, in its own words, for an estimate without a latency."""
    if alone.latency_s is None:
        raise UsageError("; ".join(alone.warnings))
    return alone.latency_s.value


def _correction(told_s: float, latency_s: float) -> tuple[float, tuple[str, ...]]:
    """What confirmed networks make of an estimate, as a factor, and a note on that."""
    if math.isclose(latency_s, told_s) or not math.isfinite(latency_s):
        return 1.0, ()
    ratio = latency_s / told_s
    return ratio, (f"the estimate is multiplied by {ratio:.2f}, which confirmed networks were off by",)


def _times(told: Interval, ratio: float) -> Interval:
    return replace(told, value=told.value * ratio, low=told.low * ratio, high=told.high * ratio)
