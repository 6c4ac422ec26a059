"""A .pt2 file (torch.export.save) as a network, so that every format can be made of it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

import torch
from torch import nn
from torch.export.pt2_archive import constants

from edgebench.ground.errors import UsageError
from edgebench.models.in_hand import Program, input_of

Shape = tuple[int, int, int]
# torch.load then never unpickles more than tensors, whatever its caller asks for.
_ONLY_TENSORS: Final = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_OBJECTS: Final = (constants.CUSTOM_OBJ_FILENAME_PREFIX, constants.OPAQUE_OBJ_FILENAME_PREFIX)


def module(path: Path, shape: Shape | None = None) -> nn.Module:
    """Returns the network in a file, for images of `shape` (C, H, W); by itself where the file fixes that.

    Raises UsageError for a file that torch cannot read, that holds more than tensors, or takes other images.
    """
    _check(path)
    with _only_tensors():
        try:
            program = torch.export.load(path)
        except Exception as error:  # torch raises whatever its parts do
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(f"torch cannot read {path}: {reason}; save it again with torch.export.save") from error
    found = Program(program)
    known = input_of(found)
    size = known.image if known else None
    if size is None and shape is None:
        raise UsageError(f"{path} leaves the size of its image open: say it, such as `input='3x224x224'`")
    if size and shape and tuple(size) != shape:
        raise UsageError(f"{path} takes images of {'x'.join(map(str, size))}, not of {'x'.join(map(str, shape))}")
    found.pretrained_cfg = {"architecture": path.stem, "input_size": tuple(size or shape or ())}
    return found


def _check(path: Path) -> None:
    """Refuses what is no archive, and one with objects that only a pickle could make again."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [PurePosixPath(name).name for name in archive.namelist()]
    except (zipfile.BadZipFile, IsADirectoryError) as error:
        raise UsageError(f"{path} is damaged or no exported program: save it with torch.export.save") from error
    if any(name.startswith(_OBJECTS) for name in names):
        raise UsageError(f"{path} holds objects other than tensors, which could run code: export it without them")


@contextmanager
def _only_tensors() -> Iterator[None]:
    before = os.environ.get(_ONLY_TENSORS)
    os.environ[_ONLY_TENSORS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_ONLY_TENSORS]
        else:
            os.environ[_ONLY_TENSORS] = before
