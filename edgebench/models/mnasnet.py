"""MnasNet (Tan et al., 2019): B1 without squeeze-and-excitation (figure 7's baseline) and A1 with it (figure 7a).

State-dict keys of B1 are torchvision's mnasnet0_5 to mnasnet1_3 (widths 0.5, 0.75, 1 and 1.3); A1's are alike. The
head keeps 1280 channels at any width.
"""

from __future__ import annotations

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import round_channels, round_repeats

STEM, FIRST, HEAD = 32, 16, 1280
STAGES = {  # expansion, kernel, stride of the first block, channels, blocks, whether squeezed
    "mnasnet_b1": (
        (3, 3, 2, 24, 3, False),
        (3, 5, 2, 40, 3, False),
        (6, 5, 2, 80, 3, False),
        (6, 3, 1, 96, 2, False),
        (6, 5, 2, 192, 4, False),
        (6, 3, 1, 320, 1, False),
    ),
    "mnasnet_a1": (
        (6, 3, 2, 24, 2, False),
        (3, 5, 2, 40, 3, True),
        (6, 3, 2, 80, 4, False),
        (6, 3, 1, 112, 2, True),
        (6, 5, 2, 160, 3, True),
        (6, 3, 1, 320, 1, False),
    ),
}
SQUEEZE = 0.25  # the gate's bottleneck is a quarter of the block's input channels
DROPOUT = 0.2


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns MnasNet at the spec's width (all channels but the head's) and depth (blocks of each stage)."""
    stem, channels = (round_channels(each * spec.width) for each in (STEM, FIRST))
    layers: list[net.Layer] = [*_unit(stem, 3, 2), *_unit(stem, 3, 1, stem), net.Conv(channels, 1), net.BatchNorm()]
    for expansion, kernel, first_stride, base, blocks, squeezed in STAGES[spec.name]:
        out, stage = round_channels(base * spec.width), []
        for index in range(round_repeats(blocks, spec.depth)):
            stride = first_stride if index == 0 else 1
            stage.append(_inverted_residual(channels, out, channels * expansion, kernel, stride, squeezed))
            channels = out
        layers.append(net.numbered(*stage))
    layers += _unit(HEAD, 1)
    return net.sequence(
        layers=net.numbered(*layers),
        pool=net.GlobalPool(),
        flatten=net.Flatten(),
        classifier=net.classifier(DROPOUT, spec.classes),
    )


def _unit(out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[net.Layer]:
    return [net.Conv(out, kernel, stride, groups), net.BatchNorm(), net.Activation("relu")]


def _inverted_residual(channels: int, out: int, hidden: int, kernel: int, stride: int, squeezed: bool) -> net.Layer:
    gate = [net.squeeze_excite(hidden, max(1, round(channels * SQUEEZE)), "relu", "sigmoid")] if squeezed else []
    unit = [*_unit(hidden, 1), *_unit(hidden, kernel, stride, hidden)]
    branch = net.sequence(layers=net.numbered(*unit, *gate, net.Conv(out, 1), net.BatchNorm()))
    return net.residual(branch) if stride == 1 and channels == out else branch


MEMBERS = {"mnasnet_b1": Member(), "mnasnet_a1": Member(interpolation="bicubic")}
FAMILY = Family(name="mnasnet", members=MEMBERS, plan=plan, has_depth=True)
