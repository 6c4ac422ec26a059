"""The networks that can be scaled, and what makes two scaling points of one of them the same network.

Rounding makes many points equal: channels are multiples of 8 and repeats are whole. So the accuracy prior looks at
what a network became (its real channels and its real number of blocks), and not at the multipliers it was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, takewhile
from typing import Any, Final

from edgebench.ground.errors import unknown
from edgebench.ground.records import ModelSpec
from edgebench.models import (
    efficientnet,
    efficientnetv2,
    mnasnet,
    mobilenetv1,
    mobilenetv2,
    mobilenetv3,
    mobilenetv4,
    plan_of,
    resnet,
    resolve,
    shufflenetv2,
    squeezenet,
)
from edgebench.models.plan import Layer
from edgebench.models.plan import Sequence as Sequential
from edgebench.models.scaling import round_channels, round_repeats

EVERY: Final = "all"
_ALIKE: Final = 2  # the second block of a stage and all further ones are alike, unless the table says otherwise


@dataclass(frozen=True, kw_only=True)
class Base:
    """A network at width 1 and depth 1, with what its family's table says of stages.

    `channels` gives those of the stages at a width, `blocks` are their numbers of blocks (none where the network has no
    depth); a stage in `fixed` keeps its number. From the block that `distinct` counts on, a stage's blocks are alike.
    `kin` is the name under which the accuracy prior knows the design, and `unit_blocks` the number of blocks at which
    its depth counts as 1. `block` finds a block in an operator's name: one group where blocks are numbered through the
    whole network, two (stage, block) where each stage numbers its own; `first` is the number of the first. `deepens`:
    whether scaling it in depth says anything that another base does not. `alternating`: whether every other copy of a
    block has its output at the same place in memory, since sums are written into their branches' tensors.
    """

    name: str
    kin: str
    channels: Callable[[float], Sequence[int]]
    blocks: tuple[int, ...]
    block: str
    unit_blocks: int
    distinct: tuple[int, ...] = ()
    first: int = 1
    fixed: tuple[int, ...] = ()
    deepens: bool = True
    alternating: bool = False

    @property
    def template_depth(self) -> float:
        """The least depth at which each stage that is not fixed has a block of every kind."""
        shares = [(self.kinds(stage) - 1) / count for stage, count in enumerate(self.blocks) if stage not in self.fixed]
        return max(shares, default=1.0) + 1e-3 if self.blocks else 1.0

    def kinds(self, stage: int) -> int:
        """How many blocks of a stage differ: the last of them stands for all further ones."""
        return self.distinct[stage] if 0 <= stage < len(self.distinct) else _ALIKE

    def repeats(self, depth: float) -> tuple[int, ...]:
        """Blocks of each stage at `depth`."""
        return tuple(
            count if stage in self.fixed else round_repeats(count, depth) for stage, count in enumerate(self.blocks)
        )

    def real_width(self, width: float) -> float:
        """The sum of the stages' rounded channels over that at width 1."""
        return sum(self.channels(width)) / sum(self.channels(1.0))

    def real_depth(self, depth: float) -> float:
        """The number of blocks over that of the design's smallest member; 1 where there is no depth."""
        return sum(self.repeats(depth)) / self.unit_blocks if self.blocks else 1.0

    def template(self, width: float, depth: float) -> Sequential:
        """The network as data, without the blocks that are no `shown` ones."""
        return _template(self.name, width, depth)

    def shown(self, repeats: tuple[int, ...]) -> tuple[int, ...]:
        """How many blocks of each stage stand for all of them: one a kind, where they alternate an even number less."""
        counts = [(count, self.kinds(stage)) for stage, count in enumerate(repeats)]
        return tuple(min(count, kinds + (count - kinds) % 2 * self.alternating) for count, kinds in counts)

    def without_copies(self, network: Sequential, repeats: tuple[int, ...], path: str = "") -> Sequential:
        """A part of a network with these `repeats`, without the blocks that others stand for."""
        shown = self.shown(repeats)
        kept: list[tuple[str, Layer]] = []
        for name, layer in network.layers:
            within = f"{path}{name}"
            place = self.place(within, repeats)
            if place is None:
                inner = self.without_copies(layer, repeats, f"{within}.") if isinstance(layer, Sequential) else layer
                kept.append((name, inner))
            elif not 0 <= place[0] < len(shown) or place[1] < shown[place[0]]:
                kept.append((name, layer))
        return Sequential(tuple(kept))

    def place(self, operator: str, repeats: tuple[int, ...]) -> tuple[int, int, str] | None:
        """(stage, block, rest of the name) of an operator in a network with these `repeats`; None outside the stages.

        Stages and blocks count from zero. Where blocks are numbered through, the layers before and after the stages
        are numbered too: they count as stages of one block, -1 and len(repeats) onwards.
        """
        match = re.match(self.block, operator) if self.blocks else None
        if match is None:
            return None
        numbers = [int(group) for group in match.groups()]
        rest = operator[match.end() :]
        if len(numbers) == 1:
            return *_numbered_through(numbers[0] - self.first, repeats), rest
        stage, block = numbers[0] - self.first, numbers[1]
        return (stage, block, rest) if 0 <= stage < len(repeats) else None


@lru_cache(maxsize=128)  # those of one base
def _template(name: str, width: float, depth: float) -> Sequential:
    base = BASES[name]
    network = plan_of(resolve(name, width=width, depth=depth if base.blocks else None))
    return base.without_copies(network, base.repeats(depth))


def _numbered_through(index: int, repeats: tuple[int, ...]) -> tuple[int, int]:
    if index < 0:
        return index, 0
    for stage, count in enumerate(repeats):
        if index < count:
            return stage, index
        index -= count
    return len(repeats) + index, 0


