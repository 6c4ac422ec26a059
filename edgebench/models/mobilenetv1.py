"""MobileNetV1 (Howard et al., 2017, table 1): a 3x3 stem, then depthwise-separable blocks.

ReLU6, the batch norm's epsilon and the dropout are those of the authors' code (tensorflow/models,
research/slim/nets/mobilenet_v1.py). It rounds channels as max(8, int(c * width)); ours round to a multiple of 8,
which is the same at all published widths (0.25, 0.5, 0.75, 1). Padding is symmetric, as torch pads, where
TensorFlow's is not: costs are the same, TensorFlow's weights would see images shifted by a pixel.
"""

from __future__ import annotations

from edgebench.ground.records import ModelSpec
from edgebench.models.family import Family, Member
from edgebench.models.plan import Flatten, GlobalPool, Sequence, classifier, conv_norm, numbered, sequence
from edgebench.models.scaling import round_channels, round_repeats

STEM = 32
STAGES = (  # channels, stride of the first block, blocks
    (64, 1, 1),
    (128, 2, 2),
    (256, 2, 2),
    (512, 2, 6),
    (1024, 2, 2),
)
EPS = 1e-3
DROPOUT = 1e-3


def plan(spec: ModelSpec) -> Sequence:
    """Returns MobileNetV1 at the spec's width (all channels) and depth (blocks of each stage)."""
    channels = round_channels(STEM * spec.width)
    layers = [conv_norm(channels, 3, 2, activation="relu6", eps=EPS)]
    for base, first_stride, blocks in STAGES:
        out = round_channels(base * spec.width)
        for index in range(round_repeats(blocks, spec.depth)):
            stride = first_stride if index == 0 else 1
            depthwise = conv_norm(channels, 3, stride, channels, activation="relu6", eps=EPS)
            layers.append(numbered(depthwise, conv_norm(out, 1, activation="relu6", eps=EPS)))
            channels = out
    return sequence(
        features=numbered(*layers), pool=GlobalPool(), flatten=Flatten(), classifier=classifier(DROPOUT, spec.classes)
    )


FAMILY = Family(
    name="mobilenetv1",
    # Images in -1..1: slim's preprocessing/inception_preprocessing.py, central fraction 0.875.
    members={"mobilenetv1": Member(mean=(0.5,) * 3, std=(0.5,) * 3)},
    plan=plan,
    has_depth=True,
)
