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

Several [[sweep]] tables in one file are all run; `edgebench scale --sweep FILE` writes one for each finalist.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from edgebench import models
from edgebench.ground import paths, toml
from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.records import ExportSpec, Measurement, ModelSpec, Record, Result, identity
from edgebench.ground.toml import check_keys
from edgebench.ground.toml import read as read_toml
from edgebench.machines import profiles
from edgebench.run import plan

Way = Literal["estimated", "emulated", "measured", "pretended"]
T = TypeVar("T")
WAYS = ("auto", "estimated", "emulated", "measured")


class SweepCell(Record, frozen=True, kw_only=True):
    """One result to produce. `way` is how; "pretended" costs nothing and exists to measure the driver."""

    model: ModelSpec
    export: ExportSpec
    device: str
    threads: int = 1
    way: Way = "estimated"
    quick: bool = True

    @property
    def address(self) -> str:
        """The content address: equal for equal cells, whoever runs them."""
        return _address(self.model, self.export, self.device, self.threads, self.way, self.quick)

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
    formats: tuple[str, ...] = ("tflite",)
    precisions: tuple[str, ...] = ("fp32",)
    threads: tuple[int, ...] = (1,)
    how: str = "auto"
    quick: bool = True


def address_of(result: Result) -> str:
    """The address of the cell that a stored record belongs to, from the record alone."""
    if not isinstance(result, Measurement):
        return _address(result.model, result.export, result.device, result.threads, result.provenance, True)
    way = "pretended" if result.runtime == "fake" else result.provenance
    quick = result.scenario.quick if way == "measured" else True
    return _address(result.model, result.export, result.device, result.scenario.threads, way, quick)


def read(path: Path) -> list[SweepCell]:
    """The cells of a sweep file, each once. Raises UsageError for a mistake in the file, naming the key and choices."""
    table = read_toml(path, "sweep file")
    check_keys(table, ["sweep"], str(path))
    sweep = table.get("sweep")
    tables: list[Any] = sweep if isinstance(sweep, list) else [sweep]
    if not all(isinstance(each, dict) and each for each in tables):
        raise UsageError(f"{path} has no [sweep]: write one with models = [...] and devices = [...]")
    return list({cell.address: cell for each in tables for cell in _cells(_axes(each, path), path)}.values())


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
        "how": cell.way,
        "quick": cell.quick,
    }


def _axes(table: dict[str, object], path: Path) -> _Axes:
    check_keys(table, _Axes.__struct_fields__, f"[sweep] of {path}")
    try:
        return msgspec.convert(table, _Axes)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: {str(error).replace('$.', '')}") from error


def _cells(axes: _Axes, path: Path) -> Iterator[SweepCell]:
    _check(axes, path)
    exports = plan.export_specs(axes.formats, axes.precisions)
    for name, device in itertools.product(axes.models, axes.devices):
        for spec in _points(name, axes):
            for export, threads in itertools.product(exports, axes.threads):
                way = _way(axes.how, device)
                quick = axes.quick if way == "measured" else True
                yield SweepCell(model=spec, export=export, device=device, threads=threads, way=way, quick=quick)


def _points(name: str, axes: _Axes) -> Iterator[ModelSpec]:
    for phi in axes.phis:
        yield models.resolve(name, phi=phi)
    if axes.phis and not (axes.widths or axes.depths or axes.resolutions):
        return
    for width, depth, resolution in itertools.product(
        _or_published(axes.widths), _or_published(axes.depths), _or_published(axes.resolutions)
    ):
        yield models.resolve(name, width=width, depth=depth, resolution=resolution)


def _or_published(values: Sequence[T]) -> Sequence[T | None]:
    return values or [None]


def _check(axes: _Axes, path: Path) -> None:
    if axes.how not in WAYS:
        raise unknown("way", axes.how, WAYS)
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
            if not 1 <= threads <= cores:
                raise UsageError(f"{path}: {threads} threads on {device}: give 1 to {cores}, its cores")


def _way(how: str, device: str) -> Way:
    if how != "auto":
        return how  # type: ignore[return-value]
    return "measured" if profiles.load(device).reach == "local" else "estimated"


def _address(model: ModelSpec, export: ExportSpec, device: str, threads: int, way: str, quick: bool) -> str:
    return identity(model, export, device, threads, way, quick)
