"""What every network of a grid costs, from a few sketches instead of one a network.

Width sets channels, resolution sets pixels, depth sets copies of a stage's second block. Each quantity of a kernel
(elements read and written, multiply-accumulates, weights) is therefore a product of a function of the width and a
function of the resolution, and a network's total a sum over kernels times their copies. One sketch a width and one a
resolution give all of them; the formulas stay those of the estimator and the memory planner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

import numpy as np

from edgebench.choose.scalable import Base
from edgebench.estimate.costs import Costs, Named, works_of
from edgebench.estimate.form import Floats, Kernels, batch
from edgebench.estimate.work import Kind
from edgebench.graph.memory import Indices, Ints, aligned, lifetimes, place
from edgebench.graph.operators import Graph
from edgebench.ground.records import ModelSpec
from edgebench.models import resolve
from edgebench.models.sketch import sketch, sketch_plan
from edgebench.runtimes import every

_ANY = next(each.name for each in every())  # a runtime: MACs and weights are the same in all
# The quantity and kind of kernel that each of Counts but the last is the sum of.
_COUNTED: Final[tuple[tuple[str, Kind | None], ...]] = (
    ("macs", None),
    ("weights", None),
    ("weights", "dense"),
    ("weights", "winograd"),
)
_QUANTITIES: Final = ("reads", "writes", "macs", "weights", "columns")
Place = tuple[int, int, str] | None
_CHUNK: Final = 2048  # (width, resolution) pairs at a time


@dataclass(frozen=True)
class Grid:
    """The widths, depths and resolutions of one base; a point is three indices into them."""

    base: Base
    widths: tuple[float, ...]
    depths: tuple[float, ...]
    resolutions: tuple[int, ...]

    @cached_property
    def repeats(self) -> tuple[tuple[int, ...], ...]:
        """Blocks of each stage, one entry a depth."""
        return tuple(self.base.repeats(depth) for depth in self.depths)

    def real(self, points: Points) -> tuple[Floats, Floats, Floats]:
        """The real widths and depths of some points, as the accuracy prior takes them, and their resolutions."""
        widths = np.array([self.base.real_width(width) for width in self.widths])
        depths = np.array([self.base.real_depth(depth) for depth in self.depths])
        pixels = np.array(self.resolutions, dtype=float)
        return widths[points.width], depths[points.depth], pixels[points.resolution]

    def spec(self, width: float, depth: float, resolution: int) -> ModelSpec:
        """The network at one point."""
        has_depth = bool(self.base.blocks)
        return resolve(self.base.name, width=width, depth=depth if has_depth else None, resolution=resolution)

    def draw(self, width: float, depth: float, resolution: int, *, copies: bool = True) -> Graph:
        """The graph of one point; without `copies`, the blocks only that stand for all."""
        spec = self.spec(width, depth, resolution)
        return sketch(spec) if copies else sketch_plan(self.base.template(width, depth), spec.input_shape)


@dataclass(frozen=True)
class Points:
    """Networks of a grid: indices of their width, depth and resolution, one entry a network."""

    width: Indices
    depth: Indices
    resolution: Indices

    def __len__(self) -> int:
        return len(self.width)

    def at(self, chosen: Indices) -> Points:
        """The points at the given positions."""
        return Points(self.width[chosen], self.depth[chosen], self.resolution[chosen])


@dataclass(frozen=True)
class Counts:
    """Exact counts of each network: MACs, stored weights, those of dense layers and of Winograd's method, operators."""

    macs: Ints
    weights: Ints
    dense_weights: Ints
    winograd_weights: Ints
    operators: Ints


