"""A hidden folder beside the target in which a file is made, and the renames that publish it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from edgebench.ground.errors import UsageError


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yields an empty folder on the same file system as `folder`, and removes it however the block ends.

    Makes `folder` if need be, and removes it again when nothing was published. Raises UsageError when that is not
    allowed or not a folder.
    """
    made = _make(folder)
    try:
        with TemporaryDirectory(prefix=".edgebench-", dir=folder) as name:
            yield Path(name)
    finally:
        for parent in made:
            if not any(parent.iterdir()):
                parent.rmdir()


def publish(staged: Path, folder: Path, names: list[str]) -> None:
    """Moves `names` from `staged` into `folder`, in that order, replacing what is there.

    A file is replaced in one step. A folder cannot be: the old one is first moved into `staged`, which goes away.
    """
    for name in names:
        target = folder / name
        if target.is_dir():
            os.replace(target, staged / f"old-{name}")
        os.replace(staged / name, target)


def _make(folder: Path) -> list[Path]:
    """Makes `folder` and its missing parents; returns those made, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "no permission to write")
    except OSError as error:
        raise UsageError(f"cannot write into {folder}: {error.strerror}; choose another `output`") from error
    return missing
