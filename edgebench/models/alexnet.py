"""AlexNet (Krizhevsky et al., 2012) and torchvision's one-column version of it (Krizhevsky, 2014: "one weird trick").

`alexnet` is the paper's net on 227x227 images with local response normalisation; by default its two columns are one
(groups=1), with groups=2 convolutions 2, 4 and 5 see only their own half, as on the paper's two GPUs.
State-dict keys of `alexnet_owt` are torchvision's alexnet.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import round_channels


@dataclass(frozen=True)
class Row:
    """One convolution: its channels, kernel, stride, padding, whether it is split in columns, and what follows."""

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    split: bool = False
    normalised: bool = False
    pooled: bool = False


TABLES = {
    "alexnet": (
        Row(96, 11, stride=4, normalised=True, pooled=True),
        Row(256, 5, padding=2, split=True, normalised=True, pooled=True),
        Row(384, 3, padding=1),
        Row(384, 3, padding=1, split=True),
        Row(256, 3, padding=1, split=True, pooled=True),
    ),
    "alexnet_owt": (
        Row(64, 11, stride=4, padding=2, pooled=True),
        Row(192, 5, padding=2, pooled=True),
        Row(384, 3, padding=1),
        Row(256, 3, padding=1),
        Row(256, 3, padding=1, pooled=True),
    ),
}
DENSE = 4096
GRID = 6
# Section 3.3: k = 2, n = 5, alpha = 1e-4, beta = 0.75. The paper sums over the n channels, where torch averages.
NORM = net.LocalResponseNorm(size=5, alpha=5 * 1e-4, beta=0.75, k=2.0)


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns the network at the spec's width (convolutions and hidden dense layers)."""
    groups = int(spec.options.get("groups", 1))
    features: list[net.Layer] = []
    for row in TABLES[spec.name]:
        channels, split = round_channels(row.channels * spec.width), groups if row.split else 1
        features.append(net.Conv(channels, row.kernel, row.stride, split, bias=True, padding=row.padding))
        features.append(net.Activation("relu"))
        if row.normalised:
            features.append(NORM)
        if row.pooled:
            features.append(net.Pool("max", 3, 2))
    hidden = [net.Dropout(0.5), net.Dense(round_channels(DENSE * spec.width)), net.Activation("relu")]
    return net.sequence(
        features=net.numbered(*features),
        avgpool=net.GridPool(GRID),
        flatten=net.Flatten(),
        classifier=net.numbered(*hidden, *hidden, net.Dense(spec.classes)),
    )


FAMILY = Family(
    name="alexnet",
    members={
        # 67 and 63 pixels are what the unpadded windows of 11, 3, 3 and 3 leave one pixel of.
        "alexnet": Member(resolution=227, minimum=67, options={"groups": (1, 2)}),
        "alexnet_owt": Member(minimum=63),
    },
    plan=plan,
)
