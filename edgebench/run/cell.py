"""One row to produce: a network or a ready file, as one format and precision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgebench.ground.records import ExportSpec, ModelSpec


@dataclass(frozen=True)
class Cell:
    """A network to export, or a ready file; the device and how it gives its numbers are the engine's."""

    export: ExportSpec
    model: ModelSpec | None = None
    file: Path | None = None

    @property
    def spec(self) -> ModelSpec:
        """The network; of a file that has not been read, its name is all that is known."""
        return self.model or ModelSpec(name=self.file.stem if self.file else "unknown", family="file")

    @property
    def title(self) -> str:
        """A short name for progress lines."""
        name = self.model.key if self.model else str(self.file)
        return f"{name} {self.export.format} {self.export.precision}"
