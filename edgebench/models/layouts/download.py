"""Weights from the web: streamed into the user's cache, kept only with the hash that was asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from edgebench.ground.errors import UsageError
from edgebench.ground.units import show_bytes

SUFFIXES: Final = (".pth", ".pt", ".safetensors")
PATIENCE_S: Final = 30.0
_CHUNK: Final = 1 << 20


def is_url(place: str) -> bool:
    """Whether weights are on the web. Plain http is as good here: what counts is the hash."""
    return place.startswith(("https://", "http://"))


def download(url: str, sha256: str | None, folder: Path, tell: Callable[[str], None]) -> Path:
    """Returns the file at `url`, from `folder` where it is there already, whose name is its hash.

    Nothing is kept of a file whose SHA-256 is another. Raises UsageError for a missing hash, a wrong one, an ending
    that weights do not have, and a server that does not give the file; also when the folder cannot hold it.
    """
    suffix = PurePosixPath(urlsplit(url).path).suffix
    if suffix not in SUFFIXES:
        raise UsageError(f"{url} does not end in {', '.join(SUFFIXES)}: weights have one of these endings")
    if sha256 is None:
        raise UsageError(
            f"{url} needs `sha256`: weights from the web are loaded only with the hash that they must have"
        )
    target = folder / f"{sha256}{suffix}"
    if target.is_file():
        return target
    with temporary(target) as partial:
        found = _fetch(url, partial, tell)
        if found != sha256:
            raise UsageError(f"{url} is refused: its SHA-256 is {found}, not {sha256}")
    return target


@contextmanager
def temporary(target: Path) -> Iterator[Path]:
    """Yields a name beside `target` that becomes `target` when the block ends, and goes when it fails.

    Raises UsageError when the folder cannot be written to.
    """
    partial = target.with_name(f".{os.getpid()}-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(target)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot write {target}: {why}; set XDG_CACHE_HOME to a folder with room") from error
    finally:
        partial.unlink(missing_ok=True)


def _fetch(url: str, partial: Path, tell: Callable[[str], None]) -> str:
    """Streams the file and returns its hash."""
    try:
        with urlopen(url, timeout=PATIENCE_S) as answer:
            size = answer.headers.get("Content-Length")
            tell(f"downloading {url}{f' ({show_bytes(int(size))})' if size else ''}")
            return _copy(answer, partial, int(size) if size else None)
    except HTTPError as error:
        raise UsageError(f"{url} answers {error.code} {error.reason}: check the address") from error
    except URLError as error:
        raise UsageError(
            f"{url} does not answer: {error.reason}; check the address, or download it yourself"
        ) from error
    except (HTTPException, TimeoutError, ConnectionError) as error:
        raise UsageError(f"the download of {url} broke off: {error or type(error).__name__}; try again") from error


def _copy(answer: BinaryIO, partial: Path, size: int | None) -> str:
    digest, done = hashlib.sha256(), 0
    with partial.open("wb") as file:
        while chunk := answer.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
            done += len(chunk)
    if size is not None and done != size:
        raise ConnectionError(f"{done} of {size} bytes came")
    return digest.hexdigest()
