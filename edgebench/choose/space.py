"""The networks to choose from: a free grid, the compound line, and the published points, each network once."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from edgebench.choose.scalable import BASES, Base
from edgebench.choose.table import Grid, Points
from edgebench.ground.errors import UsageError
from edgebench.models import family_of, names, resolve
from edgebench.models.scaling import ALPHA, BETA, GAMMA

_WIDTH_STEP: Final = 0.05
_RESOLUTION_STEP: Final = 16
_COMPOUND_STEP: Final = 8  # pixels, as models.scaling.compound rounds
_BUDGET_FACTOR: Final = 2.0  # alpha * beta^2 * gamma^2: a step of phi doubles the MACs
_TOLERANCE: Final = 0.1


@dataclass(frozen=True)
class Extent:
    """How far the free grid reaches: nominal widths and depths, and resolutions in pixels."""

    width: tuple[float, float] = (0.25, 2.2)
    depth: tuple[float, float] = (0.5, 3.1)
    resolution: tuple[int, int] = (96, 608)


WITHIN_PRIOR: Final = Extent()
"""What published accuracies cover; see prior.Prior.ranges."""
BEYOND_PRIOR: Final = Extent(width=(0.1, 3.0), depth=(0.25, 4.0), resolution=(64, 800))


@dataclass(frozen=True)
class Line:
    """A compound line: depth alpha^phi, width beta^phi, resolution gamma^phi (Tan and Le, 2019, equation 3).

    Raises UsageError unless each is at least 1 and alpha * beta^2 * gamma^2 is about 2.
    """

    alpha: float = ALPHA
    beta: float = BETA
    gamma: float = GAMMA

    def __post_init__(self) -> None:
        product = self.alpha * self.beta**2 * self.gamma**2
        if min(self.alpha, self.beta, self.gamma) < 1 or abs(product / _BUDGET_FACTOR - 1) > _TOLERANCE:
            raise UsageError(
                f"alpha {self.alpha:g}, beta {self.beta:g}, gamma {self.gamma:g} are no compound line: each must be "
                f"at least 1 and alpha * beta^2 * gamma^2 (here {product:.3g}) within 10% of 2"
            )

    def point(self, phi: float, resolution: int) -> tuple[float, float, int]:
        """(width, depth, resolution) at `phi`, which may be negative, from a base of `resolution`."""
        pixels = max(_COMPOUND_STEP, int(resolution * self.gamma**phi / _COMPOUND_STEP + 0.5) * _COMPOUND_STEP)
        return self.beta**phi, self.alpha**phi, pixels


PHIS: Final = tuple(np.arange(-4, 7.01, 0.25).tolist())


@dataclass(frozen=True)
class Space:
    """Different networks of one base. `origin` names the points that somebody would ask for by name.

    `published` are positions of points as their authors published them, by name.
    """

    grid: Grid
    points: Points
    origin: dict[int, str]
    published: dict[str, int]

    def __len__(self) -> int:
        return len(self.points)

    def at(self, position: int) -> tuple[float, float, int]:
        """The width, depth and resolution of one point."""
        grid, points = self.grid, self.points
        width, depth = grid.widths[points.width[position]], grid.depths[points.depth[position]]
        return width, depth, grid.resolutions[points.resolution[position]]


def space(base: Base, *, extent: Extent = WITHIN_PRIOR, lines: Sequence[Line] = (Line(),)) -> Space:
    """Returns every network of the free grid, of the compound lines and of the published points, each once."""
    named = _published(base)
    wanted = dict(named)
    default = resolve(base.name)
    if base.deepens:
        for line in lines:
            for phi in PHIS:
                title = f"phi {phi:+g} of {line.alpha:.3g}/{line.beta:.3g}/{line.gamma:.3g}"
                wanted.setdefault(title, line.point(phi, default.resolution))
    limits: Sequence[tuple[float, float]] = (extent.width, extent.depth, extent.resolution)
    allowed = {
        name: point
        for name, point in wanted.items()
        if name in named or all(low <= value <= high for value, (low, high) in zip(point, limits, strict=True))
    }
    # Published values come first, so that a network that they share with others goes by them.
    first = list(zip(*named.values(), strict=True))
    low, high = extent.width
    steps = range(round((high - low) / _WIDTH_STEP) + 1)
    widths = Axis(first[0], [round(low + _WIDTH_STEP * step, 6) for step in steps], network_at(base))
    depths = Axis(first[1], _breakpoints(base, extent), base.repeats)
    # From the network's smallest resolution on: fewer pixels would waste a stride.
    minimum = family_of(default).members[base.name].minimum
    sizes = range(extent.resolution[0], extent.resolution[1] + 1, _RESOLUTION_STEP)
    resolutions = Axis(first[2], [pixels for pixels in sizes if pixels >= minimum], lambda pixels: pixels)
    placed = [(widths.place(w), depths.place(d), resolutions.place(r)) for w, d, r in allowed.values()]
    grid = Grid(base, tuple(widths.values), tuple(depths.values), tuple(map(int, resolutions.values)))
    free = np.array([each.ravel() for each in np.meshgrid(widths.free, depths.free, resolutions.free, indexing="ij")])
    sizes_of = (len(grid.widths), len(grid.depths), len(grid.resolutions))
    codes, at = np.unique(np.ravel_multi_index(np.hstack([np.array(placed).T, free]), sizes_of), return_inverse=True)
    position = dict(zip(allowed, at.tolist(), strict=False))  # the first of `at` are those that have a name
    origin = {where: name for name, where in reversed(position.items())}
    published = {name: where for name, where in position.items() if name in named}
    return Space(grid, Points(*np.unravel_index(codes, sizes_of)), origin, published)


@dataclass
class Axis:
    """Values of one axis without two that make the same network by `key`; the first of equals stays.

    `free` are the indices of the `regular` values.
    """

    first: Sequence[float]
    regular: Sequence[float]
    key: Callable[[float], Hashable]
    values: list[float] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    _seen: dict[Hashable, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for value in self.first:
            self.place(value)
        self.free = sorted({self.place(value) for value in self.regular})

    def place(self, value: float) -> int:
        """The index of the value, or of one that makes the same network."""
        index = self._seen.setdefault(self.key(value), len(self.values))
        if index == len(self.values):
            self.values.append(value)
        return index


def network_at(base: Base) -> Callable[[float], Hashable]:
    """What two widths share exactly when they make the same network."""
    return lambda width: base.template(width, base.template_depth)


def _published(base: Base) -> dict[str, tuple[float, float, int]]:
    """The family's members that are points of this base. A ResNet is a base of its own."""
    family = family_of(resolve(base.name)).name
    kin = [name for name in names() if name not in BASES and resolve(name).family == family]
    members = [base.name] if base.name in names() else kin
    specs = [resolve(name) for name in members]
    return {spec.name: (spec.width, spec.depth, spec.resolution) for spec in specs}


def _breakpoints(base: Base, extent: Extent) -> list[float]:
    """The largest depths that give each combination of repeats: repeats round up, so those are whole over `blocks`."""
    if not base.deepens:
        return [1.0]
    low, high = extent.depth
    scaled = {count for stage, count in enumerate(base.blocks) if stage not in base.fixed}
    depths = {step / count for count in scaled for step in range(1, math.floor(high * count) + 1)}
    return sorted({1.0, *(round(depth, 6) for depth in depths if low <= depth <= high)})
