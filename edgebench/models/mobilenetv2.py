"""MobileNetV2 (Sandler et al., 2018, table 2): inverted residuals with linear bottlenecks.

State-dict keys are torchvision's mobilenet_v2. The head keeps 1280 channels below width 1, as in the paper.
"""

from __future__ import annotations

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import round_channels, round_repeats

STEM, HEAD = 32, 1280
STAGES = (  # t: expansion, c: channels, n: blocks, s: stride of the first block
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
DROPOUT = 0.2


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns MobileNetV2 at the spec's width (all channels, the head only upwards) and depth (blocks of a stage)."""
    channels = round_channels(STEM * spec.width)
    layers: list[net.Layer] = [net.conv_norm(channels, 3, 2, activation="relu6")]
    for expansion, base, blocks, first_stride in STAGES:
        out = round_channels(base * spec.width)
        for index in range(round_repeats(blocks, spec.depth)):
            layers.append(_inverted_residual(channels, out, expansion, first_stride if index == 0 else 1))
            channels = out
    layers.append(net.conv_norm(round_channels(HEAD * max(1.0, spec.width)), 1, activation="relu6"))
    return net.sequence(
        features=net.numbered(*layers),
        pool=net.GlobalPool(),
        flatten=net.Flatten(),
        classifier=net.classifier(DROPOUT, spec.classes),
    )


def _inverted_residual(channels: int, out: int, expansion: int, stride: int) -> net.Layer:
    hidden = channels * expansion
    expand = [net.conv_norm(hidden, 1, activation="relu6")] if expansion > 1 else []
    depthwise = net.conv_norm(hidden, 3, stride, hidden, activation="relu6")
    branch = net.sequence(conv=net.numbered(*expand, depthwise, net.Conv(out, 1), net.BatchNorm()))
    return net.residual(branch) if stride == 1 and channels == out else branch


FAMILY = Family(name="mobilenetv2", members={"mobilenetv2": Member()}, plan=plan, has_depth=True)
