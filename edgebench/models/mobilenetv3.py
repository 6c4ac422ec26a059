"""MobileNetV3 (Howard et al., 2019, tables 1 and 2): inverted residuals, some squeezed and excited, and hard swishes.

State-dict keys are torchvision's mobilenet_v3_small and _large. Widths round as the authors' code and timm round them:
the head keeps its size, and the stem does below a width of 0.75. Stages are the runs of blocks between two strides or
changes of channels; deeper ones repeat their last row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Final

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import repeated, round_channels


@dataclass(frozen=True)
class Row:
    """One line of the paper's table: kernel, expansion over the block's input, whether squeezed, and what follows."""

    kernel: int
    expansion: float
    squeezed: bool
    function: net.Function


@dataclass(frozen=True)
class Stage:
    """Blocks of one number of channels, the first with `stride`."""

    channels: int
    stride: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Variant:
    """One of the paper's two tables: its stages, and the channels of the last convolution and of the head."""

    stages: tuple[Stage, ...]
    last: int
    head: int


RE: Final = "relu"
HS: Final = "hardswish"
VARIANTS = {
    "mobilenetv3_large": Variant(
        stages=(
            Stage(16, 1, (Row(3, 1, False, RE),)),
            Stage(24, 2, (Row(3, 4, False, RE), Row(3, 3, False, RE))),
            Stage(40, 2, (Row(5, 3, True, RE),) * 3),
            Stage(80, 2, (Row(3, 6, False, HS), Row(3, 2.5, False, HS), *(Row(3, 2.3, False, HS),) * 2)),
            Stage(112, 1, (Row(3, 6, True, HS),) * 2),
            Stage(160, 2, (Row(5, 6, True, HS),) * 3),
        ),
        last=960,
        head=1280,
    ),
    "mobilenetv3_small": Variant(
        stages=(
            Stage(16, 2, (Row(3, 1, True, RE),)),
            Stage(24, 2, (Row(3, 4.5, False, RE), Row(3, 3.67, False, RE))),
            Stage(40, 2, (Row(5, 4, True, HS), *(Row(5, 6, True, HS),) * 2)),
            Stage(48, 1, (Row(5, 3, True, HS),) * 2),
            Stage(96, 2, (Row(5, 6, True, HS),) * 3),
        ),
        last=576,
        head=1024,
    ),
}
STEM, FIXED_STEM_BELOW = 16, 0.75
SQUEEZE = 0.25  # the gate's bottleneck is a quarter of the expanded channels
EPS = 1e-3
DROPOUT = 0.2


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns MobileNetV3 at the spec's width (all channels but the head's) and depth (blocks of each stage)."""
    variant = VARIANTS[spec.name]
    channels = STEM if spec.width < FIXED_STEM_BELOW else round_channels(STEM * spec.width)
    features: list[net.Layer] = [net.conv_norm(channels, 3, 2, activation="hardswish", eps=EPS)]
    for stage in variant.stages:
        out = round_channels(stage.channels * spec.width)
        strides = chain((stage.stride,), iter(lambda: 1, 0))
        for row, stride in zip(repeated(stage.rows, spec.depth), strides, strict=False):
            features.append(_block(row, channels, out, stride))
            channels = out
    features.append(net.conv_norm(round_channels(variant.last * spec.width), 1, activation="hardswish", eps=EPS))
    head = (net.Dense(variant.head), net.Activation("hardswish"), net.Dropout(DROPOUT), net.Dense(spec.classes))
    return net.sequence(
        features=net.numbered(*features),
        avgpool=net.GlobalPool(),
        flatten=net.Flatten(),
        classifier=net.numbered(*head),
    )


def _block(row: Row, channels: int, out: int, stride: int) -> net.Layer:
    hidden = round_channels(channels * row.expansion)
    layers: list[net.Layer] = []
    if row.expansion != 1:
        layers.append(net.conv_norm(hidden, 1, activation=row.function, eps=EPS))
    layers.append(net.conv_norm(hidden, row.kernel, stride, hidden, activation=row.function, eps=EPS))
    if row.squeezed:
        layers.append(net.squeeze_excite(hidden, round_channels(hidden * SQUEEZE), "relu", "hardsigmoid"))
    layers.append(net.conv_norm(out, 1, activation=None, eps=EPS))
    branch = net.sequence(block=net.numbered(*layers))
    return net.residual(branch) if stride == 1 and channels == out else branch


FAMILY = Family(name="mobilenetv3", members={name: Member() for name in VARIANTS}, plan=plan, has_depth=True)
