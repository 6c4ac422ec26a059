"""Calibration images: read as the manifest prepares them, split, and refused where they cannot calibrate."""

import numpy as np
import pytest
from PIL import Image

from edgebench.data import load as load_data
from edgebench.data import prepare
from edgebench.formats.quantize import images
from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec, Preprocessing, Quantization

SPEC = ModelSpec(name="small", family="test", resolution=16)
PREPARED = Preprocessing(resize=20, crop=16, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def folder(path, count, make):
    for number in range(count):
        target = path / "abc"[number % 3]
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make(number)).save(target / f"{number}.png")
    return str(path)


def noisy(number):
    return np.random.default_rng(number).integers(0, 256, (24, 30, 3), np.uint8)


def flat(number):
    return np.full((24, 24, 3), number, np.uint8)


@pytest.mark.parametrize(("samples", "kept", "held_out"), [(64, 48, 16), (8, 6, 2), (2, 1, 1), (1, 1, 1)])
def test_generated_images_are_split_and_warned_of(samples, kept, held_out):
    found = images.load(SPEC, PREPARED, Quantization(samples=samples))
    assert (len(found.images), len(found.held_out)) == (kept, held_out)
    assert found.images[0].shape == (1, 3, 16, 16)
    assert images.GENERATED in found.warnings
    assert (len(found.warnings) == 2) == (samples < 8)


def test_images_of_a_folder_are_prepared_as_the_manifest_says(tmp_path):
    reference = folder(tmp_path, 24, noisy)
    found = images.load(SPEC, PREPARED, Quantization(calibration=reference, samples=12))
    data = load_data(reference, split="train")
    everything = {prepare(data.pixels(i), PREPARED, (3, 16, 16)).tobytes() for i in range(len(data))}
    assert {image.tobytes() for image in (*found.images, *found.held_out)} <= everything
    assert (len(found.images), len(found.held_out), found.warnings) == (9, 3, ())


def test_the_same_images_come_in_the_same_order(tmp_path):
    wanted = Quantization(calibration=folder(tmp_path, 24, noisy), samples=12)
    first, second = (images.load(SPEC, PREPARED, wanted).images for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_folder_without_classes_is_enough(tmp_path):
    for number in range(9):
        Image.fromarray(noisy(number)).save(tmp_path / f"{number}.png")
    found = images.load(SPEC, PREPARED, Quantization(calibration=str(tmp_path)))
    assert (len(found.images) + len(found.held_out), found.warnings) == (9, ())


def test_an_unreadable_image_is_named(tmp_path):
    wanted = Quantization(calibration=folder(tmp_path, 24, noisy))
    broken = sorted((tmp_path / "a").iterdir())[0]
    broken.write_bytes(b"\x89PNG\r\n\x1a\nno more")
    warnings = images.load(SPEC, PREPARED, wanted).warnings
    assert all(broken.name in each for each in warnings)


def test_images_of_one_colour_are_refused(tmp_path):
    wanted = Quantization(calibration=folder(tmp_path, 12, flat))
    with pytest.raises(UsageError, match=r"images of .* is of one colour"):
        images.load(SPEC, PREPARED, wanted)


def test_few_images_warn(tmp_path):
    wanted = Quantization(calibration=folder(tmp_path, 24, noisy), samples=5)
    (warning,) = images.load(SPEC, PREPARED, wanted).warnings
    assert warning.startswith("calibrated on 5 images: give 8 or more")


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        images.load(SPEC, PREPARED, Quantization(calibration=str(tmp_path / "nowhere")))


def test_identity_changes_with_an_image(tmp_path):
    wanted = Quantization(calibration=folder(tmp_path, 24, noisy))
    before = images.identity(wanted)
    Image.fromarray(flat(1)).save(sorted((tmp_path / "a").iterdir())[0])
    assert images.identity(wanted) != before
