"""Files that end after an operator: it executes what the file with it executes more than the one that ends before it.

`prefixes(artifact, folder)` writes them, one module a format. A prefix hands out every tensor that a later operator
reads, so that it runs all of its operators, of parallel branches too, and in the file's order. Operators that an engine
merges are not parted: an explicit padding goes with its convolution, an activation with what it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from edgebench.ground.errors import UsageError
from edgebench.ground.records import Artifact

_MODULES = {"tflite": "tflite", "onnx": "onnx", "ncnn": "ncnn"}


@dataclass(frozen=True)
class Prefix:
    """A file that ends after an operator; `name` and `kind` are of what it has more than the prefix before it."""

    name: str
    kind: str
    path: Path


def prefixes(artifact: Artifact, folder: Path) -> list[Prefix]:
    """Writes the prefixes of a file into `folder`, the shortest first; the last is the whole file.

    Raises UsageError for a format whose files cannot be parted, and for a file with a single operator.
    """
    module = _MODULES.get(artifact.export.format)
    if module is None:
        raise UsageError(f"{artifact.export.format} files are not counted by operator: {', '.join(_MODULES)} are")
    found: list[Prefix] = import_module(f"edgebench.places.emulator.truncated.{module}").cut(
        Path(artifact.path), folder
    )
    return found


def named(names: list[str], kinds: list[str]) -> tuple[str, str]:
    """The name of the last of several operators that are one step, and all of their kinds."""
    return names[-1], " + ".join(kinds)
