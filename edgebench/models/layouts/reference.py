"""What `--weights` takes: FILE, LIBRARY:FILE, or a URL in place of the file; it becomes a file on this machine.

A file in another library's layout becomes a copy in the user's cache that says so in its metadata, so that whatever
loads, hashes or ships weights later only ever sees a file.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.progress import Tell
from edgebench.models.layouts.download import download, is_url, temporary
from edgebench.models.layouts.layout import LAYOUT_KEY
from edgebench.models.layouts.library import LIBRARIES

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
    library, place = _split(reference)
    file = _file(place, sha256.lower() if sha256 else None, tell)
    if not library:
        return file
    if note := LIBRARIES[library].note:
        tell(note)
    return _marked(file, library)


def _split(reference: str) -> tuple[str, str]:
    found = _PREFIX.fullmatch(reference)
    if found is None or Path(reference).exists():
        return "", reference
    if found[1] not in LIBRARIES:
        raise unknown("library of weights", found[1], LIBRARIES)
    return found[1], found[2]


def _file(place: str, sha256: str | None, tell: Tell) -> Path:
    if is_url(place):
        return download(place, sha256, _folder(), tell)
    path = Path(place)
    if not path.is_file():
        raise UsageError(f"there is no weights file {path}")
    if sha256 is not None and (found := _hash(path)) != sha256:
        raise UsageError(f"{path} is refused: its SHA-256 is {found}, not {sha256}")
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
        with temporary(target) as partial:
            try:
                save_file(values, partial, metadata={LAYOUT_KEY: library})
            except SafetensorError as error:  # what it makes of a full disk
                raise OSError(str(error)) from error
    return target


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder() -> Path:
    from edgebench.ground.paths import cache_folder

    return cache_folder() / "weights"
