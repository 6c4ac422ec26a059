"""What `--weights` takes: FILE, LIBRARY:FILE, or a URL in place of the file; it becomes a file on this machine.

A file in another library's layout becomes a copy in the user's cache that says so in its metadata, so that whatever
loads, hashes or ships weights later only ever sees a file. What comes from the web is streamed into the cache, and kept
only with the hash that was asked for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from edgebench.ground.errors import UsageError, reason, unknown
from edgebench.ground.paths import cache_folder, replaced
from edgebench.ground.progress import Tell
from edgebench.ground.units import show_bytes
from edgebench.models.layouts.library import LAYOUT_KEY, LIBRARIES

_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_PREFIX: Final = re.compile(r"([A-Za-z][A-Za-z0-9_-]+):(?!//)(.+)")


def obtain(reference: str | None, sha256: str | None = None, *, tell: Tell) -> Path | None:
    """Returns the weights file that `reference` names, fetched and marked with its library where it has one.

    `sha256` is needed for a URL and checked for any file. `tell` gets what a user should know. None gives None.
    Raises UsageError for an unknown library, a missing file or hash, a hash that is not the file's, and a URL that
    does not answer.
    """
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise UsageError(f"`sha256='{sha256}'` is no SHA-256: give 64 hexadecimal digits, as sha256sum prints them")
    if reference is None:
        if sha256 is not None:
            raise UsageError("`sha256` says what `weights` must be: give `weights` too, or leave it out")
        return None
    library, place = "", reference
    if not Path(reference).exists() and (match := _PREFIX.fullmatch(reference)):
        library, place = match.groups()
        if library not in LIBRARIES:
            raise unknown("library of weights", library, LIBRARIES)
    file = _file(place, sha256.lower() if sha256 else None, tell)
    if not library:
        return file
    return _marked(file, library)


def _file(place: str, sha256: str | None, tell: Tell) -> Path:
    if place.startswith(("https://", "http://")):  # plain http is as good here: what counts is the hash
        return _download(place, sha256, tell)
    path = Path(place)
    if not path.is_file():
        raise UsageError(f"there is no weights file {path}")
    if sha256 is not None and (digest := _hash(path)) != sha256:
        raise UsageError(f"{path} is refused: its SHA-256 is {digest}, not {sha256}")
    return path


def _marked(file: Path, library: str) -> Path:
    """A copy of the file as .safetensors that names its library, found again by what is in it."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from edgebench.models.weights import read

    state = read(file)
    target = _folder() / f"{library}-{_hash(file)[:32]}.safetensors"
    if not target.is_file():
        values = {key: value.detach().clone().contiguous() for key, value in state.items()}
        with _cached(target) as copy:
            try:
                save_file(values, copy.name, metadata={LAYOUT_KEY: library})
            except SafetensorError as error:  # what it makes of a full disk
                raise OSError(str(error)) from error
    return target


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder() -> Path:
    return cache_folder() / "weights"


SUFFIXES: Final = (".pth", ".pt", ".safetensors")
TIMEOUT_S: Final = 30.0
_CHUNK: Final = 1 << 20


def _download(url: str, sha256: str | None, tell: Tell) -> Path:
    """Returns the file at `url`, from the cache where it is there already: its name is its hash."""
    suffix = PurePosixPath(urlsplit(url).path).suffix
    if suffix not in SUFFIXES:
        raise UsageError(f"{url} does not end in {', '.join(SUFFIXES)}: weights have one of these endings")
    if sha256 is None:
        raise UsageError(
            f"{url} needs `sha256`: weights from the web are loaded only with the hash that they must have"
        )
    target = _folder() / f"{sha256}{suffix}"
    if target.is_file():
        return target
    with _cached(target) as file:
        fetched = _fetch(url, file, tell)
        if fetched != sha256:
            raise UsageError(f"{url} is refused: its SHA-256 is {fetched}, not {sha256}")
    return target


@contextmanager
def _cached(target: Path) -> Iterator[BinaryIO]:
    """Yields an open file that becomes `target` when the block ends, and goes when it fails."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replaced(target) as file:
            yield file
    except OSError as error:
        why = reason(error)
        raise UsageError(f"cannot write {target}: {why}; set XDG_CACHE_HOME to a folder with room") from error


def _fetch(url: str, file: BinaryIO, tell: Tell) -> str:
    """Streams the file and returns its hash."""
    digest, done = hashlib.sha256(), 0
    try:
        with urlopen(url, timeout=TIMEOUT_S) as answer:
            size = answer.headers.get("Content-Length")
            tell(f"downloading {url}{f' ({show_bytes(int(size))})' if size else ''}")
            while chunk := answer.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
                done += len(chunk)
            if size and done != int(size):
                raise ConnectionError(f"{done} of {size} bytes came")
    except HTTPError as error:
        raise UsageError(f"{url} answers {error.code} {error.reason}: check the address") from error
    except URLError as error:
        raise UsageError(
            f"{url} does not answer: {error.reason}; check the address, or download it yourself"
        ) from error
    except (HTTPException, TimeoutError, ConnectionError) as error:
        raise UsageError(f"the download of {url} broke off: {error or type(error).__name__}; try again") from error
    return digest.hexdigest()
