"""What each augmentation does, as pixels: one row a kind, one column an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from edgebench import data as datasets
from edgebench.data.dataset import Pixels
from edgebench.ground.records import Preprocessing
from edgebench.models.family import IMAGENET_MEAN, IMAGENET_STD
from edgebench.training.augment import augmentation
from edgebench.training.images import Images, kept_shape
from edgebench.training.kinds import KINDS

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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {name: _shown(x, chosen, resolution) for name, chosen in rows.items()}


@torch.no_grad()
def _shown(x: torch.Tensor, kinds: Sequence[str], resolution: int) -> Pixels:
    made = augmentation(kinds, (resolution, resolution), x.numpy())(x.float() / 255)
    pixels: Pixels = np.rint(made.permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
    return pixels
