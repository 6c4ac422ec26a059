"""One image file to RGB pixels, by Pillow: what is converted, and what is refused.

CMYK, grey, palette      converted to RGB by Pillow
16 bits a channel        scaled to 8 (v / 257, so that white stays white); Pillow alone would clip
transparency             dropped, as torchvision's loader does; the colours below it show
animation                the first frame
EXIF orientation         not applied: the pipelines behind published accuracies do not, nor does a camera's stream
truncated, empty, other  Unreadable
over 89 megapixels       Unreadable, before it is decoded: a small file can unpack to gigabytes
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from edgebench.data.dataset import Pixels, Unreadable

SUFFIXES: Final = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"))
# Only these decoders: others of Pillow's start programs or read further files.
FORMATS: Final = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
MOST_PIXELS: Final = 89_478_485  # where Pillow begins to warn of decompression bombs
_BOMBS: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow's decoders raise for broken files: SyntaxError for PNG's, the rest for other formats'.
_BROKEN: Final = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, OverflowError)


def read_image(path: Path) -> Pixels:
    """Returns the file's first image as uint8 [height, width, 3] in RGB. Raises Unreadable."""
    try:
        if not path.stat().st_size:
            raise Unreadable(str(path), "is empty")
        with Image.open(path, formats=FORMATS) as image:
            _check_size(path, image.size)
            return to_rgb(image)
    except _BOMBS as error:
        raise Unreadable(str(path), _TOO_LARGE) from error
    except _BROKEN as error:
        raise Unreadable(str(path), f"cannot be read: {_reason(error)}") from error


_TOO_LARGE: Final = f"would unpack to more than {MOST_PIXELS // 10**6} megapixels, which is refused"


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        raise Unreadable(str(path), _TOO_LARGE)


def to_rgb(image: Image.Image) -> Pixels:
    """Returns an opened image's pixels in RGB. Raises what Pillow raises, and ValueError for pixels of floats."""
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose white nobody has stated")
    if image.mode.startswith("I"):
        image = Image.fromarray(_eight_bits(np.asarray(image)))
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns where a palette with transparency goes to RGB at once
    return np.asarray(image.convert("RGB"))


def _eight_bits(wide: np.ndarray[tuple[int, ...], np.dtype[np.integer]]) -> Pixels:
    scaled: Pixels = np.clip(np.rint(wide / 257.0), 0, 255).astype(np.uint8)
    return scaled


def _reason(error: Exception) -> str:
    """Pillow's first line, without the path that it may repeat."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "it is not an image of a known format"
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
