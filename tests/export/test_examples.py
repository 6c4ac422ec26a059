import numpy as np
import pytest

from edgebench.formats.examples import example_inputs, example_pixels, normalise, smooth_image
from edgebench.formats.native import from_native, to_native
from edgebench.ground.records import Preprocessing

PREPROCESSING = Preprocessing(resize=256, crop=224, interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))


def roughness(image: np.ndarray) -> float:
    """Mean square of the step between neighbours as a share of the variance: 2 for white noise."""
    return float(np.mean(np.diff(image) ** 2) / image.var())


def test_two_inputs_are_noise_and_two_are_smooth():
    rough = [roughness(x) for x in example_inputs((1, 3, 64, 48), None)]
    assert rough[0] == pytest.approx(2, rel=0.1)
    assert rough[1] == pytest.approx(2, rel=0.1)
    assert max(rough[2:]) < 0.7


def test_smooth_inputs_span_what_the_preprocessing_makes_of_an_image():
    for x in example_inputs((1, 3, 64, 64), PREPROCESSING)[2:]:
        assert x.min(axis=(0, 2, 3)) == pytest.approx([-2.5, -4 / 3, -0.75])
        assert x.max(axis=(0, 2, 3)) == pytest.approx([2.5, 2, 1.75])


def test_inputs_are_float32_and_the_same_every_time():
    first, second = example_inputs((1, 1, 9, 7), None), example_inputs((1, 1, 9, 7), None)
    assert all(np.array_equal(x, y) and x.dtype == np.float32 for x, y in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[1])


def test_pixels_are_whole_numbers_of_a_byte():
    for image in example_pixels((1, 3, 16, 16)):
        assert image.dtype == np.float32
        assert np.array_equal(image, np.rint(image))
        assert image.min() >= 0
        assert image.max() <= 255


def test_smallest_image_is_possible():
    assert np.isfinite(smooth_image((1, 3, 1, 1), np.random.default_rng(0))).all()


def test_normalise_is_per_channel():
    image = np.ones((1, 3, 2, 2), np.float32)
    assert normalise(image, PREPROCESSING)[0, :, 0, 0] == pytest.approx([2.5, 2, 1.75])
    assert normalise(image, None) is image


def test_channels_last_is_contiguous():
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    native = to_native(x, "NHWC")
    assert native.shape == (1, 3, 4, 2)
    assert native[0, 1, 2, 1] == x[0, 1, 1, 2]
    assert native.flags["C_CONTIGUOUS"]
    assert to_native(x, "NCHW") is x


def test_an_output_that_is_an_image_comes_back_as_torch_has_it():
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    assert np.array_equal(from_native(to_native(x, "NHWC"), "NHWC"), x)
    assert from_native(x, "NCHW") is x
