"""Which cells are done already: the one place that decides whether a stored record is what a cell would give.

A record is that of a cell when network, file, device, runtime, kind of number and scenario are the same, and the file's
content where both know it. `profile --resume` looks among the newest run of the device, and only within a day, since
after that half of a run would be of other versions and another machine; a sweep and `scale` look among all records.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from msgspec.structs import astuple

from edgebench.ground import store
from edgebench.ground.records import ExportSpec, ModelSpec, Provenance, Record, Result, Scenario, Status

_DONE: Final[tuple[Status, ...]] = ("ok",)
Address = tuple[Hashable, ...]
A_DAY_S: Final = 86_400
_NAME: Final = re.compile(r"\d{4}-\d{2}-\d{2}-(?P<run>.+)\.jsonl")


def address(
    model: ModelSpec,
    export: ExportSpec,
    device: str,
    runtime: str,
    provenance: Provenance,
    scenario: Scenario,
    processor: str = "cpu",
) -> Address:
    """What a cell is known by: equal for equal cells, whoever runs them, and whether a 1 was written as 1 or 1.0.

    A measurement is by its whole scenario; the emulator has one of its own, and an estimate knows the threads only.
    """
    how = scenario if provenance == "measured" else 1 if provenance == "emulated" else scenario.threads
    return tuple(map(_hashable, (model, export, device, runtime, provenance, how, processor)))


def _hashable(value: Any) -> Hashable:
    if isinstance(value, Record):
        return tuple(map(_hashable, astuple(value)))
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    key: Hashable = value
    return key


def address_of(result: Result) -> Address:
    """The address of the cell that a stored record belongs to, from the record alone."""
    scenario = result.scenario or Scenario(threads=result.threads)
    of = (result.model, result.export, result.device, result.runtime, result.provenance)
    return address(*of, scenario, result.processor)


@dataclass(frozen=True)
class Stored:
    """Records by the cell that they are of. `run` is the id that names the files of the run that goes on."""

    results: tuple[Result, ...] = ()
    run: str = field(default_factory=lambda: uuid4().hex[:8])
    _by_address: dict[Address, list[Result]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_address: dict[Address, list[Result]] = defaultdict(list)
        for result in self.results:
            by_address[address_of(result)].append(result)
        object.__setattr__(self, "_by_address", by_address)

    def find(
        self,
        address: Address,
        *,
        sha256: str | None = None,
        of_a_file: bool = False,
        operators: bool = False,
        statuses: Collection[Status] = _DONE,
    ) -> Result | None:
        """The newest record of a cell, or None where it has to be run.

        `sha256` is the content of the file that the record has to be of, `of_a_file` whether it has to be of any, and
        `operators` whether it has to have them.
        """
        for result in reversed(self._by_address.get(address, ())):
            if result.status not in statuses or sha256 not in (None, result.artifact_sha256):
                continue
            if of_a_file and result.status == "ok" and result.artifact_sha256 is None:
                continue
            if not operators or result.operators is not None:
                return result
        return None


def every(folders: Iterable[Path]) -> Stored:
    """All records in the folders that exist. Raises UsageError for a file that cannot be read."""
    return Stored(tuple(result for folder in folders if folder.is_dir() for result in store.read(folder)))


def newest(folder: Path) -> Stored:
    """The run in `folder` that was written to last, or a new one. Raises UsageError for a file that cannot be read."""
    files = [path for path in folder.glob("*.jsonl") if _NAME.fullmatch(path.name)]
    latest = max(files, key=lambda path: path.stat().st_mtime, default=None)
    named = _NAME.fullmatch(latest.name) if latest else None
    if latest is None or named is None or time.time() - latest.stat().st_mtime > A_DAY_S:
        return Stored()
    same = sorted(path for path in files if path.name.endswith(f"-{named['run']}.jsonl"))
    return Stored(tuple(result for path in same for result in store.read(path, on_warning=_torn)), named["run"])


def _torn(sentence: str) -> None:
    """A line that was cut off is a cell that runs again."""
