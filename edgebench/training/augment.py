"""Augmentation of a batch, by kornia; random numbers come from torch's global generator on the CPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from edgebench import data as datasets
from edgebench.data.dataset import Pixels
from edgebench.ground.errors import MissingPackage
from edgebench.ground.records import Preprocessing
from edgebench.models.family import IMAGENET_MEAN, IMAGENET_STD
from edgebench.training.images import Images, kept_shape
from edgebench.training.settings import KINDS

AREA: Final = (0.4, 1.0)
DEGREES: Final = 15.0
SHEAR_DEGREES: Final = 10.0
WARP: Final = 0.1  # how far the spline's points move, in half images
JITTER: Final = (0.3, 0.3, 0.3, 0.05)  # brightness, contrast, saturation, hue
GREY_JITTER: Final = (*JITTER[:2], 0.0, 0.0)
PCA_SPREAD: Final = 0.1  # standard deviation of the shift along a principal colour, in that colour's own (AlexNet's)

Size = tuple[int, int]


def check_installed(kinds: Sequence[str]) -> None:
    """Raises MissingPackage where kinds are asked for that need kornia, and it is not there."""
    if set(kinds) - {"pca"}:
        _kornia()


def augmentation(kinds: Sequence[str], size: Size, sample: Pixels) -> nn.Module:
    """Returns a module from float32 [B, C, H', W'] in 0..1 to [B, C, *size]; `sample` is for the principal colours.

    Without a random crop the centre is taken, as in evaluation. Raises MissingPackage without kornia.
    """
    chosen = [kind for kind in KINDS if kind in kinds]
    made = {kind: _MAKERS[kind](size, sample) for kind in chosen}
    moving = [made[kind] for kind in ("mirror", "rotate", "shear", "warp") if kind in made]
    colouring = [made[kind] for kind in ("jitter", "pca") if kind in made]
    return nn.Sequential(*moving, made.get("crop", CentreCrop(size)), *colouring)


class CentreCrop(nn.Module):
    """The centre of an image; one that is of that size already is left."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, *size]."""
        height, width = self.size
        top, left = (round((x.shape[axis] - side) / 2) for axis, side in ((2, height), (3, width)))
        centre: Tensor = x[:, :, top : top + height, left : left + width]
        return centre


class Surrounded(nn.Module):
    """Surrounds images by their reflections while `inner` runs, so that what it pulls in from outside is not black."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same."""
        height, width = x.shape[2:]
        down, across = math.ceil(height * WARP), math.ceil(width * WARP)
        moved = self.inner(nn.functional.pad(x, (across, across, down, down), mode="reflect"))
        centre: Tensor = CentreCrop((height, width))(moved)
        return centre


class PrincipalColours(nn.Module):
    """Adds multiples of the principal components of the data's colours, as AlexNet's authors did."""

    components: Tensor

    def __init__(self, sample: Pixels) -> None:
        super().__init__()
        colours = sample.transpose(1, 0, 2, 3).reshape(sample.shape[1], -1) / 255.0
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(colours)))
        components = vectors * np.sqrt(np.maximum(values, 0.0))
        self.register_buffer("components", torch.from_numpy(components).float())

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] in 0..1, and so it stays."""
        shift = torch.randn(len(x), x.shape[1]) * PCA_SPREAD @ self.components.T
        return (x + shift[:, :, None, None]).clamp(0.0, 1.0)


def _kornia() -> Any:
    try:
        import kornia.augmentation
    except ModuleNotFoundError as error:
        raise MissingPackage("kornia", "train", "augmentation") from error
    return kornia.augmentation


_SHEAR = (-SHEAR_DEGREES, SHEAR_DEGREES, -SHEAR_DEGREES, SHEAR_DEGREES)
_MAKERS: Mapping[str, Callable[[Size, Pixels], nn.Module]] = {
    "mirror": lambda size, sample: _kornia().RandomHorizontalFlip(p=0.5),
    "rotate": lambda size, sample: _kornia().RandomAffine(DEGREES, padding_mode="reflection", p=1.0),
    "shear": lambda size, sample: _kornia().RandomAffine(0.0, shear=_SHEAR, padding_mode="reflection", p=1.0),
    "warp": lambda size, sample: Surrounded(_kornia().RandomThinPlateSpline(WARP, p=1.0)),
    "crop": lambda size, sample: _kornia().RandomResizedCrop(size, scale=AREA, ratio=(3 / 4, 4 / 3), p=1.0),
    "jitter": lambda size, sample: _kornia().ColorJitter(*(GREY_JITTER if sample.shape[1] == 1 else JITTER), p=1.0),
    "pca": lambda size, sample: PrincipalColours(sample),
}

ORIGINAL: Final = "original"
ALL: Final = "all"


def preview(
    reference: str, kinds: Sequence[str] = tuple(KINDS), *, columns: int = 8, resolution: int = 224, seed: int = 0
) -> dict[str, Pixels]:
    """Returns, by the name of its row, uint8 [columns, resolution, resolution, 3]: the images as they are, each kind
    alone, and all kinds together. Images are of as many classes as fit; `seed` draws them and what is done to them.

    Raises UsageError for a data set that cannot be read, MissingPackage without kornia.
    """
    dataset = datasets.load(reference, split="train").subset(columns, seed)
    shape = (3, resolution, resolution)
    whole = Preprocessing(
        resize=resolution, crop=resolution, interpolation="bilinear", mean=IMAGENET_MEAN, std=IMAGENET_STD
    )
    images = Images(dataset, whole, kept_shape(dataset, shape))
    x = next(images.batches(torch.arange(len(images)), columns)).x
    rows: dict[str, Sequence[str]] = {ORIGINAL: (), **{kind: (kind,) for kind in KINDS if kind in kinds}}
    if len(kinds) > 1:
        rows[ALL] = tuple(kinds)
    shown: dict[str, Pixels] = {}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for name, chosen in rows.items():
            made = augmentation(chosen, (resolution, resolution), x.numpy())(x.float() / 255)
            shown[name] = np.rint(made.permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
    return shown
