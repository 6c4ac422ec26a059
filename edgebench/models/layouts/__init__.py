"""Weights published in other libraries' layouts: their keys, and where their arithmetic is not ours.

`library` holds the tables, `reference` fetches what a user writes for `--weights`; here is what loading a library's
file changes besides the names of its keys: epsilons, padding and the preparation of images. A file does not say which
training it holds: preprocessing is that of the library's default weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edgebench.ground.records import ModelSpec, Preprocessing
from edgebench.models import trained, zoo
from edgebench.models.layouts.library import LAYOUT_KEY, LIBRARIES, hint, layout

if TYPE_CHECKING:
    from torch import nn

__all__ = ["adapted", "hint", "layout", "library_of", "pads_as_tensorflow", "preprocessing"]


def library_of(path: Path) -> str:
    """The library whose layout a weights file says it has, or "" for our own. Reads the file's head only."""
    library = trained.stored_metadata(path).get(LAYOUT_KEY, "")
    return library if library in LIBRARIES else ""


def adapted(network: nn.Module, library: str, name: str) -> None:
    """Gives the network's batch norms the library's epsilon."""
    from torch import nn

    eps = layout(library, name).eps
    for module in network.modules():
        if eps is not None and isinstance(module, nn.BatchNorm2d):
            module.eps = eps


def pads_as_tensorflow(spec: ModelSpec, weights: Path) -> bool:
    """Whether the file holds values that were trained with TensorFlow's padding."""
    library = library_of(weights)
    return bool(library) and layout(library, spec.name).same


def preprocessing(spec: ModelSpec, weights: Path | None) -> Preprocessing | None:
    """How images are prepared for a network with these weights: as they were trained, where the file says it; else as
    published, unless their library does it otherwise.

    None for a user's network.
    """
    if own := trained.preprocessing(weights, spec.resolution):
        return own
    ours = zoo.preprocessing(spec)
    library = library_of(weights) if weights is not None else ""
    if ours is None or not library:
        return ours
    theirs = dict(layout(library, spec.name).images)
    if keep := theirs.pop("keep", None):
        theirs["resize"] = round(ours.crop / keep)
    if spec.channels != len(theirs.get("mean", ours.mean)):
        theirs = {key: value for key, value in theirs.items() if key not in ("mean", "std")}
    return replace(ours, **theirs)
