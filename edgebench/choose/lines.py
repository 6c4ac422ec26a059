"""Along which line to scale: alpha, beta and gamma searched at equal cost, in MACs or in a device's latency.

Tan and Le (2019, section 3.3) searched alpha, beta, gamma under alpha * beta^2 * gamma^2 ~ 2 for EfficientNet-B0 and
MACs, by training; here the accuracy prior stands in for training, and the cost may be a latency. One axis alone is a
line too: depth is (2, 1, 1), width (1, sqrt 2, 1), resolution (1, 1, sqrt 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from edgebench.choose.pool import Variant, costs
from edgebench.choose.prior import Floats, accuracy, load
from edgebench.choose.records import Choice
from edgebench.choose.scalable import Base, base_of
from edgebench.choose.space import Axis, Line, network_at
from edgebench.choose.table import Grid, Points, Table
from edgebench.ground.errors import UsageError
from edgebench.machines.profiles import DeviceProfile
from edgebench.machines.profiles import load as load_device
from edgebench.models import resolve

Cost = Callable[[Table, Points], Floats]

ALONE: Final[Mapping[str, Line]] = {
    "depth": Line(2.0, 1.0, 1.0),
    "width": Line(1.0, math.sqrt(2.0), 1.0),
    "resolution": Line(1.0, 1.0, math.sqrt(2.0)),
}
PAPER: Final = Line()

_PARTS: Final = 10  # the search splits the doubling of cost in tenths among the three axes
_STEP: Final = 0.1  # of phi
_REACH: Final = 2.2  # phi goes this many times beyond the log2 of the cost factor: latency is not MACs
_SLACK: Final = 1.02  # a network may cost this much more than asked, since networks are whole


@dataclass(frozen=True)
class Scaled:
    """Where a line meets a cost: `cost` is the factor over the base network, `accuracy` the expected top-1."""

    line: Line
    phi: float
    width: float
    depth: float
    resolution: int
    cost: float
    accuracy: float


def macs(table: Table, points: Points) -> Floats:
    """Multiply-accumulates as the cost."""
    return table.counts(points).macs.astype(float)


def latency_on(device: DeviceProfile, variant: Variant) -> Cost:
    """Estimated latency on a device as the cost. Raises UsageError without a calibration."""
    of = costs(device, variant)
    return lambda table, points: table.latency_s(points, of)


def compare(base: Base, factor: float, cost: Cost = macs) -> dict[str, Scaled]:
    """Scales `base` to `factor` times its cost: by each axis alone, by the paper's line ("compound"), and by the best.

    `factor` may be under 1. Of each line it takes the costliest network within `factor`; a line that has none inside
    the prior's range is left out. Raises UsageError for a factor of 1, or not above zero.
    """
    if not (math.isfinite(factor) and factor > 0 and factor != 1):
        raise UsageError(f"a cost factor of {factor:g} scales nothing: give for example 4, or 0.25")
    shares = [(depth, width) for depth in range(_PARTS + 1) for width in range(_PARTS + 1 - depth)]
    lines = [
        *ALONE.values(),
        PAPER,
        *[
            Line(2 ** (depth / _PARTS), 2 ** (width / _PARTS / 2), 2 ** ((_PARTS - depth - width) / _PARTS / 2))
            for depth, width in shares
        ],
    ]
    met = _meet(base, lines, factor, cost)
    named = {name: met[index] for index, name in enumerate((*ALONE, "compound")) if index in met}
    if met:
        named["best"] = max(met.values(), key=lambda each: (each.accuracy, -each.cost))
    return named


def at_the_picks_cost(choice: Choice) -> dict[str, Scaled]:
    """Ways to scale the picked network's base to the latency that the pick is estimated to take; see `compare`.

    Empty for a network of one's own, for a base that has no depth to scale, and where the pick takes as long as its
    base.
    """
    model = choice.picked.model
    if model.family == "user":
        return {}
    base = base_of(model)
    if not base.deepens:
        return {}
    device = choice.picked.there[0].device if choice.picked.there else choice.device
    cost = latency_on(
        load_device(device), Variant(choice.picked.export, choice.picked.threads, choice.picked.processor)
    )
    pixels = resolve(base.name).resolution
    grid = Grid(base, (1.0, model.width), (1.0, model.depth), (pixels, model.resolution))
    start, end = cost(Table(grid), Points(*np.array([(0, 0, 0), (1, 1, 1)]).T)).tolist()
    return {} if start == end else compare(base, end / start, cost)


def _meet(base: Base, lines: Sequence[Line], factor: float, cost: Cost) -> dict[int, Scaled]:
    """For each line, by its position, the point that uses most of the cost."""
    resolution = resolve(base.name).resolution
    end = _REACH * math.log2(factor)
    phis = np.linspace(0.0, end, round(abs(end) / _STEP) + 1).tolist()
    wanted = []
    for index, line in enumerate(lines):
        for phi in phis:
            width, depth, size = line.point(phi, resolution)
            point = round(width, 2), depth, size  # finer widths are the same network, or nearly
            real = {"width": base.real_width(point[0]), "depth": base.real_depth(depth), "resolution": size}
            if all(low <= real[axis] <= high for axis, (low, high) in load().ranges.items()):  # published rows reach it
                wanted.append((point, index, phi))
    widths = Axis([1.0], sorted({point[0] for point, _, _ in wanted}), network_at(base))
    depths = Axis([1.0], [point[1] for point, _, _ in wanted], base.repeats)
    pixels = Axis([resolution], [point[2] for point, _, _ in wanted], lambda value: value)
    places = [(widths.place(w), depths.place(d), pixels.place(r)) for (w, d, r), _, _ in wanted]
    grid = Grid(base, tuple(widths.values), tuple(depths.values), tuple(map(int, pixels.values)))
    points = Points(*np.array([(0, 0, 0), *places]).T)
    costs = cost(Table(grid), points)
    relative = costs[1:] / costs[0]
    expected = accuracy(base.kin, *grid.real(points)).top1[1:]
    best: dict[int, Scaled] = {}
    for number, (point, index, phi) in enumerate(wanted):
        cheap = relative[number] <= factor * _SLACK
        if cheap and (index not in best or relative[number] > best[index].cost):
            best[index] = Scaled(lines[index], phi, *point, float(relative[number]), float(expected[number]))
    return best
