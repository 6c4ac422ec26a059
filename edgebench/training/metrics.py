"""metrics.jsonl: a line an epoch, appended as it ends."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from edgebench.ground.errors import TrainingError, UsageError
from edgebench.training.records import Epoch


class Metrics:
    """The rows of one run, in memory and in a file that is begun anew or, after `cut`, gone on with."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: tuple[Epoch, ...] = ()

    def append(self, row: Epoch) -> None:
        """Adds a row. Raises TrainingError when the disk does not take it."""
        self.rows += (row,)
        self._write("ab" if len(self.rows) > 1 else "wb", [row])

    def cut(self, epoch: int) -> None:
        """Reads what is there up to `epoch`: a killed run may have written of one that it did not save."""
        self.rows = tuple(row for row in read(self.path) if row.epoch <= epoch)
        self._write("wb", self.rows)

    def _write(self, mode: str, rows: list[Epoch] | tuple[Epoch, ...]) -> None:
        try:
            with self.path.open(mode) as file:
                file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise TrainingError(f"cannot write {self.path}: {(error.strerror or '').lower()}; make room") from error


def read(path: Path) -> list[Epoch]:
    """Returns the rows of a metrics file; a last line that was cut off is left out.

    Raises UsageError where there is none, or it holds something else.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(f"cannot read the metrics {path}: {(error.strerror or '').lower()}") from error
    try:
        return [msgspec.json.decode(line, type=Epoch) for line in lines[:-1]]
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} does not hold the metrics of a training: {error}") from error
