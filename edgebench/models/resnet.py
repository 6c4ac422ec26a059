"""ResNet (He et al., 2015, tables 1 and 6), and the same nets without shortcuts ("plain").

State-dict keys are torchvision's resnet18..152; like there, a bottleneck strides in its 3x3 convolution. The CIFAR
nets (resnet20, resnet56) have the paper's parameter-free option A shortcuts: every second pixel, and channels of zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import round_channels, round_repeats


@dataclass(frozen=True)
class Variant:
    """One column of the paper's tables: blocks a stage and the kind of block."""

    blocks: tuple[int, ...]
    bottleneck: bool = False
    cifar: bool = False
    shortcuts: bool = True


VARIANTS = {
    "resnet18": Variant((2, 2, 2, 2)),
    "resnet34": Variant((3, 4, 6, 3)),
    "resnet50": Variant((3, 4, 6, 3), bottleneck=True),
    "resnet101": Variant((3, 4, 23, 3), bottleneck=True),
    "resnet152": Variant((3, 8, 36, 3), bottleneck=True),
    "resnet20": Variant((3, 3, 3), cifar=True),
    "resnet56": Variant((9, 9, 9), cifar=True),
    "plain18": Variant((2, 2, 2, 2), shortcuts=False),
    "plain34": Variant((3, 4, 6, 3), shortcuts=False),
    "plain20": Variant((3, 3, 3), cifar=True, shortcuts=False),
    "plain56": Variant((9, 9, 9), cifar=True, shortcuts=False),
}
STEM, CIFAR_STEM = 64, 16  # each stage after the first doubles the channels and halves the resolution
EXPANSION = 4
# Channel statistics of CIFAR-10's training images in 0..1; the paper subtracts a mean image instead.
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns the network at the spec's width (all channels) and depth (blocks of each stage)."""
    variant = VARIANTS[spec.name]
    base = CIFAR_STEM if variant.cifar else STEM
    channels = round_channels(base * spec.width)
    conv = net.Conv(channels, 3) if variant.cifar else net.Conv(channels, 7, 2)
    layers: dict[str, net.Layer] = {"conv1": conv, "bn1": net.BatchNorm(), "relu": net.Activation("relu")}
    if not variant.cifar:
        layers["maxpool"] = net.Pool("max", 3, 2, padding=1)
    for stage, blocks in enumerate(variant.blocks):
        inner = round_channels(base * 2**stage * spec.width)
        strides = [2 if stage else 1] + [1] * (round_repeats(blocks, spec.depth) - 1)
        built = []
        for stride in strides:
            built.append(_block(channels, inner, stride, variant))
            channels = inner * EXPANSION if variant.bottleneck else inner
        layers[f"layer{stage + 1}"] = net.numbered(*built)
    return net.sequence(**layers, avgpool=net.GlobalPool(), flatten=net.Flatten(), fc=net.Dense(spec.classes))


def _block(channels: int, inner: int, stride: int, variant: Variant) -> net.Layer:
    branch = _bottleneck(inner, stride) if variant.bottleneck else _basic(inner, stride)
    if not variant.shortcuts:
        return net.Sequence((*branch.layers, ("relu_out", net.Activation("relu"))))
    out = inner * EXPANSION if variant.bottleneck else inner
    return net.residual(branch, _shortcut(channels, out, stride, variant.cifar), activation="relu")


def _shortcut(channels: int, out: int, stride: int, parameter_free: bool) -> net.Sequence:
    if stride == 1 and channels == out:
        return net.Sequence()
    if parameter_free:
        return net.sequence(subsample=net.Subsample(stride), pad=net.PadChannels(out - channels))
    return net.sequence(downsample=net.conv_norm(out, 1, stride, activation=None))


def _basic(channels: int, stride: int) -> net.Sequence:
    return net.sequence(
        conv1=net.Conv(channels, 3, stride),
        bn1=net.BatchNorm(),
        relu=net.Activation("relu"),
        conv2=net.Conv(channels, 3),
        bn2=net.BatchNorm(),
    )


def _bottleneck(channels: int, stride: int) -> net.Sequence:
    return net.sequence(
        conv1=net.Conv(channels, 1),
        bn1=net.BatchNorm(),
        relu1=net.Activation("relu"),
        conv2=net.Conv(channels, 3, stride),
        bn2=net.BatchNorm(),
        relu2=net.Activation("relu"),
        conv3=net.Conv(channels * EXPANSION, 1),
        bn3=net.BatchNorm(),
    )


CIFAR = Member(resolution=32, classes=10, minimum=4, resize=32, mean=CIFAR_MEAN, std=CIFAR_STD)
MEMBERS = {name: CIFAR if variant.cifar else Member() for name, variant in VARIANTS.items()}
FAMILY = Family(name="resnet", members=MEMBERS, plan=plan, has_depth=True)
