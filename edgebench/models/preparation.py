"""How images become a network's input: what a user says of it, over what is known of the network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.paths import check_there
from edgebench.ground.records import ModelSpec, Preprocessing
from edgebench.models import pretrained
from edgebench.models.family import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from torch import nn

TORCHVISION: Final = "torchvision:"
CHANNELS: Final = ("rgb", "bgr")
NAMED: Final = ("imagenet", "none", "timm")
HOW: Final = (
    "say how with `preprocess` (imagenet, none, torchvision:WEIGHTS, timm, or a .json file), or by `mean` and `std`"
)
_SIDE: Final = 224  # of the published networks, from whose 256 the crop was taken
_IMAGENET: Final = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD, "resize": 256, "crop": _SIDE}
_LARGEST_MEAN: Final = 2.0  # above it values from 0 to 255 are meant
# Pillow's numbers of its filters, as transformers stores them.
_RESAMPLE: Final = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Preparation:
    """`base` takes the place of all that is known; `fields` of Preprocessing that of single values. Empty: as known."""

    base: str = ""
    fields: Fields = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.base or self.fields)

    @property
    def tells_mean(self) -> bool:
        """Whether mean and deviation were said."""
        return bool(self.base) or "mean" in self.fields or "std" in self.fields

    def over(
        self, known: Preprocessing | None, spec: ModelSpec, network: nn.Module | None = None
    ) -> Preprocessing | None:
        """What is known of a network, with what was said of it, for images of its size; None where neither is there.

        Raises UsageError for a base that is not there or cannot be read, and for values that no image has.
        """
        if not self:
            return known
        fields = {**(_fields(self.base, network) if self.base else {}), **self.fields}
        start = known if known is not None and not self.base else plain(spec)
        if fields.get("channels", "rgb") not in CHANNELS:
            raise unknown("order of channels", str(fields["channels"]), CHANNELS)
        fitted = {name: _channelled(name, fields[name], spec.channels) for name in ("mean", "std") if name in fields}
        try:
            found = msgspec.convert(msgspec.to_builtins(start) | fields | fitted, Preprocessing, strict=False)
        except msgspec.ValidationError as error:
            raise UsageError(f"images cannot be prepared so: {error}") from error
        return carried(_checked(found), spec.resolution)


AS_KNOWN: Final = Preparation()


def plain(spec: ModelSpec) -> Preprocessing:
    """The largest centred part of an image, resized to the input, values from 0 to 1."""
    zeros, ones, side = (0.0,) * spec.channels, (1.0,) * spec.channels, spec.resolution
    return Preprocessing(resize=side, crop=side, interpolation="bilinear", mean=zeros, std=ones)


def unprepared(found: Preprocessing) -> Preprocessing:
    """The same resizing and cropping to pixels from 0 to 255, in the order of colours that images have."""
    channels = len(found.mean)
    return replace(found, mean=(0.0,) * channels, std=(1 / 255,) * channels, channels="rgb")


def carried(found: Preprocessing, resolution: int) -> Preprocessing:
    """The same for another resolution: the share of the image that the crop keeps stays what it was."""
    return replace(found, resize=round(found.resize * resolution / found.crop), crop=resolution)


def of_module(network: nn.Module | None, spec: ModelSpec) -> Preprocessing | None:
    """As a module of timm says of itself; None for any other."""
    known = pretrained.fields(pretrained.configuration(network))
    return Preparation(fields=known).over(plain(spec), spec) if known else None


def _fields(base: str, network: nn.Module | None) -> Fields:
    if base.endswith(".json"):
        return _of_file(Path(base))
    if base.startswith(TORCHVISION):
        return _of_torchvision(base.removeprefix(TORCHVISION))
    if base not in NAMED:
        raise unknown("preparation of images", base, [*NAMED, f"{TORCHVISION}WEIGHTS", "FILE.json"])
    if base != "timm":
        return _IMAGENET if base == "imagenet" else {}
    known = pretrained.fields(pretrained.configuration(network))
    if not known:
        raise UsageError("`preprocess='timm'`: the network has no pretrained_cfg of timm; name another, or `mean`")
    return known


def _of_torchvision(name: str) -> Fields:
    try:
        from torchvision.models import get_weight  # type: ignore[import-not-found,unused-ignore]
    except (ImportError, RuntimeError, OSError) as error:  # the last two of one that does not fit torch
        raise UsageError(f"`preprocess='{TORCHVISION}{name}'` needs the package torchvision: {error}") from error
    try:
        found = get_weight(name).transforms()
    except (ValueError, AttributeError, KeyError) as error:
        example = "MobileNet_V2_Weights.IMAGENET1K_V2"
        raise UsageError(f"torchvision has no weights {name}: give a name such as {TORCHVISION}{example}") from error
    sizes = {"resize": found.resize_size[0], "crop": found.crop_size[0]}
    return {**sizes, "mean": found.mean, "std": found.std, "interpolation": found.interpolation.value}


def _of_file(path: Path) -> Fields:
    """What a JSON file says: fields of Preprocessing, a manifest, or what timm or transformers keep beside weights."""
    check_there(path)
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise UsageError(f"cannot read how images are prepared from {path}: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no JSON object of how images are prepared")
    try:
        if "pretrained_cfg" in found:
            return pretrained.fields(found["pretrained_cfg"])
        if "image_mean" in found:
            return _of_transformers(found)
        fields = dict(found.get("preprocessing", found) or {})
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:  # sizes and names of other types
        raise UsageError(f"{path} does not say how images are prepared: {type(error).__name__} {error}") from error
    for name in fields:
        if name not in Preprocessing.__struct_fields__:
            raise unknown(f"field of the preparation in {path}", name, Preprocessing.__struct_fields__)
    return fields


def _of_transformers(found: Fields) -> Fields:
    """A preprocessor_config.json: sizes are numbers, or objects of shortest_edge, or height and width."""
    size, crop = found.get("size", _SIDE), found.get("crop_size")
    squash = isinstance(size, dict) and "shortest_edge" not in size
    resize = _side(size)
    return {
        "mean": found["image_mean"],
        "std": found["image_std"],
        "resize": resize,
        "crop": _side(crop) if crop is not None and found.get("do_center_crop", True) else resize,
        "interpolation": _RESAMPLE[found.get("resample", 2)],
        "squash": squash,
    }


def _side(size: Any) -> int:
    """Of a number, of {"shortest_edge": 256}, or of {"height": 224, "width": 224}."""
    return int((size.get("shortest_edge") or size["width"]) if isinstance(size, dict) else size)


def _channelled(name: str, values: Any, channels: int) -> tuple[float, ...]:
    """One value a channel: given once it stands for all, and ImageNet's three become their average for one channel."""
    try:
        given = [float(each) for each in (values if isinstance(values, Sequence) else [values])]
    except (TypeError, ValueError) as error:
        raise UsageError(f"`{name}` is {values}; it must be numbers, one a channel") from error
    if len(given) == 1:
        return (given[0],) * channels
    if channels == 1:
        return (round(sum(given) / len(given), 6),)
    if len(given) != channels:
        raise UsageError(f"`{name}` has {len(given)} values, and the network takes {channels} channels: give as many")
    return tuple(given)


def _checked(found: Preprocessing) -> Preprocessing:
    from edgebench.data.images import INTERPOLATIONS

    if found.interpolation not in INTERPOLATIONS:
        raise unknown("interpolation", found.interpolation, INTERPOLATIONS)
    if not all(map(math.isfinite, found.mean)):
        raise UsageError(f"`mean` is {found.mean}; each must be a number")
    if max(map(abs, found.mean)) > _LARGEST_MEAN:
        raise UsageError(
            f"`mean` is {found.mean[0]:g}, and values are divided by 255 first: divide `mean` and `std` by 255 too"
        )
    if not all(each > 0 and math.isfinite(each) for each in found.std):
        raise UsageError(f"`std` is {found.std}; each must be above 0")
    if not 0 < found.crop <= found.resize:
        raise UsageError(f"`crop` is {found.crop} of `resize` {found.resize}; it must be above 0 and no larger")
    return found
