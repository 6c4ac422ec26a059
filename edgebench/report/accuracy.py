"""Accuracies that the user brings, as a CSV file, for records that have none of their own."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from edgebench.ground.errors import UsageError
from edgebench.ground.records import ModelSpec

NEEDED = ("model", "top1")
OPTIONAL = ("width", "depth", "resolution")


@dataclass(frozen=True)
class Accuracies:
    """Top-1 shares in 0..1 by network and scaling point."""

    rows: tuple[tuple[str, float | None, float | None, float | None, float], ...] = ()

    def of(self, spec: ModelSpec) -> float | None:
        """The accuracy of a network: the first row of its name whose given width, depth and resolution are its own."""
        for name, width, depth, resolution, top1 in self.rows:
            given = ((width, spec.width), (depth, spec.depth), (resolution, spec.resolution))
            if name == spec.name and all(asked is None or asked == has for asked, has in given):
                return top1
        return None


def read(path: Path) -> Accuracies:
    """Reads a CSV file with the columns model and top1 (in percent), and, where it matters, width, depth, resolution.

    Raises UsageError, naming the line, for a file that is not that.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            columns = tuple(table.fieldnames or ())
            if missing := [name for name in NEEDED if name not in columns]:
                raise UsageError(f"{path} has no column {' and no '.join(missing)}: it needs {', '.join(NEEDED)}")
            return Accuracies(tuple(_row(row, f"{path}:{table.line_num}") for row in table))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read accuracies from {path}: {error}") from error


def _row(row: dict[str, str], where: str) -> tuple[str, float | None, float | None, float | None, float]:
    top1 = _number(row["top1"], where, "top1")
    if top1 is None or not 0 < top1 <= 100:
        raise UsageError(f"{where}: top1 is '{row['top1']}'; it must be a percentage above 0, up to 100")
    width, depth, resolution = (_number(row.get(name), where, name) for name in OPTIONAL)
    return row["model"], width, depth, resolution, top1 / 100


def _number(text: str | None, where: str, name: str) -> float | None:
    if not text or not text.strip():
        return None
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"{where}: {name} is '{text}', which is not a number") from error
