"""GoogLeNet (Szegedy et al., 2014, table 1) with batch norm; state-dict keys are torchvision's googlenet.

As in torchvision, the third branch of a block is 3x3 where the paper has 5x5. `aux=True` builds the two side
classifiers; they compute in training mode only and never reach an exported file.
"""

from __future__ import annotations

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import round_channels

STEM = (64, 64, 192)  # 7x7/2, pooling, 1x1, 3x3, pooling
BLOCKS = (  # 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
    ("inception3a", (64, 96, 128, 16, 32, 32)),
    ("inception3b", (128, 128, 192, 32, 96, 64)),
    ("inception4a", (192, 96, 208, 16, 48, 64)),
    ("inception4b", (160, 112, 224, 24, 64, 64)),
    ("inception4c", (128, 128, 256, 24, 64, 64)),
    ("inception4d", (112, 144, 288, 32, 64, 64)),
    ("inception4e", (256, 160, 320, 32, 128, 128)),
    ("inception5a", (256, 160, 320, 32, 128, 128)),
    ("inception5b", (384, 192, 384, 48, 128, 128)),
)
POOLS = {"inception3b": ("maxpool3", 3), "inception4e": ("maxpool4", 2)}  # name and window of the pooling after it
SIDES = {"inception4a": "aux1", "inception4d": "aux2"}
SIDE_CHANNELS, SIDE_HIDDEN, SIDE_GRID = 128, 1024, 4
EPS = 1e-3


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns the network at the spec's width (all channels)."""
    stem = [round_channels(base * spec.width) for base in STEM]
    layers: dict[str, net.Layer] = {
        "conv1": _conv(stem[0], 7, 2),
        "maxpool1": net.Pool("max", 3, 2, ceil=True),
        "conv2": _conv(stem[1], 1),
        "conv3": _conv(stem[2], 3),
        "maxpool2": net.Pool("max", 3, 2, ceil=True),
    }
    for name, bases in BLOCKS:
        layers[name] = _inception(tuple(round_channels(base * spec.width) for base in bases))
        if name in POOLS:
            pool, window = POOLS[name]
            layers[pool] = net.Pool("max", window, 2, ceil=True)
        if name in SIDES and spec.options.get("aux"):
            layers[SIDES[name]] = _side(spec)
    return net.sequence(
        **layers, avgpool=net.GlobalPool(), flatten=net.Flatten(), dropout=net.Dropout(0.2), fc=net.Dense(spec.classes)
    )


def _conv(out: int, kernel: int, stride: int = 1) -> net.Sequence:
    return net.sequence(conv=net.Conv(out, kernel, stride), bn=net.BatchNorm(EPS), relu=net.Activation("relu"))


def _inception(channels: tuple[int, ...]) -> net.Parallel:
    one, three_reduce, three, five_reduce, five, pooled = channels
    branches = {
        "branch1": _conv(one, 1),
        "branch2": net.numbered(_conv(three_reduce, 1), _conv(three, 3)),
        "branch3": net.numbered(_conv(five_reduce, 1), _conv(five, 3)),
        "branch4": net.numbered(net.Pool("max", 3, 1, padding=1, ceil=True), _conv(pooled, 1)),
    }
    return net.Parallel(tuple(net.sequence(**{name: branch}) for name, branch in branches.items()), "concat")


def _side(spec: ModelSpec) -> net.SideBranch:
    return net.SideBranch(
        net.sequence(
            avgpool=net.GridPool(SIDE_GRID),
            conv=_conv(round_channels(SIDE_CHANNELS * spec.width), 1),
            flatten=net.Flatten(),
            fc1=net.Dense(round_channels(SIDE_HIDDEN * spec.width)),
            relu=net.Activation("relu"),
            dropout=net.Dropout(0.7),
            fc2=net.Dense(spec.classes),
        )
    )


FAMILY = Family(
    name="googlenet",
    # Images in -1..1: torchvision's weights come with transform_input=True, which turns ImageNet's normalisation
    # into this one inside the network.
    members={"googlenet": Member(options={"aux": (False, True)}, mean=(0.5,) * 3, std=(0.5,) * 3)},
    plan=plan,
    training_only=("aux1.", "aux2."),
)
