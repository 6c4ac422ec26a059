"""The preprocessing equals torchvision's evaluation transforms, written out here with Pillow calls alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgebench.data import prepare
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Preprocessing
from edgebench.models import preprocessing, resolve

IMAGENET = Preprocessing(
    resize=256, crop=224, interpolation="bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def as_torchvision(pixels: np.ndarray, resize: int, crop: int, how: Image.Resampling) -> np.ndarray:
    """torchvision 0.28, transforms/functional.py: _compute_resized_output_size and center_crop."""
    picture = Image.fromarray(pixels)
    width, height = picture.size
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = resize, int(resize * long / short)
    picture = picture.resize((new_short, new_long) if width <= height else (new_long, new_short), how)
    left, top = round((picture.width - crop) / 2.0), round((picture.height - crop) / 2.0)
    return np.asarray(picture.crop((left, top, left + crop, top + crop)))


@given(st.integers(8, 90), st.integers(8, 90), st.sampled_from(["bilinear", "bicubic"]), st.integers(16, 48))
def test_resize_and_crop_are_torchvisions(height: int, width: int, how: str, crop: int) -> None:
    pixels = image(height, width)
    made = Preprocessing(resize=crop + 6, crop=crop, interpolation=how, mean=(0.0,) * 3, std=(1.0,) * 3)
    expected = as_torchvision(pixels, crop + 6, crop, Image.Resampling[how.upper()])
    found = prepare(pixels, made, (3, crop, crop))
    assert np.array_equal(found, expected.transpose(2, 0, 1).astype(np.float32) / np.float32(255))


def test_the_published_preparation_of_imagenet() -> None:
    pixels = image(300, 400)
    cropped = as_torchvision(pixels, 256, 224, Image.Resampling.BILINEAR) / 255
    expected = ((cropped - IMAGENET.mean) / IMAGENET.std).transpose(2, 0, 1)
    found = prepare(pixels, IMAGENET, (3, 224, 224))
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_another_resolution_keeps_the_share_of_the_crop() -> None:
    pixels = image(100, 120)
    small = resolve("mobilenetv2", resolution=64)
    same = preprocessing(small)
    assert same is not None
    assert np.array_equal(prepare(pixels, IMAGENET, (3, 64, 64)), prepare(pixels, same, (3, 64, 64)))


def test_grey_is_pillows_grey_before_it_is_resized() -> None:
    pixels = image(40, 50)
    plain = Preprocessing(resize=28, crop=28, interpolation="bilinear", mean=(0.0,), std=(1.0,))
    whole = np.asarray(Image.fromarray(pixels).convert("L").resize((35, 28), Image.Resampling.BILINEAR))
    expected = whole[:, 4:32].astype(np.float32) / np.float32(255)
    assert np.array_equal(prepare(pixels, plain, (1, 28, 28))[0], expected)


def test_without_a_preprocessing_the_image_covers_the_input() -> None:
    found = prepare(np.full((30, 90, 3), 51, np.uint8), None, (3, 20, 40))
    assert found.shape == (3, 20, 40)
    np.testing.assert_allclose(found, 0.2, atol=1e-7)


def test_what_cannot_be_prepared_is_refused() -> None:
    with pytest.raises(UsageError, match="takes 4 channels"):
        prepare(image(8, 8), IMAGENET, (4, 8, 8))
    strange = Preprocessing(resize=8, crop=8, interpolation="bilinaer", mean=(0.0,), std=(1.0,))
    with pytest.raises(UsageError, match="did you mean bilinear"):
        prepare(image(9, 9), strange, (3, 8, 8))