class Table:
    """The costs of a grid's networks. Every method takes Points and returns one entry a point."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        depth = grid.base.template_depth
        samples = [grid.draw(width, depth, grid.resolutions[0], copies=False) for width in grid.widths]
        skeletons: dict[tuple[tuple[str, str], ...], list[int]] = {}
        for index, graph in enumerate(samples):
            skeletons.setdefault(tuple((each.name, each.kind) for each in graph.operators), []).append(index)
        by_resolution: list[Graph] = []
        self._slabs = []
        # The skeleton with most operators usually holds those of the others, whose pixels are then known too.
        for names, members in sorted(skeletons.items(), key=lambda item: -len(item[0])):
            if not by_resolution or not {name for name, _ in names} <= {
                each.name for each in by_resolution[0].operators
            }:
                width = grid.widths[members[0]]
                by_resolution = [grid.draw(width, depth, each, copies=False) for each in grid.resolutions]
            self._slabs.append(_Slab(grid, members, [samples[index] for index in members], by_resolution))

    def counts(self, points: Points, runtime: str = _ANY) -> Counts:
        """Exact counts, those of Winograd's method as a runtime has it."""
        counts = np.zeros((5, len(points)), dtype=np.int64)
        for slab, here in self._parts(points):
            counts[:, here] = slab.counts(points.at(here), runtime)
        return Counts(*counts)

    def latency_s(self, points: Points, costs: Costs) -> Floats:
        """Latency in seconds; the very number that estimate.estimate gives for each network alone."""
        seconds = np.zeros(len(points))
        for slab, here in self._parts(points):
            seconds[here] = slab.latency_s(points.at(here), costs)
        return seconds

    def arena_bytes(self, points: Points, element_bytes: int) -> Ints:
        """Planned activation memory, as graph.memory.plan_arena finds it."""
        arenas = np.zeros(len(points), dtype=np.int64)
        for slab, here in self._parts(points):
            arenas[here] = slab.arena_bytes(points.at(here), element_bytes)
        return arenas

    def _parts(self, points: Points) -> Iterator[tuple[_Slab, Indices]]:
        for slab in self._slabs:
            here = np.flatnonzero(np.isin(points.width, slab.members))
            if len(here):
                yield slab, here


@dataclass(frozen=True)
class _Sampled:
    """The kernels that a processor runs for a slab, and which of the template's operators needs each.

    `by_width` is at the first resolution, `by_resolution` at some one width.
    """

    operators: Indices
    by_width: Kernels
    by_resolution: Kernels

    def amounts(self, name: str, rows: Indices, columns: Indices, kind: Kind | None = None) -> Floats:
        """(pairs, kernels): one quantity at pairs of a width and a resolution; zero for kernels not of `kind`."""
        pixels = getattr(self.by_resolution, name)
        factor = np.divide(pixels, pixels[:1], out=np.ones_like(pixels), where=pixels[:1] > 0)
        chosen = np.ones(len(self.operators)) if kind is None else self.by_width.kinds == kind
        result: Floats = np.rint(getattr(self.by_width, name)[rows] * factor[columns]) * chosen
        return result

    def at(self, rows: Indices, columns: Indices) -> Kernels:
        """The kernels of the networks at pairs of a width and a resolution."""
        return Kernels(self.by_width.kinds, *(self.amounts(name, rows, columns) for name in _QUANTITIES))


