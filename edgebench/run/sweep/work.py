"""One cell's work, in a process of its own or on a node of a cluster: a cell goes in, a record comes out."""

from __future__ import annotations

from pathlib import Path

from edgebench.ground.errors import EdgebenchError
from edgebench.ground.records import Result
from edgebench.run.mode import Mode
from edgebench.run.sweep.cells import SweepCell


def run_cell(asked: SweepCell, artifacts: Path) -> Result:
    """Runs one cell; a failure becomes a record with status "failed". Files are exported into `artifacts`."""
    cell = asked.cell
    try:
        with asked.engine as engine:
            without_file = asked.mode is Mode.PRETEND or (asked.mode is Mode.ESTIMATE and not asked.files)
            artifact = None if without_file else next(engine.files([cell], artifacts))
            return engine.record(cell, artifact)
    except EdgebenchError as error:
        return failed(asked, str(error))


def failed(asked: SweepCell, reason: str) -> Result:
    """The record of a cell that could not be run."""
    return asked.engine.unmeasured(asked.cell, "failed", reason)
