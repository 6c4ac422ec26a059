"""One cell's work, in a process of its own or on a node of a cluster: a cell goes in, a record comes out."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

from edgebench.ground.errors import EdgebenchError
from edgebench.ground.records import Artifact, Estimate, Measurement, Result, Scenario, identity
from edgebench.machines import profiles
from edgebench.run import engine
from edgebench.run.sweep.cells import SweepCell
from edgebench.runtimes import FORMATS

_PRETENDED_S = 0.01


def run_cell(cell: SweepCell, artifacts: Path) -> Result:
    """Runs one cell; a failure becomes a record with status "failed". Files are exported into `artifacts`."""
    try:
        return _WAYS[cell.way](cell, artifacts)
    except EdgebenchError as error:
        return failed(cell, str(error))


def failed(cell: SweepCell, reason: str) -> Result:
    """The record of a cell that could not be run."""
    now = _now()
    if cell.way == "estimated":
        return Estimate(
            id=identity(cell.address, now),
            time=now,
            model=cell.model,
            export=cell.export,
            device=cell.device,
            runtime=FORMATS[cell.export.format],
            threads=cell.threads,
            status="failed",
            error=reason,
        )
    return _measurement(cell, status="failed", error=reason)


def _measurement(cell: SweepCell, **fields: object) -> Measurement:
    now = _now()
    values: dict[str, object] = {
        "id": identity(cell.address, now),
        "time": now,
        "model": cell.model,
        "export": cell.export,
        "device": cell.device,
        "runtime": "fake" if cell.way == "pretended" else FORMATS[cell.export.format],
        "runtime_version": "",
        "provenance": "measured" if cell.way == "pretended" else cell.way,
        "scenario": _scenario(cell),
    }
    return Measurement(**(values | fields))  # type: ignore[arg-type]


def _estimated(cell: SweepCell, artifacts: Path) -> Result:
    from edgebench.estimate.estimator import estimate
    from edgebench.models.sketch import sketch

    device = profiles.load(cell.device)
    return estimate(sketch(cell.model), device, spec=cell.model, export=cell.export, threads=cell.threads)


def _emulated(cell: SweepCell, artifacts: Path) -> Result:
    from edgebench.run.emulated import emulate

    return emulate(_file(cell, artifacts), profiles.load(cell.device))


def _measured(cell: SweepCell, artifacts: Path) -> Result:
    from edgebench.measure import measure

    return measure(_file(cell, artifacts), FORMATS[cell.export.format], _scenario(cell), device=cell.device)


def _pretended(cell: SweepCell, artifacts: Path) -> Result:
    """Nothing is run. The model's options say how long that takes ("seconds") and whether the process dies ("dies")."""
    if cell.model.options.get("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(cell.model.options.get("seconds", 0.0)))
    return _measurement(cell, latency_s=((_PRETENDED_S,) * 30,) * 3)


_WAYS = {"estimated": _estimated, "emulated": _emulated, "measured": _measured, "pretended": _pretended}


def _file(cell: SweepCell, artifacts: Path) -> Artifact:
    from edgebench.formats.pipeline import export_model

    return export_model(cell.model, cell.export, artifacts)


def _scenario(cell: SweepCell) -> Scenario:
    return engine.scenario(quick=cell.quick, threads=cell.threads)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
