"""Fits the accuracy prior to the shipped rows: `python tests/benchmarks/fit_prior.py` writes prior.json anew.

For maintainers, after accuracy.csv or int8.csv in edgebench/choose/data have changed. A test fits again and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
import numpy as np

from edgebench.choose.prior import (
    ANY,
    AXES,
    COMMON_RECIPE,
    CONFIDENCE,
    Drop,
    Floats,
    LeftOut,
    Mask,
    Prior,
    Saturation,
    latent,
)
from edgebench.choose.prior import logit as to_logit
from edgebench.choose.prior import percent as to_percent
from edgebench.choose.scalable import BASES, Base
from edgebench.ground.paths import write_atomically
from edgebench.models import published
from edgebench.models.published import Fitted

_BELIEF: Final = 0.3  # of a row, that a recipe is as good as the common one
_LONE_PAIR: Final = 1.0  # points, the half range where one published pair cannot tell one
_START: Final = ((0.6, 0.8), (0.3, 1.0), (0.5, 1.0))
_LIMITS: Final = ((0.0, 0.05), (6.0, 5.0))
# Designs that are left out together, since they are one another's variants.
_RELATED: Final = {"efficientnet_lite": "efficientnet", "resnet_basic": "resnet", "resnet_bottleneck": "resnet"}


@dataclass(frozen=True)
class Rows:
    """The published results as columns; `group` is (design, recipe)."""

    kin: tuple[str, ...]
    recipe: tuple[str, ...]
    width: Floats
    depth: Floats
    resolution: Floats
    top1: Floats

    @property
    def group(self) -> list[tuple[str, str]]:
        """The (design, recipe) of each row."""
        return list(zip(self.kin, self.recipe, strict=True))

    @property
    def point(self) -> list[tuple[str, float, float, float]]:
        """What was trained, whatever the recipe."""
        axes = (self.width.round(4).tolist(), self.depth.round(4).tolist(), self.resolution.tolist())
        return list(zip(self.kin, *axes, strict=True))


@dataclass(frozen=True)
class Fit:
    """The constants that one fit found."""

    saturations: dict[str, Saturation]
    offsets: dict[tuple[str, str], float]

    def level(self, rows: Rows) -> Floats:
        """The latent part of each row."""
        return latent(self.saturations, rows.width, rows.depth, rows.resolution)


def read() -> Rows:
    """Reads the shipped rows and turns each point into the real width and depth of its network."""
    table = published.fitted()
    return Rows(
        kin=tuple(row.kin for row in table),
        recipe=tuple(row.recipe for row in table),
        width=np.array(
            [row.width if row.rounding == "none" else _base(row.kin).real_width(row.width) for row in table]
        ),
        depth=np.array([_depth(row) for row in table]),
        resolution=np.array([float(row.resolution) for row in table]),
        top1=np.array([row.top1 for row in table]),
    )


def fit(rows: Rows, kept: Mask | None = None) -> Fit:
    """Least squares in logit over the `kept` rows; the offsets are solved for exactly inside it."""
    from scipy.optimize import least_squares

    kept = np.ones(len(rows.kin), dtype=bool) if kept is None else kept
    groups = [group for group, keep in zip(rows.group, kept, strict=True) if keep]
    names = sorted(set(groups))
    member = np.array([[group == name for name in names] for group in groups], dtype=float)
    axes = (rows.width[kept], rows.depth[kept], rows.resolution[kept])
    wanted = to_logit(rows.top1[kept])

    def offsets(constants: Floats) -> tuple[Floats, Floats]:
        wanting = wanted - latent(_saturations(constants), *axes)
        solved: Floats = np.linalg.lstsq(member, wanting, rcond=None)[0]
        return solved, wanting - member @ solved

    def rest(constants: Floats) -> Floats:
        return offsets(constants)[1]

    low, high = (np.tile(limit, len(AXES)) for limit in _LIMITS)
    constants = least_squares(rest, np.ravel(_START), bounds=(low, high)).x
    solved = offsets(constants)[0]
    return Fit(_saturations(constants), dict(zip(names, map(float, solved), strict=True)))


def compute() -> Prior:
    """Fits everything that data/prior.json holds."""
    rows = read()
    whole = fit(rows)
    offsets: dict[str, dict[str, float]] = {}
    for (kin, recipe), value in whole.offsets.items():
        offsets.setdefault(kin, {})[recipe] = value
    by_point, within = _left_out(rows, rows.point, _own_offset)
    by_design, transfer = _left_out(rows, [_RELATED.get(kin, kin) for kin in rows.kin], _anchored)
    by_pair, between = _left_out(rows, rows.group, _additive)
    designs, recipes = _parts(whole, rows)
    lost: dict[str, list[float]] = {}
    for row in published.quantized():
        lost.setdefault(row.kin, []).append(row.float_top1 - row.int8_top1)
    lost[ANY] = [drop for drops in list(lost.values()) for drop in drops]
    return Prior(
        saturations=whole.saturations,
        offsets=offsets,
        designs=designs,
        recipes=recipes,
        ranges=_ranges(rows, np.ones(len(rows.kin), dtype=bool)),
        own={kin: _ranges(rows, np.array([each == kin for each in rows.kin])) for kin in sorted(set(rows.kin))},
        within=within,
        transfer=max(within, transfer),
        between=max(within, between),
        int8={
            kin: Drop(
                points=round(median(each), 3),
                half_range=round((max(each) - min(each)) / 2, 3) if len(each) > 1 else _LONE_PAIR,
                rows=len(each),
            )
            for kin, each in sorted(lost.items())
        },
        left_out_point=by_point,
        left_out_design=by_design,
        left_out_pair=by_pair,
    )


def _left_out(
    rows: Rows, marks: Sequence[object], predict: Callable[[Fit, Rows, Mask], Floats]
) -> tuple[list[LeftOut], float]:
    """Errors when all rows of one mark are left out in turn, and the 90% quantile of |error| in logit."""
    predicted = np.full(len(marks), np.nan)
    for label in dict.fromkeys(marks):
        left = np.array([mark == label for mark in marks])
        predicted[left] = predict(fit(rows, ~left), rows, left)
    miss = np.abs(predicted - to_logit(rows.top1))
    points = np.abs(to_percent(predicted) - rows.top1)
    table = []
    for kin, recipe in sorted(set(rows.group)):
        here = np.array([group == (kin, recipe) for group in rows.group]) & ~np.isnan(points)
        if here.any():
            mean, worst = round(float(points[here].mean()), 3), round(float(points[here].max()), 3)
            table.append(LeftOut(kin=kin, recipe=recipe, rows=int(here.sum()), mean=mean, worst=worst))
    return table, round(float(np.nanquantile(miss, CONFIDENCE)), 5)


def _own_offset(fitted: Fit, rows: Rows, left: Mask) -> Floats:
    """Left-out points of a group that others keep in the fit: its offset is known."""
    offsets = np.array([fitted.offsets.get(group, np.nan) for group in rows.group])
    predicted: Floats = (fitted.level(rows) + offsets)[left]
    return predicted


def _anchored(fitted: Fit, rows: Rows, left: Mask) -> Floats:
    """Left-out designs: the offset is that of the group's row nearest to width 1, depth 1 and 224 pixels."""
    level = fitted.level(rows)
    rest = to_logit(rows.top1) - level
    distance = np.abs(np.log(rows.width)) + np.abs(np.log(rows.depth)) + np.abs(np.log(rows.resolution / 224))
    predicted = np.full(len(rows.kin), np.nan)
    for group in {group for group, out in zip(rows.group, left, strict=True) if out}:
        here = np.array([each == group for each in rows.group])
        anchor = np.flatnonzero(here)[np.argmin(distance[here])]
        predicted[here] = level[here] + rest[anchor]
        predicted[anchor] = np.nan
    return predicted[left]


