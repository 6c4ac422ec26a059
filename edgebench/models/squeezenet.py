"""SqueezeNet (Iandola et al., 2016, table 1) and its version 1.1: fire modules, no dense layer.

State-dict keys are torchvision's squeezenet1_0 and squeezenet1_1. It has no stages of equal blocks, so no depth to
scale.
"""

from __future__ import annotations

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import round_channels

POOL = None
Fire = tuple[int, int]
# The stem's channels and kernel, then fire modules: squeezed channels, and those of each expanding half.
TABLES: dict[str, tuple[Fire, tuple[Fire | None, ...]]] = {
    "squeezenet1_0": (
        (96, 7),
        (POOL, (16, 64), (16, 64), (32, 128), POOL, (32, 128), (48, 192), (48, 192), (64, 256), POOL, (64, 256)),
    ),
    "squeezenet1_1": (
        (64, 3),
        (POOL, (16, 64), (16, 64), POOL, (32, 128), (32, 128), POOL, (48, 192), (48, 192), (64, 256), (64, 256)),
    ),
}
DROPOUT = 0.5


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns SqueezeNet at the spec's width (all channels)."""
    (stem, kernel), rows = TABLES[spec.name]
    features: list[net.Layer] = [net.Conv(round_channels(stem * spec.width), kernel, 2, bias=True, padding=0)]
    features.append(net.Activation("relu"))
    for row in rows:
        features.append(_fire(row, spec.width) if row else net.Pool("max", 3, 2, ceil=True))
    return net.sequence(
        features=net.numbered(*features),
        classifier=net.numbered(
            net.Dropout(DROPOUT), net.Conv(spec.classes, 1, bias=True), net.Activation("relu"), net.GlobalPool()
        ),
        flatten=net.Flatten(),
    )


def _fire(row: Fire, width: float) -> net.Layer:
    squeezed, expanded = (round_channels(each * width) for each in row)
    small = net.sequence(expand1x1=net.Conv(expanded, 1, bias=True), expand1x1_activation=net.Activation("relu"))
    large = net.sequence(expand3x3=net.Conv(expanded, 3, bias=True), expand3x3_activation=net.Activation("relu"))
    before = net.sequence(squeeze=net.Conv(squeezed, 1, bias=True), squeeze_activation=net.Activation("relu"))
    return net.Parallel((small, large), "concat", before=before)


FAMILY = Family(name="squeezenet", members={name: Member() for name in TABLES}, plan=plan)
