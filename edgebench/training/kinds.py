"""The kinds of augmentation, by name; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edgebench.ground.errors import unknown

KINDS: Final[Mapping[str, str]] = {
    "mirror": "left and right swapped for every other image",
    "rotate": "turned by up to 15 degrees",
    "shear": "sheared by up to 10 degrees along either axis",
    "warp": "bent locally by a thin-plate spline through nine moved points",
    "crop": "a part of 40% to 100% of the area, 3:4 to 4:3, resized to the input (Szegedy et al., 2014)",
    "jitter": "brightness, contrast and saturation by up to 30%, hue by up to 5%",
    "pca": "shifted along the principal colours of the data (Krizhevsky et al., 2012, section 4.1)",
}
"""In the order in which they are applied: what moves pixels, then the crop to the input's size, then colour."""


def chosen(text: str) -> tuple[str, ...]:
    """Returns the kinds that "mirror,crop", "all" or "none" names, in the order of KINDS. Raises UsageError."""
    names = [name.strip().lower() for name in text.split(",")]
    if names in (["none"], [""]):
        return ()
    for name in names:
        if name not in KINDS and names != ["all"]:
            raise unknown("augmentation", name, [*KINDS, "all", "none"])
    return tuple(kind for kind in KINDS if kind in names or names == ["all"])