def _rounded(table: Sequence[int], least: float = 0.9) -> Callable[[float], Sequence[int]]:
    return lambda width: [round_channels(each * width, least=least) for each in table]


def _base(name: str, channels: Callable[[float], Sequence[int]], blocks: Sequence[int], block: str, **how: Any) -> Base:
    """A base whose design goes by its name, and whose depth counts from its own blocks."""
    fields: dict[str, Any] = {"kin": name, "unit_blocks": sum(blocks), **how}
    return Base(name=name, channels=channels, blocks=tuple(blocks), block=block, **fields)


def _resnet(layers: int) -> Base:
    variant = resnet.VARIANTS[f"resnet{layers}"]
    smallest = resnet.VARIANTS["resnet50" if variant.bottleneck else "resnet18"]
    return _base(
        f"resnet{layers}",
        _rounded([resnet.STEM * 2**stage for stage in range(len(variant.blocks))]),
        variant.blocks,
        r"layer(\d+)\.(\d+)",
        kin="resnet_bottleneck" if variant.bottleneck else "resnet_basic",
        unit_blocks=sum(smallest.blocks),
        deepens=variant is smallest,
        alternating=variant.bottleneck,
    )


def _efficientnet(name: str, fixed: tuple[int, ...] = ()) -> Base:
    channels, blocks = zip(*(stage[3:] for stage in efficientnet.STAGES), strict=True)
    return _base(name, _rounded(channels), blocks, r"features\.(\d+)\.(\d+)", fixed=fixed)


def _efficientnetv2(name: str) -> Base:
    """B0 is the one to scale in depth; S is its family's next step, of a depth of its own."""
    variant, smallest = efficientnetv2.variant_of(name), name == "efficientnetv2"
    return _base(
        name,
        _rounded([stage.channels for stage in variant.stages], variant.least),
        [stage.blocks for stage in variant.stages],
        r"features\.(\d+)\.(\d+)",
        distinct=(3,) * len(variant.stages) if smallest else (),
        deepens=smallest,
        alternating=not smallest,
    )


def _mobilenet(name: str, channels: tuple[int, ...], blocks: tuple[int, ...]) -> Base:
    return _base(name, _rounded(channels), blocks, r"features\.(\d+)")


def _kinds(rows: Sequence[object]) -> int:
    """How many blocks of a stage differ: its first, by its input, and all before a run of equal ones at the end."""
    equal = sum(1 for _ in takewhile(lambda row: row == rows[-1], reversed(rows)))
    return max(_ALIKE, len(rows) - equal + 1)


def _of_rows(name: str, stages: Sequence[mobilenetv3.Stage | mobilenetv4.Stage], block: str, **how: Any) -> Base:
    """A base whose stages list their blocks one by one."""
    return _base(
        name,
        _rounded([stage.channels for stage in stages]),
        [len(stage.rows) for stage in stages],
        block,
        distinct=tuple(_kinds(stage.rows) for stage in stages),
        **how,
    )


def _mobilenetv3(name: str) -> Base:
    return _of_rows(name, mobilenetv3.VARIANTS[name].stages, r"features\.(\d+)")


def _mobilenetv4(name: str) -> Base:
    stages = mobilenetv4.VARIANTS[name].stages
    fixed = tuple(number for number, stage in enumerate(stages) if stage.fixed)
    return _of_rows(name, stages, r"blocks\.(\d+)\.(\d+)", first=0, fixed=fixed)


def _mnasnet(name: str) -> Base:
    channels, blocks = zip(*(stage[3:5] for stage in mnasnet.STAGES[name]), strict=True)
    return _base(name, _rounded(channels), blocks, r"layers\.(\d+)\.(\d+)", first=8)


def _squeezenet(name: str) -> Base:
    fires = [2 * row[1] for row in squeezenet.TABLES[name][1] if row]
    return _base(name, _rounded(fires), (), "", unit_blocks=1, deepens=False)


_BASES: Final = (
    _mobilenet("mobilenetv1", *zip(*((stage[0], stage[2]) for stage in mobilenetv1.STAGES), strict=True)),
    _mobilenet("mobilenetv2", *zip(*((stage[1], stage[2]) for stage in mobilenetv2.STAGES), strict=True)),
    *map(_mobilenetv3, mobilenetv3.VARIANTS),
    *map(_mobilenetv4, mobilenetv4.VARIANTS),
    *map(_mnasnet, mnasnet.STAGES),
    _efficientnet("efficientnet"),
    _efficientnet("efficientnet_lite", fixed=(0, len(efficientnet.STAGES) - 1)),
    *map(_efficientnetv2, ("efficientnetv2", "efficientnetv2_s")),
    _base(
        "shufflenetv2",
        lambda width: shufflenetv2.channels_at(width)[:-1],
        shufflenetv2.BLOCKS,
        r"stage(\d+)\.(\d+)",
        first=2,
    ),
    *map(_squeezenet, squeezenet.TABLES),
    *(_resnet(layers) for layers in (18, 34, 50, 101, 152)),
)
BASES: Final[Mapping[str, Base]] = {base.name: base for base in _BASES}
FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    family: tuple(names) for family, names in groupby(BASES, lambda name: resolve(name).family)
}
"""What `--family` takes, and the bases that it searches."""


def bases(family: str) -> list[Base]:
    """The bases of a family, or of every family for "all". Raises UsageError for an unknown one."""
    if family == EVERY:
        return list(BASES.values())
    if family not in FAMILIES:
        raise unknown("family", family, [*FAMILIES, EVERY])
    return [BASES[name] for name in FAMILIES[family]]


def base_of(model: ModelSpec) -> Base:
    """The base that a network is a scaling point of."""
    return BASES[model.name] if model.name in BASES else BASES[model.family]
