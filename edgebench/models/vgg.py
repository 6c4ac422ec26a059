"""VGG (Simonyan and Zisserman, 2014, table 1, columns D and E), with and without batch norm.

State-dict keys are torchvision's vgg16, vgg19, vgg16_bn, vgg19_bn.
"""

from __future__ import annotations

from edgebench.ground.records import ModelSpec
from edgebench.models.family import Family, Member
from edgebench.models.plan import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GridPool,
    Layer,
    Pool,
    Sequence,
    numbered,
    sequence,
)
from edgebench.models.scaling import round_channels

CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # 3x3 convolutions before each max pooling
COLUMNS = {f"vgg{layers}{suffix}": (layers, bool(suffix)) for layers in CONVOLUTIONS for suffix in ("", "_bn")}
DENSE = 4096
GRID = 7


def plan(spec: ModelSpec) -> Sequence:
    """Returns the network at the spec's width (convolutions and hidden dense layers)."""
    column, normalised = COLUMNS[spec.name]
    features: list[Layer] = []
    for base, count in zip(CHANNELS, CONVOLUTIONS[column], strict=True):
        conv = Conv(round_channels(base * spec.width), 3, bias=True)
        norm = [BatchNorm()] if normalised else []
        features += [*[conv, *norm, Activation("relu")] * count, Pool("max", 2, 2)]
    hidden = round_channels(DENSE * spec.width)
    return sequence(
        features=numbered(*features),
        avgpool=GridPool(GRID),
        flatten=Flatten(),
        classifier=numbered(
            Dense(hidden),
            Activation("relu"),
            Dropout(0.5),
            Dense(hidden),
            Activation("relu"),
            Dropout(0.5),
            Dense(spec.classes),
        ),
    )


FAMILY = Family(name="vgg", members={name: Member() for name in COLUMNS}, plan=plan)
