"""What a file was made from, as one key: an export whose key is already on disk is not converted again.

The key covers both specs, the weights file's content or the seed, the versions of the packages that write and check
the format, and edgebench's own source that decides what is written. A user's own factory is never cached: what it
builds depends on code that the key cannot see.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import msgspec

from edgebench.formats import manifest
from edgebench.formats.format import installed_version, packages
from edgebench.ground import version
from edgebench.ground.records import Artifact, ExportSpec, ModelSpec, identity
from edgebench.ground.version import __version__

ROOT = Path(version.__file__).parents[1]
SOURCES = ("models", "graph", "formats", "runtimes")


def cacheable(spec: ModelSpec) -> bool:
    """Whether the spec alone says what is built: true for the zoo, false for a user's factory."""
    return ":" not in spec.name


def key(spec: ModelSpec, export: ExportSpec, weights_sha256: str | None, seed: int, *said: object) -> str:
    """Returns the content address of everything that the file is made from, the images included.

    `said` is what is kept with it besides: how images are prepared, and what the outputs are called.

    Raises UsageError for a calibration data set that cannot be read.
    """
    images = []
    if export.quantization is not None and export.quantization.calibration:
        from edgebench.formats.quantize.images import identity as contents

        images.append(contents(export.quantization))
    if export.quantization is not None and export.quantization.judged:
        from edgebench.formats.quantize.judge import judged

        images.append(judged(export.quantization).identity)
    return identity(spec, export, images, weights_sha256, seed, tool_versions(export), _source_sha256(), *said)


def tool_versions(export: ExportSpec) -> dict[str, str]:
    """Returns package -> version for what writes and checks the format; imports none of them."""
    found = {name: installed_version(name) for name in packages(export)}
    return {"edgebench": __version__} | {name: text for name, text in found.items() if text}


def find(file: Path, wanted: str) -> Artifact | None:
    """Returns the Artifact of `file`, marked as cached, when it was made from `wanted` and has not changed since."""
    artifact = manifest.read(file)
    if artifact is None or artifact.cache_key != wanted:
        return None
    return msgspec.structs.replace(artifact, cached=True)


@cache
def _source_sha256() -> str:
    """Hashes the packages of edgebench that decide what is written: a changed converter makes old files stale."""
    files = sorted(file for name in SOURCES for file in (ROOT / name).rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
