"""MobileNetV4's convolutional networks (Qin et al., 2024, tables 11 to 13): universal inverted bottlenecks.

A universal bottleneck is an inverted residual with two optional depthwise convolutions: `start` before the expansion,
`middle` in it. State-dict keys are timm's mobilenetv4_conv_small, _medium and _large, the only published weights.
Widths scale all channels but the head's, and the stem's from 0.75 on, as in timm; stages whose rows are no universal
bottlenecks keep their blocks at any depth.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import repeated, round_channels


@dataclass(frozen=True)
class Plain:
    """A convolution with batch norm and activation, of its own number of channels."""

    kernel: int
    channels: int


@dataclass(frozen=True)
class Fused:
    """A 3x3 convolution that expands, and a pointwise one that projects."""

    expansion: int


@dataclass(frozen=True)
class Universal:
    """Kernels of the depthwise convolutions before and in the expansion (0: none), and the expansion."""

    start: int
    middle: int
    expansion: int


Row = Plain | Fused | Universal


@dataclass(frozen=True)
class Stage:
    """Blocks that end with `channels`, the first with `stride`."""

    channels: int
    stride: int
    rows: tuple[Row, ...]

    @property
    def fixed(self) -> bool:
        """Whether the stage has the same blocks at any depth."""
        return not isinstance(self.rows[-1], Universal)


@dataclass(frozen=True)
class Variant:
    """One of the paper's tables: the stem's channels and the stages."""

    stem: int
    stages: tuple[Stage, ...]


U, LAST = Universal, Stage(960, 1, (Plain(1, 960),))
VARIANTS = {
    "mobilenetv4_conv_small": Variant(
        32,
        (
            Stage(32, 2, (Plain(3, 32), Plain(1, 32))),
            Stage(64, 2, (Plain(3, 96), Plain(1, 64))),
            Stage(96, 2, (U(5, 5, 3), *(U(0, 3, 2),) * 4, U(3, 0, 4))),
            Stage(128, 2, (U(3, 3, 6), U(5, 5, 4), U(0, 5, 4), U(0, 5, 3), *(U(0, 3, 4),) * 2)),
            LAST,
        ),
    ),
    "mobilenetv4_conv_medium": Variant(
        32,
        (
            Stage(48, 2, (Fused(4),)),
            Stage(80, 2, (U(3, 5, 4), U(3, 3, 2))),
            Stage(160, 2, (U(3, 5, 6), *(U(3, 3, 4),) * 2, U(3, 5, 4), U(3, 3, 4), U(3, 0, 4), U(0, 0, 2), U(3, 0, 4))),
            Stage(
                256,
                2,
                (
                    *(U(5, 5, 6), U(5, 5, 4), *(U(3, 5, 4),) * 2, U(0, 0, 4), U(3, 0, 4), U(3, 5, 2), U(5, 5, 4)),
                    *(*(U(0, 0, 4),) * 2, U(5, 0, 2)),
                ),
            ),
            LAST,
        ),
    ),
    "mobilenetv4_conv_large": Variant(
        24,
        (
            Stage(48, 2, (Fused(4),)),
            Stage(96, 2, (U(3, 5, 4), U(3, 3, 4))),
            Stage(192, 2, (U(3, 5, 4), *(U(3, 3, 4),) * 3, U(3, 5, 4), *(U(5, 3, 4),) * 5, U(3, 0, 4))),
            Stage(
                512,
                2,
                (
                    *(*(U(5, 5, 4),) * 4, U(5, 0, 4), U(5, 3, 4), *(U(5, 0, 4),) * 2, U(5, 3, 4), U(5, 5, 4)),
                    *(U(5, 0, 4),) * 3,
                ),
            ),
            LAST,
        ),
    ),
}
HEAD = 1280
FIXED_STEM_BELOW = 0.75
DROPOUT = 0.2


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns MobileNetV4 at the spec's width (all channels but the head's) and depth (blocks of a stage)."""
    variant = VARIANTS[spec.name]
    channels = variant.stem if spec.width < FIXED_STEM_BELOW else round_channels(variant.stem * spec.width)
    stem = {"conv_stem": net.Conv(channels, 3, 2), "bn1": net.BatchNorm(), "act1": net.Activation("relu")}
    stages = []
    for stage in variant.stages:
        blocks = []
        for index, row in enumerate(stage.rows if stage.fixed else repeated(stage.rows, spec.depth)):
            out = round_channels((row.channels if isinstance(row, Plain) else stage.channels) * spec.width)
            blocks.append(_block(row, channels, out, stage.stride if index == 0 else 1))
            channels = out
        stages.append(net.numbered(*blocks))
    return net.sequence(
        **stem,
        blocks=net.numbered(*stages),
        global_pool=net.GlobalPool(),
        conv_head=net.Conv(HEAD, 1),
        norm_head=net.BatchNorm(),
        act2=net.Activation("relu"),
        flatten=net.Flatten(),
        dropout=net.Dropout(DROPOUT),
        classifier=net.Dense(spec.classes),
    )


def _block(row: Row, channels: int, out: int, stride: int) -> net.Layer:
    if isinstance(row, Plain):
        return net.sequence(conv=net.Conv(out, row.kernel, stride), bn1=net.BatchNorm(), act=net.Activation("relu"))
    hidden = round_channels(channels * row.expansion)
    if isinstance(row, Fused):
        branch = net.sequence(
            conv_exp=net.Conv(hidden, 3, stride),
            bn1=net.BatchNorm(),
            act1=net.Activation("relu"),
            conv_pwl=net.Conv(out, 1),
            bn2=net.BatchNorm(),
        )
    else:
        branch = _universal(row, channels, hidden, out, stride)
    return net.residual(branch) if stride == 1 and channels == out else branch


def _universal(row: Universal, channels: int, hidden: int, out: int, stride: int) -> net.Sequence:
    """The stride is that of the middle depthwise convolution, or of the first where there is no other."""
    layers: dict[str, net.Layer] = {}
    if row.start:
        layers["dw_start"] = _unit(channels, row.start, 1 if row.middle else stride, channels, activated=False)
    layers["pw_exp"] = _unit(hidden, 1)
    if row.middle:
        layers["dw_mid"] = _unit(hidden, row.middle, stride, hidden)
    return net.sequence(**layers, pw_proj=_unit(out, 1, activated=False))


def _unit(out: int, kernel: int, stride: int = 1, groups: int = 1, *, activated: bool = True) -> net.Sequence:
    unit = net.sequence(conv=net.Conv(out, kernel, stride, groups), bn=net.BatchNorm())
    return net.Sequence((*unit.layers, ("act", net.Activation("relu")))) if activated else unit


# Resolutions, and the shares of an image that are kept, are those of timm's default weights.
MEMBERS = {
    "mobilenetv4_conv_small": Member(interpolation="bicubic"),
    "mobilenetv4_conv_medium": Member(resolution=256, resize=269, interpolation="bicubic"),
    "mobilenetv4_conv_large": Member(resolution=384, resize=404, interpolation="bicubic"),
}
FAMILY = Family(name="mobilenetv4", members=MEMBERS, plan=plan, has_depth=True)
