"""What edgebench writes into weights that it trained: the network, its classes, and how images are prepared.

It stands in the safetensors file's own metadata, so that it cannot be lost or mixed up on the way to `export`.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec.structs import replace

from edgebench.ground.errors import UsageError
from edgebench.ground.records import SCHEMA, ModelSpec, Preprocessing, Record

SUFFIX = ".safetensors"
KEY = "edgebench"


class Trained(Record, frozen=True, kw_only=True):
    """Everything of a trained network but its values. `accuracy` is its top-1 share on `data`'s validation images."""

    schema: int = SCHEMA
    model: ModelSpec
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    data: str = ""
    accuracy: float | None = None
    epochs: int = 0
    seed: int = 0


def read(path: Path) -> Trained | None:
    """Returns what a weights file says of itself; None where it is not one that edgebench trained.

    Loads no tensor and no torch. Raises UsageError for a file that a newer edgebench wrote.
    """
    text = stored_metadata(path).get(KEY)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Trained)
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"{path} says of itself what this edgebench cannot read ({error}): pip install --upgrade edgebench"
        ) from error


def metadata(trained: Trained) -> dict[str, str]:
    """Returns the metadata to save with the tensors."""
    return {KEY: msgspec.json.encode(trained).decode()}


def preprocessing(path: Path | None, resolution: int) -> Preprocessing | None:
    """Returns the preprocessing that a weights file was trained with, where it says so, carried over to `resolution`.

    The share of the image that the crop keeps stays what it was.
    """
    found = read(path) if path is not None else None
    if found is None:
        return None
    own = found.preprocessing
    return replace(own, resize=round(own.resize * resolution / own.crop), crop=resolution)


def stored_metadata(path: Path) -> dict[str, str]:
    """What a weights file says beside its tensors; nothing where it is not one that can be read."""
    if path.suffix != SUFFIX or not path.is_file():
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            found: dict[str, str] = file.metadata() or {}
    except (SafetensorError, OSError):
        return {}  # whoever loads its tensors says what is wrong with the file
    return found
