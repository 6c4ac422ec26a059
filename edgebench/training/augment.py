"""Augmentation of a batch, by kornia; random numbers come from torch's global generator on the CPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from edgebench.data.dataset import Pixels
from edgebench.ground.errors import MissingPackage
from edgebench.training.kinds import KINDS

AREA: Final = (0.4, 1.0)
DEGREES: Final = 15.0
SHEAR_DEGREES: Final = 10.0
WARP: Final = 0.1  # how far the spline's points move, in half images
JITTER: Final = (0.3, 0.3, 0.3, 0.05)
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


def _mirror(size: Size, sample: Pixels) -> nn.Module:
    return _module(_kornia().RandomHorizontalFlip(p=0.5))


def _rotate(size: Size, sample: Pixels) -> nn.Module:
    return _module(_kornia().RandomAffine(DEGREES, padding_mode="reflection", p=1.0))


def _shear(size: Size, sample: Pixels) -> nn.Module:
    each = (-SHEAR_DEGREES, SHEAR_DEGREES)
    return _module(_kornia().RandomAffine(0.0, shear=(*each, *each), padding_mode="reflection", p=1.0))


def _warp(size: Size, sample: Pixels) -> nn.Module:
    return Surrounded(_module(_kornia().RandomThinPlateSpline(WARP, p=1.0)))


def _crop(size: Size, sample: Pixels) -> nn.Module:
    return _module(_kornia().RandomResizedCrop(size, scale=AREA, ratio=(3 / 4, 4 / 3), p=1.0))


def _jitter(size: Size, sample: Pixels) -> nn.Module:
    grey = sample.shape[1] == 1
    brightness, contrast, saturation, hue = JITTER
    return _module(_kornia().ColorJitter(brightness, contrast, *((0.0, 0.0) if grey else (saturation, hue)), p=1.0))


def _pca(size: Size, sample: Pixels) -> nn.Module:
    return PrincipalColours(sample)


def _module(made: Any) -> nn.Module:
    """States what kornia's constructors return, which its annotations leave open."""
    module: nn.Module = made
    return module


_MAKERS: Mapping[str, Callable[[Size, Pixels], nn.Module]] = {
    "mirror": _mirror,
    "rotate": _rotate,
    "shear": _shear,
    "warp": _warp,
    "crop": _crop,
    "jitter": _jitter,
    "pca": _pca,
}