def _parts(fitted: Fit, rows: Rows) -> tuple[dict[str, float], dict[str, float]]:
    """The offsets as a part of the design's and one of the recipe's, by least squares over the rows that have them.

    Recipes count from the common one. What only one design was trained with is taken to be as good as it.
    """
    pairs = list(fitted.offsets)
    kins, others = sorted({kin for kin, _ in pairs}), sorted({recipe for _, recipe in pairs} - {COMMON_RECIPE})
    groups = rows.group
    weight = np.sqrt([groups.count(pair) for pair in pairs])
    columns = [*((kin, None) for kin in kins), *((None, recipe) for recipe in others)]
    table = [[float(pair[0] == kin or pair[1] == recipe) for kin, recipe in columns] for pair in pairs]
    belief = np.hstack([np.zeros((len(others), len(kins))), np.eye(len(others)) * _BELIEF])
    design = np.vstack([np.array(table) * weight[:, None], belief])
    wanted = np.append(np.array([fitted.offsets[pair] for pair in pairs]) * weight, np.zeros(len(others)))
    solved = np.linalg.lstsq(design, wanted, rcond=None)[0].tolist()
    recipes = {COMMON_RECIPE: 0.0, **dict(zip(others, solved[len(kins) :], strict=True))}
    return dict(zip(kins, solved, strict=False)), recipes


def _additive(fitted: Fit, rows: Rows, left: Mask) -> Floats:
    """Left-out pairs of a design and a recipe that both are in other pairs: the sum of their parts."""
    designs, recipes = _parts(fitted, rows)
    offsets = [designs.get(kin, np.nan) + recipes.get(recipe, np.nan) for kin, recipe in rows.group]
    predicted: Floats = (fitted.level(rows) + np.array(offsets))[left]
    return predicted


def _saturations(constants: Floats) -> dict[str, Saturation]:
    pairs = np.reshape(constants, (len(AXES), 2))
    return {
        axis: Saturation(amplitude=float(pair[0]), exponent=float(pair[1]))
        for axis, pair in zip(AXES, pairs, strict=True)
    }


def _ranges(rows: Rows, kept: Mask) -> dict[str, tuple[float, float]]:
    values = {"width": rows.width[kept], "depth": rows.depth[kept], "resolution": rows.resolution[kept]}
    return {axis: (float(value.min()), float(value.max())) for axis, value in values.items()}


def _depth(row: Fitted) -> float:
    if row.rounding == "none":
        return row.depth
    base = _base(row.kin)
    if row.rounding == "nearest":  # as timm rounds TinyNet's repeats
        return sum(max(1, round(count * row.depth)) for count in base.blocks) / base.unit_blocks
    return base.real_depth(row.depth)


def _base(kin: str) -> Base:
    """The smallest base of a design: the one whose depth counts as 1."""
    return next(base for base in BASES.values() if base.kin == kin)


if __name__ == "__main__":
    text = msgspec.json.format(msgspec.json.encode(compute()), indent=1) + b"\n"
    write_atomically(Path(__file__).parents[2] / "edgebench" / "choose" / "data" / "prior.json", text)
