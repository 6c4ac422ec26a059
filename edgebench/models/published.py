"""Top-1 accuracies on ImageNet that others have published for networks of the zoo, by training recipe, with sources.

These are not measured here and are never shown beside what is. Rows that the accuracy prior is fitted on stand in
choose/data (accuracy.csv, int8.csv), all others in published.csv: each row in one place.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TypeVar

import msgspec

from edgebench.ground.records import ModelSpec, Record
from edgebench.ground.registry import UNLISTED, networks
from edgebench.ground.tables import read_csv
from edgebench.models import zoo

Row = TypeVar("Row")

_DESIGNS = {"resnet_basic": "resnet18", "resnet_bottleneck": "resnet50"}  # the prior's names of what is no base


class Published(Record, frozen=True, kw_only=True):
    """One published row. `top1` is in percent; `precision` is fp32 or int8; `recipe` names the training."""

    model: str
    width: float
    depth: float
    resolution: int
    precision: str
    top1: float
    recipe: str
    source: str


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """One row that the accuracy prior is fitted on; `rounding` says how its width and depth become whole."""

    kin: str
    recipe: str
    network: str
    width: float
    depth: float
    resolution: int
    top1: float
    rounding: str
    source: str


class Quantized(msgspec.Struct, frozen=True, kw_only=True):
    """One network in fp32 and after post-training int8."""

    kin: str
    network: str
    method: str
    float_top1: float
    int8_top1: float
    source: str


def published() -> list[Published]:
    """All rows in the order of `models.names()`, then by recipe and scaling point. No torch, no numpy."""
    order = {name: index for index, name in enumerate((*networks(), *UNLISTED))}
    rows = _rows(Published, "models", "published.csv")
    for row in fitted():
        spec = _spec(row.kin, row.network, row.width, row.depth, row.resolution)
        rows.append(_published(spec, precision="fp32", top1=row.top1, recipe=row.recipe, source=row.source))
    for pair in quantized():
        spec = _spec(pair.kin, pair.network, 1.0, 1.0, 224)
        rows.append(_published(spec, precision="int8", top1=pair.int8_top1, recipe=pair.method, source=pair.source))
    return sorted(rows, key=lambda row: (order[row.model], row.recipe, row.width, row.depth, row.resolution))


def fitted() -> list[Fitted]:
    """The rows that the accuracy prior is fitted on."""
    return _rows(Fitted, "choose", "data", "accuracy.csv")


def quantized() -> list[Quantized]:
    """The pairs that tell what int8 costs."""
    return _rows(Quantized, "choose", "data", "int8.csv")


def _spec(kin: str, network: str, width: float, depth: float, resolution: int) -> ModelSpec:
    """The network as the zoo names it: a member where the row's name or its scaling point is one's."""
    if named := re.fullmatch(r"ResNet(\d+)(-v1)?", network):  # the prior counts a ResNet's depth in another's blocks
        return zoo.resolve(f"resnet{named[1]}")
    if named := re.fullmatch(r"efficientnet-(lite\d)", network):
        return zoo.resolve(f"efficientnet_{named[1]}")
    spec = zoo.resolve(_DESIGNS.get(kin, kin), width=width, depth=depth, resolution=resolution)
    members = zoo.family_of(spec).members if kin in ("efficientnet", "efficientnetv2") else {}
    same = (
        name
        for name, each in members.items()
        if name != kin and (each.width, each.depth, each.resolution) == (width, depth, resolution)
    )
    return zoo.resolve(member) if (member := next(same, "")) else spec


def _published(spec: ModelSpec, *, precision: str, top1: float, recipe: str, source: str) -> Published:
    return Published(
        model=spec.name,
        width=spec.width,
        depth=spec.depth,
        resolution=spec.resolution,
        precision=precision,
        top1=top1,
        recipe=recipe,
        source=source,
    )


def _rows(type: type[Row], *path: str) -> list[Row]:
    return list(read_csv(files("edgebench").joinpath(*path).read_text("utf-8"), type))
