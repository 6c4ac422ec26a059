"""timm's layouts (1.0.31), by family: names of blocks, epsilons and images are not ours.

`LAYOUTS` are timm's own trainings: symmetric padding as ours, and torch's epsilon of 1e-5 everywhere. `TENSORFLOW` are
the networks that timm calls tf_..., converted from TensorFlow: the same keys, an epsilon of 1e-3, and padding "SAME",
which on even sizes lies one pixel aside of ours at every stride of 2.
Sources: timm/models/efficientnet.py (default_cfgs, _gen_mobilenet_v1, _gen_mobilenet_v2, _gen_efficientnet,
_gen_efficientnet_lite) and timm/models/resnet.py.
"""

from dataclasses import replace

from edgebench.models.family import IMAGENET_MEAN, IMAGENET_STD
from edgebench.models.layouts.layout import Layout, Rows

TORCH_EPS, TENSORFLOW_EPS = 1e-5, 1e-3

MOBILENETV1: Rows = (
    ("conv_stem", "features.0.0"),
    ("bn1", "features.0.1"),
    ("blocks.{s}.{b}.conv_dw", "features.{B}.0.0"),
    ("blocks.{s}.{b}.bn1", "features.{B}.0.1"),
    ("blocks.{s}.{b}.conv_pw", "features.{B}.1.0"),
    ("blocks.{s}.{b}.bn2", "features.{B}.1.1"),
    ("classifier", "classifier.1"),
)

MOBILENETV2: Rows = (
    ("conv_stem", "features.0.0"),
    ("bn1", "features.0.1"),
    # The first stage expands nothing: depthwise, then projection.
    ("blocks.0.{b}.conv_dw", "features.{B}.conv.0.0"),
    ("blocks.0.{b}.bn1", "features.{B}.conv.0.1"),
    ("blocks.0.{b}.conv_pw", "features.{B}.conv.1"),
    ("blocks.0.{b}.bn2", "features.{B}.conv.2"),
    ("blocks.{s}.{b}.conv_pw", "features.{B}.conv.0.0"),
    ("blocks.{s}.{b}.bn1", "features.{B}.conv.0.1"),
    ("blocks.{s}.{b}.conv_dw", "features.{B}.conv.1.0"),
    ("blocks.{s}.{b}.bn2", "features.{B}.conv.1.1"),
    ("blocks.{s}.{b}.conv_pwl", "features.{B}.conv.2"),
    ("blocks.{s}.{b}.bn3", "features.{B}.conv.3"),
    ("conv_head", "features.{E}.0"),
    ("bn2", "features.{E}.1"),
    ("classifier", "classifier.1"),
)

EFFICIENTNET: Rows = (
    ("conv_stem", "features.0.0"),
    ("bn1", "features.0.1"),
    ("blocks.0.{b}.conv_dw", "features.{S}.{b}.block.0.0"),
    ("blocks.0.{b}.bn1", "features.{S}.{b}.block.0.1"),
    ("blocks.0.{b}.se.conv_reduce", "features.{S}.{b}.block.1.fc1"),
    ("blocks.0.{b}.se.conv_expand", "features.{S}.{b}.block.1.fc2"),
    ("blocks.0.{b}.conv_pw", "features.{S}.{b}.block.2.0"),
    ("blocks.0.{b}.bn2", "features.{S}.{b}.block.2.1"),
    ("blocks.{s}.{b}.conv_pw", "features.{S}.{b}.block.0.0"),
    ("blocks.{s}.{b}.bn1", "features.{S}.{b}.block.0.1"),
    ("blocks.{s}.{b}.conv_dw", "features.{S}.{b}.block.1.0"),
    ("blocks.{s}.{b}.bn2", "features.{S}.{b}.block.1.1"),
    ("blocks.{s}.{b}.se.conv_reduce", "features.{S}.{b}.block.2.fc1"),
    ("blocks.{s}.{b}.se.conv_expand", "features.{S}.{b}.block.2.fc2"),
    ("blocks.{s}.{b}.conv_pwl", "features.{S}.{b}.block.3.0"),
    ("blocks.{s}.{b}.bn3", "features.{S}.{b}.block.3.1"),
    ("conv_head", "features.8.0"),
    ("bn2", "features.8.1"),
    ("classifier", "classifier.1"),
)

LITE: Rows = (
    ("conv_stem", "features.0.0"),
    ("bn1", "features.0.1"),
    ("blocks.0.{b}.conv_dw", "features.{S}.{b}.block.0.0"),
    ("blocks.0.{b}.bn1", "features.{S}.{b}.block.0.1"),
    ("blocks.0.{b}.conv_pw", "features.{S}.{b}.block.1.0"),
    ("blocks.0.{b}.bn2", "features.{S}.{b}.block.1.1"),
    ("blocks.{s}.{b}.conv_pw", "features.{S}.{b}.block.0.0"),
    ("blocks.{s}.{b}.bn1", "features.{S}.{b}.block.0.1"),
    ("blocks.{s}.{b}.conv_dw", "features.{S}.{b}.block.1.0"),
    ("blocks.{s}.{b}.bn2", "features.{S}.{b}.block.1.1"),
    ("blocks.{s}.{b}.conv_pwl", "features.{S}.{b}.block.2.0"),
    ("blocks.{s}.{b}.bn3", "features.{S}.{b}.block.2.1"),
    ("conv_head", "features.8.0"),
    ("bn2", "features.8.1"),
    ("classifier", "classifier.1"),
)

_BICUBIC = {"interpolation": "bicubic"}
_IMAGENET = _BICUBIC | {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
_EFFICIENTNET = Layout(rows=EFFICIENTNET, eps=TORCH_EPS, images=_IMAGENET)
_LITE = Layout(rows=LITE, eps=TORCH_EPS, images=_IMAGENET)
_INCEPTION = {"mean": (0.5,) * 3, "std": (0.5,) * 3}

LAYOUTS = {
    "mobilenetv1": Layout(rows=MOBILENETV1, eps=TORCH_EPS, images=_BICUBIC),
    "mobilenetv2": Layout(rows=MOBILENETV2, eps=TORCH_EPS, images=_BICUBIC),
    **dict.fromkeys(("efficientnet", *(f"efficientnet_b{size}" for size in range(8))), _EFFICIENTNET),
    **dict.fromkeys(("efficientnet_lite", *(f"efficientnet_lite{size}" for size in range(5))), _LITE),
    # The keys are torchvision's, and ours. A crop of 95%, as for the default weights (a1_in1k).
    **{f"resnet{layers}": Layout(images=_BICUBIC | {"keep": 0.95}) for layers in (18, 34, 50, 101, 152)},
}

TENSORFLOW = {
    name: replace(found, eps=TENSORFLOW_EPS, images={**found.images, **(_INCEPTION if found is _LITE else {})})
    for name, found in LAYOUTS.items()
    if found in (_EFFICIENTNET, _LITE)
}
TENSORFLOW_NOTE = (
    "timm's tf_ networks pad as TensorFlow does, one pixel aside of edgebench's at every stride of 2: expect a lower "
    "accuracy than published, and check it with edgebench evaluate"
)
