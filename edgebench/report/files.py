"""Files that commands write: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

from edgebench.ground.errors import UsageError


def write(path: Path, content: bytes) -> None:
    """Writes under a temporary name, then renames. Raises UsageError where that is not possible."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or type(error).__name__).lower()}") from error
