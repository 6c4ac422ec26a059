"""Whether an int8 file is int8: what stayed float, and what the accelerator did not take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.ground.errors import ExportError
from edgebench.ground.records import Artifact

if TYPE_CHECKING:
    from edgebench.formats.inspect import Inside

LONGEST_LIST = 5


def check_int8(artifact: Artifact, path: Path | None = None) -> None:
    """Raises ExportError that names what keeps an int8 file from being int8; other precisions pass.

    `path` is where the file lies, when that is not yet what the artifact says.
    """
    if artifact.export.precision != "int8":
        return
    from edgebench.formats import inspect

    found = not_int8(inspect.read(path or Path(artifact.path)), artifact)
    if found:
        raise ExportError(f"this int8 file is not int8 throughout (`strict`): {'; '.join(found)}")


def not_int8(found: Inside, artifact: Artifact | None) -> list[str]:
    """What keeps a file from being int8, in sentences: by what is known of how it was made, and by what is in it.

    Empty for a file without int8.
    """
    from edgebench.formats.islands import sentences

    return [*(complaints(artifact) if artifact else []), *sentences(found)]


def complaints(artifact: Artifact) -> list[str]:
    """What keeps the file from being int8: layers that stayed float, several delegates, operators off the delegate."""
    report = artifact.quantization
    floats = [layer for layer in report.layers if layer.stored != "int8"] if report else []
    found = []
    if floats:
        named = ", ".join(f"{layer.name} ({layer.why or layer.kind})" for layer in floats[:LONGEST_LIST])
        more = f" and {len(floats) - LONGEST_LIST} more" if len(floats) > LONGEST_LIST else ""
        found.append(f"{len(floats)} layers are computed in float: {named}{more}")
    if artifact.delegates is not None and artifact.delegates > 1:
        found.append(f"it runs in {artifact.delegates} delegates")
    if artifact.delegated_share is not None and artifact.delegated_share < 1:
        found.append(f"{1 - artifact.delegated_share:.0%} of its operators are off the delegate")
    return found
