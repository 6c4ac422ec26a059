"""ShuffleNetV2 (Ma et al., 2018, table 5): half of the channels pass a block untouched, then both halves are shuffled.

State-dict keys are torchvision's shufflenet_v2_x0_5 to x2_0. The paper gives each of its widths channels of its own;
other widths scale those of 1.0 and round to multiples of 8, so that both halves are whole.
"""

from __future__ import annotations

from itertools import chain

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import round_channels, round_repeats

STEM = 24
BLOCKS = (4, 8, 4)
CHANNELS = {  # of the three stages, and of the last convolution, by width
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns ShuffleNetV2 at the spec's width (channels of the stages) and depth (blocks of each stage)."""
    channels, (*stages, last) = STEM, channels_at(spec.width)
    layers: dict[str, net.Layer] = {"conv1": net.conv_norm(STEM, 3, 2, activation="relu")}
    layers["maxpool"] = net.Pool("max", 3, 2, padding=1)
    for stage, (out, blocks) in enumerate(zip(stages, BLOCKS, strict=True), 2):
        repeats = round_repeats(blocks, spec.depth)
        layers[f"stage{stage}"] = _shuffled(_strided(channels, out), *(_block(out) for _ in range(repeats - 1)))
        channels = out
    layers["conv5"] = net.conv_norm(last, 1, activation="relu")
    return net.sequence(**layers, pool=net.GlobalPool(), flatten=net.Flatten(), fc=net.Dense(spec.classes))


def channels_at(width: float) -> tuple[int, ...]:
    """The channels of the three stages and of the last convolution: the paper's, or those of width 1.0 scaled."""
    if width in CHANNELS:
        return CHANNELS[width]
    *stages, last = CHANNELS[1.0]
    return *(round_channels(each * width) for each in stages), round_channels(last * max(1.0, width))


def _branch(channels: int, half: int, stride: int) -> net.Sequence:
    pointwise = [net.Conv(half, 1), net.BatchNorm(), net.Activation("relu")]
    return net.numbered(*pointwise, net.Conv(half, 3, stride, half), net.BatchNorm(), *pointwise)


def _strided(channels: int, out: int) -> net.Layer:
    """Both halves come from all channels."""
    half = out // 2
    depthwise = (net.Conv(channels, 3, 2, channels), net.BatchNorm())
    first = net.numbered(*depthwise, net.Conv(half, 1), net.BatchNorm(), net.Activation("relu"))
    paths = (net.sequence(branch1=first), net.sequence(branch2=_branch(channels, half, 2)))
    return net.Parallel(paths, "concat")


def _block(channels: int) -> net.Layer:
    half = channels // 2
    kept = net.sequence(kept=net.Channels(0, half))
    changed = net.sequence(changed=net.Channels(half, half), branch2=_branch(half, half, 1))
    return net.Parallel((kept, changed), "concat")


def _shuffled(*blocks: net.Layer) -> net.Sequence:
    """The blocks, numbered, each with a shuffle behind it."""
    named = [((str(index), block), (f"{index}_shuffle", net.Shuffle(2))) for index, block in enumerate(blocks)]
    return net.Sequence(tuple(chain.from_iterable(named)))


FAMILY = Family(name="shufflenetv2", members={"shufflenetv2": Member()}, plan=plan, has_depth=True)
