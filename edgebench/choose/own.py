"""Scaling a network of one's own: a factory make(width=…, depth=…, resolution=…) that takes any of the three.

What it builds is learned from a few points. At each depth the factory is built at every width and at every resolution;
a kernel's quantities are a product of a function of the width and one of the resolution, as for the zoo's (see table).
One further point a depth tells how far that holds. Accuracies are the prior's for a design nobody has published, to be
corrected by trainings on data, or not known at all: then candidates are ordered by their multiply-accumulates.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from edgebench.choose.prior import AXES, Accuracy, Floats, latent, load, percent
from edgebench.choose.scalable import Base
from edgebench.choose.space import Space
from edgebench.choose.table import Grid, Points, Table
from edgebench.graph.cost import count
from edgebench.graph.operators import Graph
from edgebench.ground.errors import JobError, UsageError
from edgebench.ground.progress import OnProgress, Step
from edgebench.ground.records import ModelSpec, identity
from edgebench.models import resolve, user
from edgebench.models.given import Given
from edgebench.models.user import InputSize

if TYPE_CHECKING:
    from torch import nn

WIDTHS: Final = (0.25, 0.35, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
DEPTHS: Final = (0.5, 1.0, 1.5, 2.0)
_SIZES: Final = (0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5)  # of the resolution that it was asked for
_STEP: Final = 8  # pixels

Make = Callable[..., Any]
Place = tuple[float, float, int]


@dataclass(frozen=True)
class Own:
    """A factory: by its name, or `make` itself. `takes` are the axes it has keywords for, `size` is what it is fed."""

    name: str
    size: InputSize
    takes: frozenset[str]
    make: Make | None = None
    _graphs: dict[Place, Graph] = field(default_factory=dict, compare=False, repr=False)
    _modules: dict[str, nn.Module] = field(default_factory=dict, compare=False, repr=False)

    def spec(self, width: float, depth: float, resolution: int) -> ModelSpec:
        """The network at a point: what the factory takes are its options."""
        point: dict[str, int | float | bool | str] = {"width": width, "depth": depth, "resolution": resolution}
        options = {axis: value for axis, value in point.items() if axis in self.takes}
        spec = resolve(self.name, resolution=resolution, channels=self.size.channels, options=options)
        if self.make is None:
            return spec
        from msgspec.structs import replace

        return replace(spec, digest=identity(self.name, options)[:8])

    def given(self, specs: Sequence[ModelSpec]) -> Given:
        """What those who build these networks need: the modules where the factory has no name that leads to it."""
        return Given(modules={spec.key: self._module(spec) for spec in specs} if self.make else {})

    def graph(self, width: float, depth: float, resolution: int) -> Graph:
        """The network's graph, built once. Raises UsageError where the factory fails or torch cannot follow it."""
        from edgebench.graph.capture import capture

        place = (width, depth, resolution)
        if place not in self._graphs:
            spec = self.spec(*place)
            try:
                self._graphs[place] = capture(self.given([spec]).build(spec), spec.input_shape)
            except (UsageError, JobError) as error:
                where = ", ".join(f"{axis}={value:g}" for axis, value in zip(AXES, place, strict=True))
                raise UsageError(f"{self.name} fails at {where}: {error}") from error
        return self._graphs[place]

    def _module(self, spec: ModelSpec) -> nn.Module:
        from edgebench.models import in_hand

        if self.make is None:
            raise UsageError(f"'{self.name}' is built by its name")
        if spec.key not in self._modules:
            self._modules[spec.key] = in_hand.opened(user.called(self.make, self.name, spec.options))
        return self._modules[spec.key]

    @cached_property
    def resolutions(self) -> tuple[int, ...]:
        """Those that are tried, around the one that was asked for."""
        asked = self.size.height
        sizes = {max(_STEP, round(asked * size / _STEP) * _STEP) for size in _SIZES}
        return tuple(sorted(sizes | {asked}))


def own(base: str | Make, size: InputSize) -> Own:
    """Looks at a factory. Raises UsageError for what is none, and for one that takes none of the three axes."""
    if size.height != size.width:
        raise UsageError(f"`input` is {size.height}x{size.width}: scaling takes square images")
    make = user.named(base) if isinstance(base, str) else base
    name = base if isinstance(base, str) else f"{make.__module__}:{_called(make)}"
    if not callable(make):
        raise UsageError(f"'{name}' cannot be called: `base` is a function make(width=…, depth=…, resolution=…)")
    takes = frozenset(AXES) & frozenset(inspect.signature(make).parameters)
    if not takes:
        raise UsageError(f"'{name}' takes none of {', '.join(AXES)}: there is nothing to scale")
    return Own(name, size, takes, None if isinstance(base, str) else make)


def _called(make: Make) -> str:
    """What a function or class is called; one without a name of its own is a factory."""
    name = str(getattr(make, "__name__", type(make).__name__))
    return name if name.isidentifier() else "factory"