class _Slab:
    """The widths of a grid at which the networks have the same operators: rounding can make or unmake a shortcut.

    `by_width` are graphs at the first resolution, `by_resolution` at some one width; they may hold further operators.
    """

    def __init__(
        self, grid: Grid, members: Sequence[int], by_width: Sequence[Graph], by_resolution: Sequence[Graph]
    ) -> None:
        self.grid = grid
        self.members = np.array(members)
        self._width = grid.widths[members[0]]
        self._row = np.zeros(len(grid.widths), dtype=np.intp)
        self._row[self.members] = np.arange(len(members))
        self._by_width = by_width
        self._by_resolution = by_resolution
        template = grid.base.repeats(grid.base.template_depth)
        self._places = [grid.base.place(each.name, template) for each in by_width[0].operators]
        self._sampled: dict[Named, _Sampled] = {}

    def counts(self, points: Points, runtime: str) -> Ints:
        """(5, points): the fields of Counts."""
        drawn = self._copies(np.arange(len(self._places))).sum(1)[points.depth]
        kernels = self._kernels(works_of(runtime))
        totals = [self._totals(points, kernels, partial(kernels.amounts, name, kind=kind)) for name, kind in _COUNTED]
        return np.rint([*totals, drawn]).astype(np.int64)

    def latency_s(self, points: Points, costs: Costs) -> Floats:
        """One entry a point."""
        kernels = self._kernels(costs.works)
        return costs.fixed_s + self._totals(
            points, kernels, lambda rows, columns: costs.seconds(kernels.at(rows, columns))
        )

    def _totals(self, points: Points, kernels: _Sampled, value: Callable[[Indices, Indices], Floats]) -> Floats:
        """Sums `value` over each point's kernels; it is asked once for each pair of a width and a resolution."""
        copies = self._copies(kernels.operators).T
        pairs, inverse = _pairs(self._row[points.width], points.resolution)
        chunks = [pairs[at : at + _CHUNK].T for at in range(0, len(pairs), _CHUNK)]
        totals = np.concatenate([value(rows, columns) @ copies for rows, columns in chunks])
        result: Floats = totals[inverse, points.depth]
        return result

    def arena_bytes(self, points: Points, element_bytes: int) -> Ints:
        """One entry a point. Further copies of a block repeat its buffers."""
        shapes = [self.grid.base.shown(repeats) for repeats in self.grid.repeats]
        arenas = np.zeros(len(points), dtype=np.int64)
        for shape in {shapes[depth] for depth in np.unique(points.depth)}:
            alike = [index for index, each in enumerate(shapes) if each == shape]
            here = np.flatnonzero(np.isin(points.depth, alike))
            pairs, inverse = _pairs(self._row[points.width[here]], points.resolution[here])
            columns, first, last = self._buffers(self.grid.depths[alike[0]])
            elements = self._elements[0][pairs[:, 0]][:, columns] * self._elements[1][pairs[:, 1]][:, columns]
            sizes = aligned(np.rint(elements).astype(np.int64) * element_bytes)
            arenas[here] = (place(sizes, first, last) + sizes).max(axis=1)[inverse]
        return arenas

    def _buffers(self, depth: float) -> tuple[Indices, Ints, Ints]:
        """The buffers at a depth: the template's operator that sets each one's size, and its first and last use."""
        repeats = self.grid.base.repeats(depth)
        names = (each.name for each in self._by_width[0].operators)
        column = {
            self._key(place, name): index for index, (place, name) in enumerate(zip(self._places, names, strict=True))
        }
        buffers = []
        graph = self.grid.draw(self._width, depth, self.grid.resolutions[0], copies=False)
        for buffer in lifetimes(graph):
            place = self.grid.base.place(buffer.tensors[0], repeats)
            buffers.append((buffer.first, buffer.last, column[self._key(place, buffer.tensors[0])]))
        first, last, columns = np.array(sorted(buffers)).T
        return columns, first, last

    def _copies(self, operators: Indices) -> Floats:
        """(depths, operators): how often each of the template's operators occurs."""
        table = np.ones((len(self.grid.depths), len(operators)))
        for column, operator in enumerate(operators):
            place = self._places[operator]
            if place is not None and place[1] > 0:
                stage, block, _ = place
                most = 1 if block < self.grid.base.kinds(stage) - 1 else np.inf if self._drawn(place) else 0
                table[:, column] = [min(most, max(0, repeats[stage] - block)) for repeats in self.grid.repeats]
        return table

    def _drawn(self, place: Place) -> bool:
        """Whether an operator is of no block or of one that stands for itself, rather than of a further copy."""
        return place is None or place[1] < self.grid.base.kinds(place[0])

    def _key(self, place: Place, name: str) -> object:
        """What an operator is called in every network of the slab: further copies go by their kind's name."""
        return name if place is None else (place[0], min(place[1], self.grid.base.kinds(place[0]) - 1), place[2])

    @cached_property
    def _elements(self) -> tuple[Floats, Floats]:
        """Elements of every operator's output: by width, and by resolution over that at the first resolution."""
        by_width = np.array([[each.elements for each in graph.operators] for graph in self._by_width], dtype=float)
        names = [each.name for each in self._by_width[0].operators]
        by_resolution = np.array([[graph[name].elements for name in names] for graph in self._by_resolution])
        return by_width, by_resolution / by_resolution[0]

    def _kernels(self, works: Named) -> _Sampled:
        if works not in self._sampled:
            at = {each.name: at for at, each in enumerate(self._by_width[0].operators)}
            kept = {name for name, index in at.items() if self._drawn(self._places[index])}
            names = [name for name, _ in works(self._by_width[0], kept)]
            by_width, by_resolution = (
                batch([[work for _, work in works(graph, kept)] for graph in graphs])
                for graphs in (self._by_width, self._by_resolution)
            )
            self._sampled[works] = _Sampled(np.array([at[name] for name in names]), by_width, by_resolution)
        return self._sampled[works]


def _pairs(rows: Indices, columns: Indices) -> tuple[Indices, Indices]:
    """The different (row, column) pairs, and which of them each point is."""
    codes, inverse = np.unique(rows * (1 << 32) + columns, return_inverse=True)
    return np.stack([codes >> 32, codes & 0xFFFFFFFF], axis=1), inverse
