"""A run that was cut goes on: which of its cells are stored already.

A stored cell is the same one when it is of the same file (by its content), runtime, kind of number and scenario, and it
succeeded. Everything else runs again. The newest run of a device's folder is meant, and only within a day: after that,
versions and weather have changed, and half of it would be of another machine.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from edgebench.ground import store
from edgebench.ground.errors import JobError
from edgebench.ground.records import Artifact, Estimate, Measurement, Result, Scenario
from edgebench.runtimes import runtime_of

if TYPE_CHECKING:
    from edgebench.run.mode import Way

A_DAY_S: Final = 86_400
_NAME: Final = re.compile(r"\d{4}-\d{2}-\d{2}-(?P<run>.+)\.jsonl")
_PROVENANCE: Final = {
    "measure": "measured",
    "reach": "measured",
    "emulate": "emulated",
    "count": "emulated",
    "estimate": "estimated",
}


@dataclass(frozen=True)
class Earlier:
    """What a run has stored so far; a new run has nothing. `run` is the id that names its files."""

    run: str
    results: tuple[Result, ...] = ()

    def find(self, artifact: Artifact | JobError, scenario: Scenario, way: Way) -> Result | None:
        """The result of this very cell, or None where it has to be run."""
        if isinstance(artifact, JobError):
            return None
        return next((result for result in reversed(self.results) if _is(result, artifact, scenario, way)), None)


def newest(folder: Path) -> Earlier:
    """The run in `folder` that was written to last, or a new one. Raises UsageError for a file that cannot be read."""
    found = [path for path in folder.glob("*.jsonl") if _NAME.fullmatch(path.name)]
    latest = max(found, key=lambda path: path.stat().st_mtime, default=None)
    named = _NAME.fullmatch(latest.name) if latest else None
    if latest is None or named is None or time.time() - latest.stat().st_mtime > A_DAY_S:
        return Earlier(uuid4().hex[:8])
    files = sorted(path for path in found if path.name.endswith(f"-{named['run']}.jsonl"))
    return Earlier(named["run"], tuple(result for path in files for result in store.read(path, on_warning=_torn)))


def _torn(sentence: str) -> None:
    """A line that was cut off is a cell that runs again."""


def _is(result: Result, artifact: Artifact, scenario: Scenario, way: Way) -> bool:
    same = (
        result.status == "ok"
        and result.artifact_sha256 == artifact.sha256
        and result.runtime == runtime_of(artifact.export.format)
        and result.provenance == _PROVENANCE[way.kind]
    )
    if not same or isinstance(result, Estimate):
        return same and isinstance(result, Estimate) and result.threads == scenario.threads
    return _asked(result, scenario, way)


def _asked(result: Measurement, scenario: Scenario, way: Way) -> bool:
    """Whether a record has what is asked for; an emulated one has a scenario of its own, always the same."""
    if way.operators and result.operators is None:
        return False
    return result.provenance == "emulated" or result.scenario == scenario