@dataclass(frozen=True)
class OwnGrid(Grid):
    """The widths and resolutions of a factory at one depth."""

    own: Own
    depth: float

    def spec(self, width: float, depth: float, resolution: int) -> ModelSpec:
        """The network at a point of this grid."""
        return self.own.spec(width, self.depth, resolution)

    def draw(self, width: float, depth: float, resolution: int, *, copies: bool = True) -> Graph:
        """Its graph, captured."""
        return self.own.graph(width, self.depth, resolution)


@dataclass(frozen=True)
class Learnt:
    """The spaces of a factory, one a depth, with their costs; how many networks were built; how far costs were off."""

    spaces: tuple[Space, ...]
    tables: tuple[Table, ...]
    built: int
    off: float


def learn_costs(factory: Own, on_progress: OnProgress) -> Learnt:
    """Builds the factory at its points.

    Raises UsageError where it fails at one, ignores an axis that it takes, or costs less where it should cost more.
    """
    depths = _depths(factory, on_progress)
    spaces, tables, off = [], [], 0.0
    for number, depth in enumerate(depths):
        on_progress(Step(number, len(depths), f"building {factory.name} at depth {depth:g}"))
        widths = WIDTHS if "width" in factory.takes else (1.0,)
        _check(factory, "width", {width: (width, depth, factory.resolutions[0]) for width in widths})
        _check(factory, "resolution", {size: (widths[0], depth, size) for size in factory.resolutions})
        base = Base(
            name=factory.name, kin=factory.name, channels=lambda width: (1,), blocks=(), block="", unit_blocks=1
        )
        grid = OwnGrid(base, widths, (1.0,), factory.resolutions, factory, depth)
        rows, columns = np.indices((len(widths), len(factory.resolutions))).reshape(2, -1)
        space = Space(grid, Points(rows, np.zeros_like(rows), columns), {}, {})
        table = Table(grid)
        off = max(off, _off(grid, table))
        spaces.append(space)
        tables.append(table)
    return Learnt(tuple(spaces), tuple(tables), len(factory._graphs), off)


def _depths(factory: Own, on_progress: OnProgress) -> list[float]:
    """The depths that give different networks."""
    if "depth" not in factory.takes:
        return [1.0]
    on_progress(Step(0, 1, f"building {factory.name} at {len(DEPTHS)} depths"))
    return _check(factory, "depth", {depth: (1.0, depth, factory.resolutions[0]) for depth in DEPTHS})


def _check(factory: Own, axis: str, places: Mapping[float, Place]) -> list[float]:
    """The values of an axis that give different networks; their multiply-accumulates must grow."""
    macs = {value: count(factory.graph(*place)).macs for value, place in places.items()}
    for (less, few), (more, many) in pairwise(macs.items()):
        if many < few:
            raise UsageError(
                f"{factory.name} is not monotone in {axis}: {few:,} MACs at {less:g}, and {many:,} at {more:g}"
            )
    different = [value for value, cost in macs.items() if list(macs.values()).index(cost) == list(macs).index(value)]
    if len(different) == 1 and len(macs) > 1:
        first, *_, last = macs
        raise UsageError(f"{factory.name} ignores {axis}: it builds the same network at {first:g} and at {last:g}")
    return different


def _off(grid: OwnGrid, table: Table) -> float:
    """The share by which the table is off in multiply-accumulates of a network that it was not learned from."""
    corner = (len(grid.widths) - 1, len(grid.resolutions) - 1)
    if 0 in corner:
        return 0.0
    told = table.counts(Points(*np.array([[corner[0]], [0], [corner[1]]]))).macs[0]
    built = count(grid.draw(grid.widths[corner[0]], 1.0, grid.resolutions[corner[1]])).macs
    return abs(float(told) / built - 1)


def expected(grid: Grid, points: Points) -> Accuracy:
    """What the prior expects of a design that nobody has published, as all others are on average."""
    if not isinstance(grid, OwnGrid):
        raise TypeError(f"{grid.base.name} has a prior of its own")
    prior = load()
    widths: Floats = np.array(grid.widths)[points.width]
    pixels: Floats = np.array(grid.resolutions, dtype=float)[points.resolution]
    share = pixels / grid.own.size.height  # of the size that it was made for
    offset = float(np.mean(list(prior.designs.values())))
    level = offset + latent(prior.saturations, widths, np.full(len(points), grid.depth), 224 * share)
    top1 = percent(level)
    return Accuracy(top1, percent(level - prior.transfer), percent(level + prior.transfer), np.zeros(len(top1), bool))


def by_macs(macs: Floats) -> Accuracy:
    """No accuracy but an order: 100 ln(MACs), so that a difference of one is one percent."""
    level: Floats = 100.0 * np.log(macs)
    return Accuracy(level, level, level, np.zeros(len(level), bool))
