"""All candidates as columns: every network of the space, as every asked file, with what each gives and takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from edgebench.choose.arena import Indices
from edgebench.choose.prior import Floats, Mask, accuracy
from edgebench.choose.scalable import Base
from edgebench.choose.space import Extent, Line, Space, space
from edgebench.choose.table import Points, Table
from edgebench.estimate import footprint
from edgebench.estimate.estimator import calibration_for, missing
from edgebench.estimate.form import machine_of
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ExportSpec, ModelSpec
from edgebench.machines.profiles import Calibration, DeviceProfile
from edgebench.models import resolve
from edgebench.runtimes import runtime_of


@dataclass(frozen=True)
class Variant:
    """One way to run a network: a file and a number of threads."""

    export: ExportSpec
    threads: int


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
    """The candidates, and what their indices mean."""

    spaces: tuple[Space, ...]
    variants: tuple[Variant, ...]
    columns: Columns

    def spec(self, index: int) -> ModelSpec:
        """The network of one candidate, under its published name where it has one."""
        found = self.spaces[int(self.columns.space[index])]
        position = int(self.columns.position[index])
        name = next((name for name, where in found.published.items() if where == position), None)
        if name is not None:
            return resolve(name)
        grid, points = found.grid, found.points
        return resolve(
            grid.base.name,
            width=grid.widths[points.width[position]],
            depth=grid.depths[points.depth[position]],
            resolution=grid.resolutions[points.resolution[position]],
        )

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
        return [index for index, (found, position) in enumerate(pairs) if position in marks[found]]


def pool(
    bases: Sequence[Base],
    variants: Sequence[Variant],
    device: DeviceProfile,
    *,
    extent: Extent,
    lines: Sequence[Line] = (Line(),),
    recipe: str | None = None,
    extrapolate: bool = False,
) -> Pool:
    """Costs and expected accuracies of every candidate; those beyond the prior's range only with `extrapolate`.

    Raises UsageError when the device has no calibration for a variant, naming those it has.
    """
    calibrations = [calibrated(device, variant) for variant in variants]
    spaces = tuple(space(base, extent=extent, lines=lines) for base in bases)
    parts = []
    for index, found in enumerate(spaces):
        table = Table(found.grid)
        every = np.arange(len(found))
        for number, (variant, calibration) in enumerate(zip(variants, calibrations, strict=True)):
            marks = (np.full(len(every), index), np.full(len(every), number), every)
            parts.append(
                _where(_columns(marks, table, found.points, variant, calibration, device, recipe), extrapolate)
            )
    return Pool(spaces, tuple(variants), _joined(parts))


def calibrated(device: DeviceProfile, variant: Variant) -> Calibration:
    """The calibration of a variant. Raises UsageError when there is none, or for more threads than cores."""
    if not 1 <= variant.threads <= device.cpu.cores:
        raise UsageError(f"{variant.threads} threads on {device.name}: give 1 to {device.cpu.cores}, its cores")
    runtime = runtime_of(variant.export.format)
    found = calibration_for(device, runtime, variant.export.precision, variant.threads)
    if found is None:
        raise UsageError(missing(device, runtime, variant.export, variant.threads))
    return found


def _columns(
    marks: tuple[Indices, Indices, Indices],
    table: Table,
    points: Points,
    variant: Variant,
    calibration: Calibration,
    device: DeviceProfile,
    recipe: str | None,
) -> Columns:
    grid, precision = table.grid, variant.export.precision
    counts = table.counts(points)
    size = np.rint(footprint.file_size(counts.weights, counts.operators, precision))
    arena = table.arena_bytes(points, footprint.element_bytes(precision))
    held = footprint.Held(counts.weights, counts.dense_weights, counts.winograd_weights, arena, size)
    found = footprint.memory_size(held, calibration.runtime, precision)
    memory = np.zeros(len(points)) if found is None else np.rint(found)  # zero: it is not known for the runtime
    widths = np.array([grid.base.real_width(width) for width in grid.widths])[points.width]
    depths = np.array([grid.base.real_depth(depth) for depth in grid.depths])[points.depth]
    pixels = np.array(grid.resolutions, dtype=float)[points.resolution]
    expected = accuracy(grid.base.kin, widths, depths, pixels, precision=precision, recipe=recipe)
    return Columns(
        *marks,
        accuracy=expected.top1,
        accuracy_low=expected.low,
        accuracy_high=expected.high,
        outside=expected.outside,
        latency=table.latency_s(points, calibration, machine_of(device)),
        memory=memory,
        size=size,
        macs=counts.macs.astype(float),
    )


def _where(columns: Columns, extrapolate: bool) -> Columns:
    if extrapolate:
        return columns
    return Columns(*(getattr(columns, each.name)[~columns.outside] for each in fields(Columns)))


def _joined(parts: Iterable[Columns]) -> Columns:
    parts = list(parts)
    return Columns(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Columns)))
