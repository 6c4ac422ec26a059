"""A hidden folder beside the target in which a file is made, and the renames that publish it.

It goes away however its block ends. One whose process was killed is removed by the next export into the same folder: a
lock, which the system gives up with the process, tells it from one in use.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

from edgebench.ground.errors import UsageError, reason

PREFIX: Final = ".edgebench-"
LOCK: Final = ".lock"


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yields an empty folder on the same file system as `folder`, and removes it however the block ends.

    Makes `folder` if need be, and removes it again when nothing was published. Raises UsageError when that is not
    allowed or not a folder.
    """
    made = _make(folder)
    staged = folder / f"{PREFIX}{token_hex(4)}"  # known before it is made: an interrupt in between leaves nothing
    try:
        _remove_stale(folder)
        staged.mkdir(0o700)
        with (staged / LOCK).open("x") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield staged
    finally:
        if staged.exists():
            shutil.rmtree(staged)
        for parent in made:
            if not any(parent.iterdir()):
                parent.rmdir()


def check_replaceable(target: Path, *, ours: bool) -> None:
    """Raises UsageError for a target that must not be replaced: before the work, and again when it is done.

    `ours` says that edgebench made what is there, or that the user wants it replaced; a folder, a device or a pipe in
    place of a file is never replaced.
    """
    if not target.exists():
        return
    if not (target.is_file() or (ours and target.is_dir())):
        raise UsageError(f"{target} is there, and edgebench did not make it: choose another folder, or remove it")
    if not ours:
        raise UsageError(f"{target} is there, and edgebench did not make it: replace it with `force`, or move it away")


def publish(staged: Path, folder: Path, names: list[str]) -> None:
    """Moves `names` from `staged` into `folder`, in that order, replacing what `check_replaceable` has let pass.

    A file is replaced in one step, and a link is followed to its file. A folder cannot be: the old one is first moved
    into `staged`, which goes away; where a file is to stand, a folder is never moved.
    """
    for name in names:
        target, made = folder / name, staged / name
        if target.is_dir() and not target.is_symlink():
            if not made.is_dir():
                raise UsageError(f"{target} is a folder, and a file was to be written there: choose another name")
            os.replace(target, staged / f"old-{name}")
        os.replace(made, target.resolve() if made.is_file() else target)


def _remove_stale(folder: Path) -> None:
    """Removes the folders of processes that were killed."""
    for left in folder.glob(f"{PREFIX}*"):
        # One without a lock is nobody's, or of a process that is just making it; one that is locked is in use.
        with suppress(OSError), (left / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)


def _make(folder: Path) -> list[Path]:
    """Makes `folder` and its missing parents; returns those made, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "no permission to write")
    except OSError as error:
        raise UsageError(f"cannot write into {folder}: {reason(error)}; choose another folder with `output`") from error
    return missing
