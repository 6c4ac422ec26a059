"""What a sweep consists of: cells addressed by their content, and the TOML file that lists them.

[sweep]
models = ["mobilenetv2", "efficientnet_lite0"]
widths = [0.5, 1.0]            # also depths, resolutions, phis; left out: as published
formats = ["tflite", "onnx"]
precisions = ["fp32"]
devices = ["rpi4", "host"]
threads = [1]
how = "auto"                   # estimated, emulated, measured; auto: measured on the host, else estimated
quick = true                   # measurements of 3 processes and 1 s each
files = false                  # whether networks are exported and checked also where they are only estimated

Several [[sweep]] tables in one file are all run; `edgebench scale --sweep FILE` writes one for each finalist.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from edgebench import models
from edgebench.ground import paths, toml
from edgebench.ground.errors import EdgebenchError, UsageError, unknown
from edgebench.ground.records import ExportSpec, ModelSpec, Record, Result
from edgebench.ground.registry import DEFAULT_FORMAT
from edgebench.ground.toml import check_keys
from edgebench.ground.toml import read as read_toml
from edgebench.machines import profiles
from edgebench.machines.facts import check_threads
from edgebench.run import plan
from edgebench.run.engine import Engine, scenario
from edgebench.run.mode import Method, Mode
from edgebench.run.plan import Cell
from edgebench.run.resume import Address, address
from edgebench.runtimes import runtime_of

HOW = {"estimated": Mode.ESTIMATE, "emulated": Mode.EMULATE, "measured": Mode.MEASURE}
TIMED = (Mode.MEASURE, Mode.REACH, Mode.PAGE)


class SweepCell(Record, frozen=True, kw_only=True):
    """One result to produce. `files` is whether a file is made for an estimate too."""

    model: ModelSpec
    export: ExportSpec
    device: str
    threads: int = 1
    mode: Mode = Mode.ESTIMATE
    quick: bool = True
    files: bool = False

    @property
    def cell(self) -> Cell:
        """What the engine of this cell's device is given."""
        return Cell(self.export, self.model)

    @property
    def engine(self) -> Engine:
        """The device, the mode and the scenario of this cell. Raises UsageError for an unknown device."""
        return Engine(profiles.load(self.device), Method(self.mode), scenario(quick=self.quick, threads=self.threads))

    @property
    def place(self) -> str | None:
        """The machine that it needs for itself, since it is timed there; None for what is only computed."""
        if self.mode not in TIMED:
            return None
        return self.device if self.mode is Mode.REACH else "host"

    @property
    def address(self) -> Address:
        """What the cell is known by; see resume.address."""
        runtime = "fake" if self.mode is Mode.PRETEND else runtime_of(self.export.format)
        how = scenario(quick=self.quick, threads=self.threads)
        return address(self.model, self.export, self.device, runtime, self.mode.provenance, how)

    @property
    def title(self) -> str:
        """A short name for progress lines."""
        return f"{self.model.key} {self.export.key} on {self.device}"


class _Axes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: tuple[str, ...]
    devices: tuple[str, ...]
    widths: tuple[float, ...] = ()
    depths: tuple[float, ...] = ()
    resolutions: tuple[int, ...] = ()
    phis: tuple[float, ...] = ()
    formats: tuple[str, ...] = (DEFAULT_FORMAT,)
    precisions: tuple[str, ...] = ("fp32",)
    threads: tuple[int, ...] = (1,)
    how: str = "auto"
    quick: bool = True
    files: bool = False


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


def read(path: Path) -> list[SweepCell]:
    """The cells of a sweep file, each once. Raises UsageError for a mistake in the file, naming the key and choices."""
    table = read_toml(path, "sweep file")
    check_keys(table, ["sweep"], str(path))
    sweep = table.get("sweep")
    tables: list[Any] = sweep if isinstance(sweep, list) else [sweep]
    if not all(isinstance(each, dict) and each for each in tables):
        raise UsageError(f"{path} has no [sweep]: write one with models = [...] and devices = [...]")
    return list({cell.address: cell for each in tables for cell in _cells(each, path)}.values())


def write(path: Path, cells: Iterable[SweepCell]) -> None:
    """Writes a sweep file that `read` makes these cells of. Raises UsageError when it cannot be written."""
    paths.write(path, toml.show({"sweep": [_table(cell) for cell in cells]}))


def _table(cell: SweepCell) -> dict[str, object]:
    model, export = cell.model, cell.export
    return {
        "models": [model.name],
        "widths": [model.width],
        "depths": [model.depth],
        "resolutions": [model.resolution],
        "formats": [export.format],
        "precisions": [export.precision],
        "devices": [cell.device],
        "threads": [cell.threads],
        "how": cell.mode.provenance,
        "quick": cell.quick,
        "files": cell.files,
    }


def _cells(table: dict[str, object], path: Path) -> Iterator[SweepCell]:
    check_keys(table, _Axes.__struct_fields__, f"[sweep] of {path}")
    try:
        axes = msgspec.convert(table, _Axes)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: {str(error).replace('$.', '')}") from error
    _check(axes, path)
    exports = plan.export_specs(axes.formats, axes.precisions)
    for name, device in itertools.product(axes.models, axes.devices):
        reach = profiles.load(device).reach
        mode = HOW.get(axes.how, Mode.ESTIMATE if reach is None else Mode.MEASURE)
        if mode is Mode.MEASURE and reach not in (None, "local"):
            mode = Mode.PAGE if reach == "browser" else Mode.REACH
        for spec in _points(name, axes):
            for export, threads in itertools.product(exports, axes.threads):
                yield SweepCell(
                    model=spec,
                    export=export,
                    device=device,
                    threads=threads,
                    mode=mode,
                    quick=axes.quick if mode in TIMED else True,
                    files=axes.files and mode is Mode.ESTIMATE,
                )


def _points(name: str, axes: _Axes) -> Iterator[ModelSpec]:
    for phi in axes.phis:
        yield models.resolve(name, phi=phi)
    if axes.phis and not (axes.widths or axes.depths or axes.resolutions):
        return
    published = (None,)
    for width, depth, resolution in itertools.product(
        axes.widths or published, axes.depths or published, axes.resolutions or published
    ):
        yield models.resolve(name, width=width, depth=depth, resolution=resolution)


def _check(axes: _Axes, path: Path) -> None:
    if axes.how not in ("auto", *HOW):
        raise unknown("way", axes.how, ("auto", *HOW))
    for kind, values, known in (
        ("format", axes.formats, plan.FORMATS),
        ("precision", axes.precisions, plan.PRECISIONS),
    ):
        for value in values:
            if value not in known:
                raise unknown(kind, value, known)
    if not (axes.models and axes.devices):
        raise UsageError(f"{path}: models and devices must each name at least one")
    if axes.how == "emulated" and axes.threads != (1,):
        raise UsageError(f"{path}: the emulator counts on one thread; set threads = [1]")
    for device in axes.devices:
        cores = profiles.load(device).cpu.cores
        for threads in axes.threads:
            if device == "host":
                check_threads(threads)
            if not 1 <= threads <= cores:
                raise UsageError(f"{path}: {threads} threads on {device}: give 1 to {cores}, its cores")
