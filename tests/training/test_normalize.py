"""Normalisation taken from the data, and its application."""

import numpy as np
import pytest
import torch

from edgebench import models
from edgebench.ground.errors import UsageError
from edgebench.training.normalize import Normalize, from_data, whole_image

SPEC = models.resolve("mobilenetv2", resolution=32)


def test_mean_and_deviation_are_those_of_each_channel() -> None:
    images = np.zeros((2, 3, 4, 4), np.uint8)
    images[0, 0], images[1, 0], images[:, 1] = 255, 0, 51
    images[:, 2, ::2] = 102
    found = from_data(whole_image(SPEC), images)
    assert found.mean == (0.5, 0.2, 0.2)
    assert found.std == (0.5, round(1 / 255, 4), 0.2)
    assert (found.resize, found.crop) == (32, 32)


def test_one_colour_is_refused() -> None:
    with pytest.raises(UsageError, match="one and the same colour"):
        from_data(whole_image(SPEC), np.full((5, 3, 8, 8), 7, np.uint8))


def test_normalised_images_have_mean_0_and_deviation_1() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8)).astype(np.uint8)
    made = Normalize(from_data(whole_image(SPEC), images))(torch.from_numpy(images).float() / 255)
    assert made.mean((0, 2, 3)).abs().max() < 1e-3
    assert (made.std((0, 2, 3)) - 1).abs().max() < 1e-3
    assert made.is_contiguous(memory_format=torch.channels_last)
