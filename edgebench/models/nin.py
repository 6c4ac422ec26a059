"""Network in Network (Lin et al., 2014), the authors' ImageNet net: 7,595,176 parameters.

The paper draws the blocks and gives no ImageNet table; the table here is the authors' nin_imagenet prototxt in the
Caffe model zoo: 224x224 crops, pooling that rounds up, and a last block of 1024, 1024 and one map per class.
"""

from __future__ import annotations

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import round_channels

BLOCKS = (  # channels, kernel, stride, padding; each followed by two 1x1 convolutions of the same channels
    (96, 11, 4, 0),
    (256, 5, 1, 2),
    (384, 3, 1, 1),
)
LAST = 1024


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns the network at the spec's width (all convolutions but the last, which has one map per class)."""
    layers: list[net.Layer] = []
    for base, kernel, stride, padding in BLOCKS:
        channels = round_channels(base * spec.width)
        layers += [*_block((channels,) * 3, kernel, stride, padding), net.Pool("max", 3, 2, ceil=True)]
    last = round_channels(LAST * spec.width)
    layers += [net.Dropout(0.5), *_block((last, last, spec.classes), 3, 1, 1)]
    return net.sequence(features=net.numbered(*layers), pool=net.GlobalPool(), flatten=net.Flatten())


def _block(channels: tuple[int, int, int], kernel: int, stride: int, padding: int) -> list[net.Layer]:
    """A convolution and two 1x1 convolutions, which are a small network slid over the image."""
    first, *pointwise = channels
    convolutions = [
        net.Conv(first, kernel, stride, bias=True, padding=padding),
        *(net.Conv(out, 1, bias=True) for out in pointwise),
    ]
    return [layer for conv in convolutions for layer in (conv, net.Activation("relu"))]


# 39 pixels are what the window of 11 and three poolings leave one pixel of.
FAMILY = Family(name="nin", members={"nin": Member(minimum=39)}, plan=plan)
