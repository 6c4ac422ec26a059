"""The folders of a user that edgebench keeps things in, and how it writes files: whole, or not at all."""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from edgebench.ground.errors import UsageError, reason

PARTIAL: Final = ".partial"
OF_SHELLS: Final = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")  # what stands there has a writer


def cache_folder() -> Path:
    """The user's cache folder for edgebench: below $XDG_CACHE_HOME, ~/.cache, or a Mac's ~/Library/Caches."""
    return _ours("XDG_CACHE_HOME", ".cache", "Library/Caches")


def configuration_folder() -> Path:
    """The user's configuration folder for edgebench: below $XDG_CONFIG_HOME or ~/.config, on a Mac if it is there."""
    before = Path.home() / ".config" / "edgebench"  # where a Mac's was, too
    kept = sys.platform == "darwin" and before.is_dir()
    return before if kept else _ours("XDG_CONFIG_HOME", ".config", "Library/Application Support")


def _ours(variable: str, usual: str, on_macs: str) -> Path:
    """Our folder below what a variable names, or else below a folder of the user's home."""
    named = os.environ.get(variable, "").strip()
    home = Path.home() / (on_macs if sys.platform == "darwin" else usual)
    return (Path(named) if named else home) / "edgebench"


def write(path: Path, data: str | bytes) -> None:
    """Writes a file that a user asked for as `write_atomically` does, and the folders above it. Raises UsageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {reason(error)}") from error


def shown(name: str | Path) -> str:
    """A file's name as text for records and messages: what of it is no UTF-8 is written as in "caf\\xe9.png"."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def check_there(path: Path) -> None:
    """Raises UsageError unless a file or a folder is there, and no pipe; see `check_no_pipe`."""
    try:
        if not path.exists():
            raise UsageError(f"there is no file {path}")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason(error)}") from error
    check_no_pipe(path)


def check_no_pipe(path: Path) -> None:
    """Raises UsageError for a pipe or a device, which would be waited for or never end; a shell's <(...) is let be."""
    if path.exists() and not (path.is_file() or path.is_dir() or str(path).startswith(OF_SHELLS)):
        raise UsageError(f"{path} is a pipe or a device, not a file: name a file")


def check_writable(path: Path) -> None:
    """Raises UsageError for a file that `write` could not write: asked before the work whose outcome goes there."""
    why = obstacle(path) or ("it is a folder" if path.is_dir() else None)
    if why:
        raise UsageError(f"cannot write {path}: {why}")


def obstacle(path: Path) -> str | None:
    """What keeps a file or a folder from being written or made at `path`, as a clause; None for nothing."""
    try:
        nearest = next(each for each in (path, *path.absolute().parents) if each.exists())
    except OSError as error:
        return reason(error)
    if nearest != path and not nearest.is_dir():
        return f"{nearest} is not a folder"
    return None if os.access(nearest, os.W_OK) else "permission denied"


def write_atomically(path: Path, data: str | bytes | memoryview) -> None:
    """Writes `data` into a file whole, or not at all; see `replaced`. Raises OSError."""
    with replaced(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Yields an open file that takes the place of `path` when the block ends, and is removed when it fails.

    It lies in the same folder under a name of its own, and is on the disk before it is renamed. What a killed process
    left of one is removed by the next. A link is followed to
    its file; what is no regular file, such as a device or a pipe, is written to as it stands. A file that was there
    keeps its permissions. Raises OSError, also for a folder.
    """
    mode = None
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode  # of what it links to, too
    if mode is not None and not stat.S_ISREG(mode):
        with path.open("wb") as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    _remove_stale(target.parent)
    temporary, opened = _partial(target.parent)
    with opened as file:
        try:
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _partial(folder: Path) -> tuple[Path, BinaryIO]:
    """A new file of a name of its own, locked as long as it is open: the lock tells it from one that a kill left."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    while True:
        path = folder / f".{os.urandom(8).hex()}{PARTIAL}"
        file = open(path, "wb", opener=lambda name, _: os.open(name, flags, 0o644))  # noqa: SIM115  who asks closes it
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:  # else it was taken for one that was left, before it was locked
            return path, file
        file.close()


def _remove_stale(folder: Path) -> None:
    """Removes the beginnings of files whose writers were killed."""
    for left in folder.glob(f".{'[0-9a-f]' * 16}{PARTIAL}"):
        with suppress(OSError), os.fdopen(os.open(left, os.O_RDWR | os.O_NOFOLLOW), "r+b") as file:  # in use, or gone
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


@contextmanager
def alone(lock: Path, doing: str) -> Iterator[None]:
    """Holds a lock while its block runs, so that nobody else does the same there; the file goes away with it.

    The system gives the lock up with the process, so that one that was killed leaves none. Raises UsageError, naming
    who holds it, where `doing` is going on already, and where the file cannot be made.
    """
    file = _locked(lock, doing)
    try:
        file.write(
            f"process {os.getpid()} on {os.uname().nodename}, since {time.strftime('%Y-%m-%d %H:%M:%S')}".encode()
        )
        file.flush()
        yield
    finally:
        lock.unlink(missing_ok=True)
        file.close()


def _locked(lock: Path, doing: str) -> BinaryIO:
    """The lock's file, which is the one of that name and not one that its last holder has just removed."""
    while True:
        try:
            file = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644), "r+b")
        except OSError as error:
            raise UsageError(f"cannot write {lock}: {reason(error)}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = file.read().decode("utf-8", "replace") or "another process"
            file.close()
            raise UsageError(
                f"{doing} is going on already ({holder}): wait for it, or choose another folder"
            ) from error
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        file.close()
