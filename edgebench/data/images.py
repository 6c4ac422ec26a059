"""One image file to RGB pixels, by Pillow, and these to what a network takes.

What is converted, and what is refused:

CMYK, grey, palette      converted to RGB by Pillow
16 bits a channel        scaled to 8 (v / 257, so that white stays white); Pillow alone would clip
12 bits in 16            scaled to 8 (v / 16): a grey image of 16 bits without a value above 4095 is taken for one
transparency             dropped, as torchvision's loader does; the colours below it show
animation                the first frame
EXIF orientation         applied only where asked for: the pipelines behind published accuracies do not
truncated, empty, other  Unreadable
over 89 megapixels       Unreadable, before it is decoded: a small file can unpack to gigabytes

`prepare` is the one implementation of a manifest's preprocessing, equal to Pillow's results.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, features

from edgebench.data.dataset import Pixels, Unreadable
from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.records import Preprocessing

# The decoders that are used, others of Pillow's start programs or read further files; and the endings of their files.
DECODERS: Final = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm"),
    "TIFF": (".tif", ".tiff"),
    **({"AVIF": (".avif",)} if features.check("avif") else {}),
}
FORMATS: Final = tuple(DECODERS)
SUFFIXES: Final = frozenset(suffix for suffixes in DECODERS.values() for suffix in suffixes)
# How files of these formats begin, whatever they are called; AVIF's and WebP's names stand behind a length.
_BEGINNINGS: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*")
_NAMED_AT: Final = {4: (b"ftypavif", b"ftypavis"), 8: (b"WEBP",)}
_WHITES: Final = (4095, 65535)  # of 12 and of 16 bits
_ORIENTATION: Final = 0x0112  # the EXIF tag
MOST_PIXELS: Final = 89_478_485  # where Pillow begins to warn of decompression bombs
_TOO_LARGE: Final = f"would unpack to more than {MOST_PIXELS // 10**6} megapixels, which is refused"
_BOMBS: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow's decoders raise for broken files: SyntaxError for PNG's, the rest for other formats'.
_BROKEN: Final = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, OverflowError)


def is_image(path: Path) -> bool:
    """Whether a file is one of the formats that are read: by its ending, or, with another or none, by how it begins."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return False
    return start.startswith(_BEGINNINGS) or any(start[at:].startswith(names) for at, names in _NAMED_AT.items())


class Head(NamedTuple):
    """What an image's head says: whether EXIF turns or mirrors it, and whether it is grey of more than 8 bits."""

    turned: bool = False
    deep: bool = False


def head(path: Path) -> Head:
    """Reads an image's head alone. What is wrong with it, whoever reads the image says."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return Head(image.getexif().get(_ORIENTATION, 1) in range(2, 9), image.mode.startswith("I"))
    except (*_BOMBS, *_BROKEN):
        return Head()


def read_image(path: Path, *, upright: bool = False) -> Pixels:
    """Returns the file's first image as uint8 [height, width, 3] in RGB; `upright` obeys its EXIF orientation.

    Raises Unreadable.
    """
    try:
        if not path.stat().st_size:
            raise Unreadable(path, "is empty")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Unreadable(path, _TOO_LARGE)
            return _rgb(ImageOps.exif_transpose(image) if upright else image)
    except _BOMBS as error:
        raise Unreadable(path, _TOO_LARGE) from error
    except _BROKEN as error:
        raise Unreadable(path, f"cannot be read: {_reason(error)}") from error


def _rgb(image: Image.Image) -> Pixels:
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose white nobody has stated")
    if image.mode.startswith("I"):
        values = np.asarray(image, np.float64)
        white = _WHITES[bool(values.max(initial=0) > _WHITES[0])]
        image = Image.fromarray(np.clip(np.rint(values * (255 / white)), 0, 255).astype(np.uint8))
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns where a palette with transparency goes to RGB at once
    return np.asarray(image.convert("RGB"))


def _reason(error: Exception) -> str:
    """Pillow's first line, without the path that it may repeat."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "it is not an image of a known format"
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


Array = npt.NDArray[np.float32]
Shape = tuple[int, int, int]
"""(channels, height, width)."""

INTERPOLATIONS: Final = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def prepare(pixels: Pixels, preprocessing: Preprocessing | None, shape: Shape) -> Array:
    """Returns uint8 [height, width, 3] as the float32 [C, H, W] that a network takes.

    The shorter side to `resize` (Pillow's antialiased interpolation, the longer side rounded down, as torchvision's
    Resize does; with `squash` both sides), a centre crop of H x W, /255, then (x - mean) / std. Where `shape` is not
    the preprocessing's crop, `resize` scales with it. Grey where C is 1, by Pillow's weights, before anything else.
    Without a preprocessing the image is resized to cover H x W, bilinearly, and divided by 255.

    Raises UsageError for a number of channels that is neither 1 nor 3, and for an unknown interpolation.
    """
    cropped = crop(pixels, preprocessing, shape)
    scaled = cropped.astype(np.float32) / np.float32(255)
    if preprocessing is not None:
        mean, std = np.asarray([preprocessing.mean, preprocessing.std], np.float32)
        scaled = (scaled - mean) / std
    prepared: Array = np.ascontiguousarray(scaled.transpose(2, 0, 1))
    return prepared


def crop(pixels: Pixels, preprocessing: Preprocessing | None, shape: Shape) -> Pixels:
    """Returns uint8 [H, W, C]: `prepare` up to its division by 255. Raises UsageError as `prepare` does."""
    channels, height, width = shape
    if channels not in (1, 3):
        raise UsageError(f"the network takes {channels} channels: images have 3, or 1 where they are made grey")
    image = Image.fromarray(pixels)
    if channels == 1:
        image = image.convert("L")
    covered = cover(preprocessing, height, width)
    squash = preprocessing is not None and preprocessing.squash
    size = covered if squash else _resized((image.height, image.width), covered)
    if size != (image.height, image.width):
        interpolation = preprocessing.interpolation if preprocessing else "bilinear"
        if interpolation not in INTERPOLATIONS:
            raise unknown("interpolation", interpolation, INTERPOLATIONS)
        image = image.resize((size[1], size[0]), INTERPOLATIONS[interpolation])
    top, left = round((size[0] - height) / 2), round((size[1] - width) / 2)
    cropped = np.asarray(image.crop((left, top, left + width, top + height))).reshape(height, width, channels)
    return cropped[..., ::-1] if preprocessing is not None and preprocessing.channels == "bgr" else cropped


def cover(preprocessing: Preprocessing | None, height: int, width: int) -> tuple[int, int]:
    """The (height, width) that an image is resized to cover: the crop, and the margin left around it."""
    margin = max(1.0, preprocessing.resize / preprocessing.crop) if preprocessing else 1.0
    return round(height * margin), round(width * margin)


def _resized(size: tuple[int, int], cover: tuple[int, int]) -> tuple[int, int]:
    """Scales (height, width) until it just covers `cover`; the side that is longer is rounded down."""
    height, width = size
    if height * cover[1] <= width * cover[0]:
        return cover[0], max(cover[1], int(cover[0] * width / height))
    return max(cover[0], int(cover[1] * height / width)), cover[1]
