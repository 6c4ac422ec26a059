"""Top-1 accuracies on ImageNet that others have published for networks of the zoo, by training recipe, with sources.

These are not measured here and are never shown beside what is. Rows that the accuracy prior is fitted on stand in
choose/data (accuracy.csv, int8.csv), all others in published.csv: each row in one place.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from importlib.resources import files

from edgebench.ground.records import ModelSpec, Record
from edgebench.models import zoo

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


def published() -> list[Published]:
    """All rows in the order of `models.names()`, then by recipe and scaling point. No torch, no numpy."""
    order = {name: index for index, name in enumerate((*zoo.names(), "efficientnet", "efficientnet_lite"))}
    found = [*_others(), *_fitted(), *_int8()]
    return sorted(found, key=lambda row: (order[row.model], row.recipe, row.width, row.depth, row.resolution))


def _others() -> Iterator[Published]:
    for row in _rows("models", "published.csv"):
        yield Published(
            model=row["model"],
            width=float(row["width"]),
            depth=float(row["depth"]),
            resolution=int(row["resolution"]),
            precision=row["precision"],
            top1=float(row["top1"]),
            recipe=row["recipe"],
            source=row["source"],
        )


def _fitted() -> Iterator[Published]:
    for row in _rows("choose", "data", "accuracy.csv"):
        spec = _spec(row["kin"], row["network"], float(row["width"]), float(row["depth"]), int(row["resolution"]))
        yield _published(spec, "fp32", float(row["top1"]), row["recipe"], row["source"])


def _int8() -> Iterator[Published]:
    for row in _rows("choose", "data", "int8.csv"):
        member = _spec(row["kin"], row["network"], 1.0, 1.0, 224)
        yield _published(member, "int8", float(row["int8_top1"]), row["method"], row["source"])


def _spec(kin: str, network: str, width: float, depth: float, resolution: int) -> ModelSpec:
    """The network as the zoo names it: a member where the row's name or its scaling point is one's."""
    if named := re.fullmatch(r"ResNet(\d+)(-v1)?", network):  # the prior counts a ResNet's depth in another's blocks
        return zoo.resolve(f"resnet{named[1]}")
    if named := re.fullmatch(r"efficientnet-(lite\d)", network):
        return zoo.resolve(f"efficientnet_{named[1]}")
    spec = zoo.resolve(_DESIGNS.get(kin, kin), width=width, depth=depth, resolution=resolution)
    members = zoo.family_of(spec).members if kin == "efficientnet" else {}
    same = (
        name
        for name, each in members.items()
        if name != kin and (each.width, each.depth, each.resolution) == (width, depth, resolution)
    )
    return zoo.resolve(member) if (member := next(same, "")) else spec


def _published(spec: ModelSpec, precision: str, top1: float, recipe: str, source: str) -> Published:
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


def _rows(*path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(files("edgebench").joinpath(*path).read_text("utf-8").splitlines()))
