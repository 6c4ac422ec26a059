"""Which preprocessing a network is trained with, and what of the data it rests on; recorded beside the weights."""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from torch import Tensor

from edgebench.data.dataset import Pixels
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec, Preprocessing

LEAST_SPREAD = 1 / 255


def whole_image(spec: ModelSpec) -> Preprocessing:
    """Returns the preprocessing that shows a network the largest centred part of an image, not yet normalised."""
    zeros, ones = (0.0,) * spec.channels, (1.0,) * spec.channels
    side = spec.resolution
    return Preprocessing(resize=side, crop=side, interpolation="bilinear", mean=zeros, std=ones)


def from_data(preprocessing: Preprocessing, images: Pixels) -> Preprocessing:
    """Returns the preprocessing with the images' mean and standard deviation a channel; uint8 [n, C, H, W].

    Raises UsageError where all images are one colour: nothing can be learnt, and nothing divided by.
    """
    scaled = images.transpose(1, 0, 2, 3).reshape(images.shape[1], -1) / 255.0
    mean, std = scaled.mean(1), scaled.std(1)
    if std.max() < LEAST_SPREAD:
        raise UsageError("all training images have one and the same colour: there is nothing to learn from them")
    rounded = [tuple(round(float(value), 4) for value in values) for values in (mean, np.maximum(std, LEAST_SPREAD))]
    return msgspec.structs.replace(preprocessing, mean=rounded[0], std=rounded[1])


class Normalize(torch.nn.Module):
    """Turns uint8 or 0..1 float [B, C, H, W] into the network's input: (x - mean) / std."""

    mean: Tensor
    std: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Any float [B, C, H, W] in 0..1."""
        normalised: Tensor = (x - self.mean) / self.std
        return normalised.contiguous(memory_format=torch.channels_last)
