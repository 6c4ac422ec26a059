"""What Pillow opens, what is converted on the way to RGB, and what is named as unreadable."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgebench.data import prepare
from edgebench.data.dataset import Unreadable
from edgebench.data.images import head, read_image
from edgebench.ground.errors import UsageError
from edgebench.ground.records import Preprocessing
from edgebench.models import preprocessing, resolve

RED = (200, 30, 10)


def test_grey_of_16_bits_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    wide = np.array([[0, 257, 32896, 65535]], np.uint16)
    for name in ("wide.png", "wide.pgm", "wide.tif"):
        Image.fromarray(wide).save(tmp_path / name)
        pixels = read_image(tmp_path / name)
        assert pixels[0, :, 0].tolist() == [0, 1, 128, 255]
        assert pixels.shape == (1, 4, 3)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "print.jpg", quality=95)
    np.testing.assert_allclose(read_image(tmp_path / "print.jpg")[8, 8], (255, 0, 0), atol=6)


def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (6, 5), RED), Image.new("RGB", (6, 5), (0, 255, 0))]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "moving.png", save_all=True, append_images=frames[1:])
    for name in ("moving.gif", "moving.png"):
        np.testing.assert_allclose(read_image(tmp_path / name)[2, 2], RED, atol=4)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (7, 9), RED).convert("RGBA").convert(mode).save(tmp_path / "image.png")
    pixels = read_image(tmp_path / "image.png")
    assert pixels.shape == (9, 7, 3)
    assert pixels.dtype == np.uint8


def test_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 4), RED)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (4, 8, 3)


def test_a_truncated_jpeg_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(Unreadable, match=r"cut\.jpg cannot be read: image file is truncated") as caught:
        read_image(path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"GIF89a", "cannot be read"),
        (b"no image at all", "not an image of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a known format"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, "cannot be read"),
    ],
)
def test_what_is_no_image_is_unreadable(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(Unreadable, match=why):
        read_image(tmp_path / "x.png")


def test_what_is_not_there_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be read"):
        read_image(tmp_path / "gone.png")


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(Unreadable, match="more than 89 megapixels"):
        read_image(tmp_path / "bomb.png")


def test_pixels_of_floats_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((3, 3), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(Unreadable, match="floating-point"):
        read_image(tmp_path / "float.tif")


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


def test_a_squashed_image_shows_all_of_itself() -> None:
    pixels = image(40, 90)
    squashed = Preprocessing(resize=20, crop=20, interpolation="bilinear", mean=(0.0,) * 3, std=(1.0,) * 3, squash=True)
    expected = np.asarray(Image.fromarray(pixels).resize((20, 20), Image.Resampling.BILINEAR))
    assert np.array_equal(prepare(pixels, squashed, (3, 20, 20)), expected.transpose(2, 0, 1) / np.float32(255))


def test_mean_and_deviation_are_in_the_order_of_the_channels() -> None:
    known = {"resize": 8, "crop": 8, "interpolation": "bilinear"}
    rgb = Preprocessing(**known, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))  # type: ignore[arg-type]
    bgr = Preprocessing(**known, mean=(0.3, 0.2, 0.1), std=(0.7, 0.6, 0.5), channels="bgr")  # type: ignore[arg-type]
    pixels = image(8, 8)
    assert np.array_equal(prepare(pixels, bgr, (3, 8, 8)), prepare(pixels, rgb, (3, 8, 8))[::-1])


def test_twelve_bits_in_sixteen_are_read_as_twelve(tmp_path: Path) -> None:
    for top, expected in ((4095, [0, 80, 255]), (65535, [0, 5, 255])):
        Image.fromarray(np.array([[0, 1285, top]], np.uint16)).save(tmp_path / "deep.png")
        assert read_image(tmp_path / "deep.png")[0, :, 0].tolist() == expected
    assert head(tmp_path / "deep.png") == (False, True)  # whoever evaluates is told of the guess


def test_an_exif_orientation_is_told_and_obeyed_where_asked_for(tmp_path: Path) -> None:
    pixels = image(16, 24)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    assert [head(tmp_path / name).turned for name in ("turned.png", "plain.png", "gone.png")] == [True, False, False]
    assert np.array_equal(read_image(tmp_path / "turned.png"), pixels)
    assert np.array_equal(read_image(tmp_path / "turned.png", upright=True), np.rot90(pixels, -1))
