"""EfficientNetV2 (Tan and Le, 2021, table 4; B0 to B3 of google/automl, efficientnetv2/effnetv2_configs.py).

The first stages are fused: one 3x3 convolution expands where EfficientNet has a pointwise and a depthwise one.
State-dict keys are torchvision's efficientnet_v2_s. B0 to B3 have TensorFlow's padding, since their only published
weights do; torchvision's S pads symmetrically. B0 to B3 round channels to the nearest multiple of 8, however far.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import round_channels, round_repeats

FUSED, SQUEEZED = False, True


@dataclass(frozen=True)
class Stage:
    """Expansion, stride of the first block, channels, blocks, and whether blocks are squeezed or fused."""

    expansion: int
    stride: int
    channels: int
    blocks: int
    squeezed: bool


@dataclass(frozen=True)
class Variant:
    """A table of stages, the stem's channels, the least share of its channels that rounding may leave a layer."""

    stem: int
    stages: tuple[Stage, ...]
    least: float
    same: bool


BASE = Variant(
    stem=32,
    stages=(
        Stage(1, 1, 16, 1, FUSED),
        Stage(4, 2, 32, 2, FUSED),
        Stage(4, 2, 48, 2, FUSED),
        Stage(4, 2, 96, 3, SQUEEZED),
        Stage(6, 1, 112, 5, SQUEEZED),
        Stage(6, 2, 192, 8, SQUEEZED),
    ),
    least=0.0,
    same=True,
)
SMALL = Variant(
    stem=24,
    stages=(
        Stage(1, 1, 24, 2, FUSED),
        Stage(4, 2, 48, 4, FUSED),
        Stage(4, 2, 64, 4, FUSED),
        Stage(4, 2, 128, 6, SQUEEZED),
        Stage(6, 1, 160, 9, SQUEEZED),
        Stage(6, 2, 256, 15, SQUEEZED),
    ),
    least=0.9,
    same=False,
)
HEAD = 1280
SQUEEZE = 4  # the gate's bottleneck is a quarter of the block's input channels
EPS = 1e-3
DROPOUT = 0.2


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns EfficientNetV2 at the spec's width (all channels) and depth (blocks of each stage)."""
    variant = variant_of(spec.name)
    channels = round_channels(variant.stem * spec.width, least=variant.least)
    layers: list[net.Layer] = [net.conv_norm(channels, 3, 2, activation="silu", eps=EPS)]
    for stage in variant.stages:
        out = round_channels(stage.channels * spec.width, least=variant.least)
        blocks = []
        for index in range(round_repeats(stage.blocks, spec.depth)):
            blocks.append(_block(stage, channels, out, stage.stride if index == 0 else 1))
            channels = out
        layers.append(net.numbered(*blocks))
    layers.append(net.conv_norm(round_channels(HEAD * spec.width, least=variant.least), 1, activation="silu", eps=EPS))
    features = net.numbered(*layers)
    return net.sequence(
        features=net.padded_as_tensorflow(features) if variant.same else features,
        avgpool=net.GlobalPool(),
        flatten=net.Flatten(),
        classifier=net.classifier(DROPOUT, spec.classes),
    )


def variant_of(name: str) -> Variant:
    """The table that a network is made of."""
    return SMALL if name == "efficientnetv2_s" else BASE


def _block(stage: Stage, channels: int, out: int, stride: int) -> net.Layer:
    hidden = channels * stage.expansion
    if stage.squeezed:
        layers: list[net.Layer] = [
            net.conv_norm(hidden, 1, activation="silu", eps=EPS),
            net.conv_norm(hidden, 3, stride, hidden, activation="silu", eps=EPS),
            net.squeeze_excite(hidden, max(1, channels // SQUEEZE), "silu", "sigmoid"),
            net.conv_norm(out, 1, activation=None, eps=EPS),
        ]
    elif stage.expansion > 1:
        layers = [
            net.conv_norm(hidden, 3, stride, activation="silu", eps=EPS),
            net.conv_norm(out, 1, activation=None, eps=EPS),
        ]
    else:
        layers = [net.conv_norm(out, 3, stride, activation="silu", eps=EPS)]
    branch = net.sequence(block=net.numbered(*layers))
    return net.residual(branch) if stride == 1 and channels == out else branch


POINTS = {  # width, depth, resolution, resize (timm's crop_pct of 0.875, 0.882, 0.89 and 0.904; torchvision's for S)
    "efficientnetv2": (1.0, 1.0, 224, 256),
    "efficientnetv2_b0": (1.0, 1.0, 224, 256),
    "efficientnetv2_b1": (1.0, 1.1, 240, 272),
    "efficientnetv2_b2": (1.1, 1.2, 260, 292),
    "efficientnetv2_b3": (1.2, 1.4, 300, 332),
    "efficientnetv2_s": (1.0, 1.0, 384, 384),
}
MEMBERS = {
    name: Member(
        width=width,
        depth=depth,
        resolution=resolution,
        resize=resize,
        interpolation="bilinear" if name == "efficientnetv2_s" else "bicubic",
    )
    for name, (width, depth, resolution, resize) in POINTS.items()
}
FAMILY = Family(name="efficientnetv2", members=MEMBERS, plan=plan, has_depth=True)
