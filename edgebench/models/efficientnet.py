"""EfficientNet (Tan and Le, 2019, table 1) and EfficientNet-Lite (tensorflow/tpu, efficientnet/lite).

State-dict keys are torchvision's efficientnet_b0..b7. Padding is symmetric, as torchvision pads; the TensorFlow
originals pad "SAME", which for stride 2 is one pixel aside. Lite drops squeeze-and-excitation, uses ReLU6, keeps the
stem and the head at their size, and does not repeat the first and the last stage more often.
"""

from __future__ import annotations

from edgebench.ground.records import ModelSpec
from edgebench.models import plan as net
from edgebench.models.family import Family, Member
from edgebench.models.scaling import round_channels, round_repeats

STEM, HEAD = 32, 1280
STAGES = (  # expansion, kernel, stride of the first block, channels, blocks
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
SQUEEZE = 4  # the gate's bottleneck is a quarter of the block's input channels

# width, depth, resolution, resize (torchvision's EfficientNet_B*_Weights.IMAGENET1K_V1)
POINTS = {
    "efficientnet": (1.0, 1.0, 224, 256),
    "efficientnet_b0": (1.0, 1.0, 224, 256),
    "efficientnet_b1": (1.0, 1.1, 240, 256),
    "efficientnet_b2": (1.1, 1.2, 260, 288),
    "efficientnet_b3": (1.2, 1.4, 300, 320),
    "efficientnet_b4": (1.4, 1.8, 380, 384),
    "efficientnet_b5": (1.6, 2.2, 456, 456),
    "efficientnet_b6": (1.8, 2.6, 528, 528),
    "efficientnet_b7": (2.0, 3.1, 600, 600),
}
# width, depth, resolution; resized to 32 pixels more (CROP_PADDING in tensorflow/tpu efficientnet/preprocessing.py)
LITE_POINTS = {
    "efficientnet_lite": (1.0, 1.0, 224),
    "efficientnet_lite0": (1.0, 1.0, 224),
    "efficientnet_lite1": (1.0, 1.1, 240),
    "efficientnet_lite2": (1.1, 1.2, 260),
    "efficientnet_lite3": (1.2, 1.4, 280),
    "efficientnet_lite4": (1.4, 1.8, 300),
}
DROPOUT = {"efficientnet_b2": 0.3, "efficientnet_b3": 0.3, "efficientnet_b4": 0.4, "efficientnet_b5": 0.4}
DROPOUT |= {"efficientnet_b6": 0.5, "efficientnet_b7": 0.5}
DROPOUT |= {f"efficientnet_lite{size}": 0.3 for size in (2, 3, 4)}
DEFAULT_DROPOUT = 0.2
# torchvision's B5..B7 keep the epsilon of the TensorFlow weights they were converted from; Lite likewise.
TENSORFLOW_EPS = 1e-3
EPS = dict.fromkeys(("efficientnet_b5", "efficientnet_b6", "efficientnet_b7"), TENSORFLOW_EPS)


def plan(spec: ModelSpec) -> net.Sequence:
    """Returns EfficientNet at the spec's width (all channels; of Lite those of the blocks) and depth (blocks of each
    stage; of Lite the inner ones)."""
    lite = spec.name in LITE_MEMBERS
    function: net.Function = "relu6" if lite else "silu"
    eps = TENSORFLOW_EPS if lite else EPS.get(spec.name, 1e-5)
    ends = 1.0 if lite else spec.width
    channels = round_channels(STEM * ends)
    stages: list[net.Layer] = [net.conv_norm(channels, 3, 2, activation=function, eps=eps)]
    for (expansion, kernel, stride, base, _), repeats in zip(STAGES, blocks(spec.name, spec.depth), strict=True):
        out = round_channels(base * spec.width)
        shapes = [(channels, stride)] + [(out, 1)] * (repeats - 1)
        stages.append(net.numbered(*(_block(at, out, expansion, kernel, step, function, eps) for at, step in shapes)))
        channels = out
    stages.append(net.conv_norm(round_channels(HEAD * ends), 1, activation=function, eps=eps))
    dropout = DROPOUT.get(spec.name, DEFAULT_DROPOUT)
    return net.sequence(
        features=net.numbered(*stages),
        avgpool=net.GlobalPool(),
        flatten=net.Flatten(),
        classifier=net.classifier(dropout, spec.classes),
    )


def blocks(name: str, depth: float) -> list[int]:
    """The number of blocks in each stage; Lite does not repeat those of the first and the last more often."""
    once = (0, len(STAGES) - 1) if name in LITE_MEMBERS else ()
    counts = [stage[-1] for stage in STAGES]
    return [count if index in once else round_repeats(count, depth) for index, count in enumerate(counts)]


def _block(
    channels: int, out: int, expansion: int, kernel: int, stride: int, function: net.Function, eps: float
) -> net.Layer:
    """The mobile inverted bottleneck (MBConv); squeezed and excited where the function is SiLU, as in EfficientNet."""
    hidden = channels * expansion
    layers: list[net.Layer] = [net.conv_norm(hidden, 1, activation=function, eps=eps)] if expansion > 1 else []
    layers.append(net.conv_norm(hidden, kernel, stride, hidden, activation=function, eps=eps))
    if function == "silu":
        layers.append(net.squeeze_excite(hidden, max(1, channels // SQUEEZE), "silu", "sigmoid"))
    layers.append(net.conv_norm(out, 1, activation=None, eps=eps))
    branch = net.sequence(block=net.numbered(*layers))
    return net.residual(branch) if stride == 1 and channels == out else branch


MEMBERS = {
    name: Member(width=width, depth=depth, resolution=resolution, resize=resize, interpolation="bicubic")
    for name, (width, depth, resolution, resize) in POINTS.items()
}
LITE_MEMBERS = {
    name: Member(
        width=width,
        depth=depth,
        resolution=resolution,
        resize=resolution + 32,
        interpolation="bicubic",
        mean=(127 / 255,) * 3,  # (pixel - 127) / 128: tensorflow/tpu efficientnet/lite/README.md
        std=(128 / 255,) * 3,
    )
    for name, (width, depth, resolution) in LITE_POINTS.items()
}
FAMILY = Family(name="efficientnet", members=MEMBERS, plan=plan, has_depth=True)
LITE = Family(name="efficientnet_lite", members=LITE_MEMBERS, plan=plan, has_depth=True)
