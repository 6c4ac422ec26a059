"""VGG (Simonyan and Zisserman, 2014, table 1, columns D and E), with and without batch norm.

State-dict keys are torchvision's vgg16, vgg19, vgg16_bn, vgg19_bn.
"""

from __future__ import annotations

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import round_channels

CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # 3x3 convolutions before each max pooling
COLUMNS = {f"vgg{layers}{suffix}": (layers, bool(suffix)) for layers in CONVOLUTIONS for suffix in ("", "_bn")}
DENSE = 4096
GRID = 7


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns the network at the spec's width (convolutions and hidden dense layers)."""
    column, normalised = COLUMNS[spec.name]
    features: list[net.Layer] = []
    for base, count in zip(CHANNELS, CONVOLUTIONS[column], strict=True):
        conv = net.Conv(round_channels(base * spec.width), 3, bias=True)
        norm = [net.BatchNorm()] if normalised else []
        features += [*[conv, *norm, net.Activation("relu")] * count, net.Pool("max", 2, 2)]
    hidden = [net.Dense(round_channels(DENSE * spec.width)), net.Activation("relu"), net.Dropout(0.5)]
    return net.sequence(
        features=net.numbered(*features),
        avgpool=net.GridPool(GRID),
        flatten=net.Flatten(),
        classifier=net.numbered(*hidden, *hidden, net.Dense(spec.classes)),
    )


FAMILY = Family(name="vgg", members={name: Member() for name in COLUMNS}, plan=plan)
