"""The manifest: the Artifact record as JSON beside the file, `<file>.json`, and the content address of a file.

A manifest holds the file's bare name, so that a folder of exports can be moved.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import msgspec

from edgebench.ground.records import SCHEMA, Artifact


def manifest_path(file: Path) -> Path:
    """Returns where the manifest of `file` lies: net.onnx -> net.onnx.json."""
    return file.parent / f"{file.name}.json"  # of "." too, which has no name


def write(artifact: Artifact, path: Path) -> None:
    """Writes the manifest to `path`."""
    stored = msgspec.structs.replace(artifact, path=Path(artifact.path).name, cached=False)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(stored)) + b"\n")


def read(file: Path) -> Artifact | None:
    """Returns the Artifact of `file` from the manifest beside it.

    None where there is no manifest, it is not one of this schema, or `file` is not what the manifest describes.
    """
    try:
        artifact = msgspec.json.decode(manifest_path(file).read_bytes(), type=Artifact)
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, msgspec.DecodeError):
        return None
    if artifact.schema != SCHEMA or not file.exists() or artifact.sha256 != content_sha256(file):
        return None
    return msgspec.structs.replace(artifact, path=str(file))


def is_ours(file: Path) -> bool:
    """Whether edgebench wrote what is at `file`: a manifest lies beside it, even a damaged or an outdated one."""
    return manifest_path(file).is_file()


def content_sha256(path: Path, *beside: Path) -> str:
    """Returns the SHA-256 of a file, or of several, or of a folder's with their names in sorted order.

    Of several the hashed text is one line `<sha256>  <relative path>` a file, as sha256sum prints them.
    """
    if not (beside or path.is_dir()):
        return _file_sha256(path)
    root = path if path.is_dir() else path.parent
    files = sorted((each.relative_to(root).as_posix(), each) for each in _files(path, beside))
    lines = (f"{_file_sha256(file)}  {name}\n" for name, file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def size_bytes(path: Path, *beside: Path) -> int:
    """Returns the size of a file and of those `beside` it, or the sum over a folder's files."""
    return sum(each.stat().st_size for each in _files(path, beside))


def _files(path: Path, beside: tuple[Path, ...]) -> Iterator[Path]:
    if not path.is_dir():
        yield from (path, *beside)
    for parent, _, names in os.walk(path):
        yield from (Path(parent) / name for name in names)


def _file_sha256(path: Path) -> str:
    known = path.stat()
    return _sha256_of(path, known.st_ino, known.st_size, known.st_mtime_ns, known.st_ctime_ns)


@lru_cache(maxsize=256)  # one network on many devices is one file, asked for again and again
def _sha256_of(path: Path, *unchanged: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
