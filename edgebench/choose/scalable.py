"""The networks that can be scaled, and what makes two scaling points of one of them the same network.

Rounding makes many points equal: channels are multiples of 8 and repeats are whole. So the accuracy prior looks at
what a network became (its real channels and its real number of blocks), and not at the multipliers it was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edgebench.ground.errors import unknown
from edgebench.models import efficientnet, mobilenetv1, mobilenetv2, resnet
from edgebench.models.scaling import round_channels, round_repeats


@dataclass(frozen=True, kw_only=True)
class Base:
    """A network at width 1 and depth 1, with what its family's table says of stages.

    `channels` and `blocks` are per stage; a stage in `fixed` keeps its number of blocks. `kin` is the name under which
    the accuracy prior knows the design, and `unit_blocks` the number of blocks at which its depth counts as 1.
    `block` finds a block in an operator's name: one group where blocks are numbered through the whole network, two
    (stage, block) where each stage numbers its own. `deepens`: whether scaling it in depth says anything that another
    base does not.
    """

    name: str
    kin: str
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    block: str
    unit_blocks: int
    fixed: tuple[int, ...] = ()
    deepens: bool = True
    bottleneck: bool = False

    def repeats(self, depth: float) -> tuple[int, ...]:
        """Blocks of each stage at `depth`."""
        return tuple(
            count if stage in self.fixed else round_repeats(count, depth) for stage, count in enumerate(self.blocks)
        )

    def real_width(self, width: float) -> float:
        """The sum of the stages' rounded channels over that at width 1."""
        return sum(round_channels(each * width) for each in self.channels) / sum(self.channels)

    def real_depth(self, depth: float) -> float:
        """The number of blocks over that of the design's smallest member."""
        return sum(self.repeats(depth)) / self.unit_blocks

    def place(self, operator: str, repeats: tuple[int, ...]) -> tuple[int, int, str] | None:
        """(stage, block, rest of the name) of an operator in a network with these `repeats`; None outside the stages.

        Stages and blocks count from zero. Where blocks are numbered through, the layers before and after the stages
        are numbered too: they count as stages of one block, -1 and len(repeats) onwards.
        """
        match = re.match(self.block, operator)
        if match is None:
            return None
        numbers = [int(group) for group in match.groups()]
        rest = operator[match.end() :]
        if len(numbers) == 1:
            return *_numbered_through(numbers[0] - 1, repeats), rest
        stage, block = numbers[0] - 1, numbers[1]
        return (stage, block, rest) if 0 <= stage < len(repeats) else None


def _numbered_through(index: int, repeats: tuple[int, ...]) -> tuple[int, int]:
    if index < 0:
        return index, 0
    for stage, count in enumerate(repeats):
        if index < count:
            return stage, index
        index -= count
    return len(repeats) + index, 0


def _resnet(layers: int) -> Base:
    variant = resnet.VARIANTS[f"resnet{layers}"]
    smallest = resnet.VARIANTS["resnet50" if variant.bottleneck else "resnet18"]
    return Base(
        name=f"resnet{layers}",
        kin="resnet_bottleneck" if variant.bottleneck else "resnet_basic",
        channels=tuple(resnet.STEM * 2**stage for stage in range(len(variant.blocks))),
        blocks=variant.blocks,
        block=r"layer(\d+)\.(\d+)",
        unit_blocks=sum(smallest.blocks),
        deepens=variant is smallest,
        bottleneck=variant.bottleneck,
    )


def _efficientnet(name: str, fixed: tuple[int, ...] = ()) -> Base:
    blocks = tuple(stage[4] for stage in efficientnet.STAGES)
    return Base(
        name=name,
        kin=name,
        channels=tuple(stage[3] for stage in efficientnet.STAGES),
        blocks=blocks,
        block=r"features\.(\d+)\.(\d+)",
        unit_blocks=sum(blocks),
        fixed=fixed,
    )


def _mobilenet(name: str, channels: tuple[int, ...], blocks: tuple[int, ...]) -> Base:
    return Base(
        name=name, kin=name, channels=channels, blocks=blocks, block=r"features\.(\d+)", unit_blocks=sum(blocks)
    )


BASES: Final[Mapping[str, Base]] = {
    base.name: base
    for base in (
        _mobilenet("mobilenetv1", *zip(*((stage[0], stage[2]) for stage in mobilenetv1.STAGES), strict=True)),
        _mobilenet("mobilenetv2", *zip(*((stage[1], stage[2]) for stage in mobilenetv2.STAGES), strict=True)),
        _efficientnet("efficientnet"),
        _efficientnet("efficientnet_lite", fixed=(0, len(efficientnet.STAGES) - 1)),
        *(_resnet(layers) for layers in (18, 34, 50, 101, 152)),
    )
}

_RESNETS: Final = tuple(name for name in BASES if name.startswith("resnet"))
FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    **{name: (name,) for name in sorted(BASES) if name not in _RESNETS},
    "resnet": _RESNETS,
}
"""What `--family` takes, and the bases that it searches."""


def bases(family: str) -> list[Base]:
    """The bases of a family, or of every family for "all". Raises UsageError for an unknown one."""
    if family == "all":
        return list(BASES.values())
    if family not in FAMILIES:
        raise unknown("family", family, [*FAMILIES, "all"])
    return [BASES[name] for name in FAMILIES[family]]
