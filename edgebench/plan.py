"""What to run: the cells (model x format x precision) on one device, decided before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edgebench.errors import UsageError, unknown
from edgebench.records import ExportSpec, Format, ModelSpec, Precision

if TYPE_CHECKING:
    from edgebench.profiles import DeviceProfile

FORMATS: tuple[str, ...] = get_args(Format)
PRECISIONS: tuple[str, ...] = get_args(Precision)

# What `profile` takes when no format is named. On the host every runtime is measured; elsewhere the formats that
# the device's profile is calibrated for (see `default_formats`).
HOST_FORMATS = ("tflite", "onnx", "torch", "ncnn")

# Which precisions each format can be written in.
WRITABLE: dict[str, tuple[str, ...]] = {
    "tflite": ("fp32", "fp16"),
    "onnx": ("fp32", "fp16"),
    "coreml": ("fp32", "fp16"),
    "torch": ("fp32",),
    "ncnn": ("fp32", "fp16"),
}

CONVERTERS = ("default", "litert-torch")


@dataclass(frozen=True)
class ModelArguments:
    """What a user can say of a network's scaling point; None keeps the family's own value."""

    width: float | None = None
    depth: float | None = None
    resolution: int | None = None
    phi: float | None = None
    classes: int | None = None
    input_text: str | None = None

    def resolve(self, name: str) -> ModelSpec:
        """Returns the spec of `name` at this scaling point; UsageError names what is wrong."""
        from edgebench import models

        size = models.parse_input(self.input_text) if self.input_text else None
        resolution = size[2] if size else self.resolution
        return models.resolve(
            name,
            width=self.width,
            depth=self.depth,
            resolution=resolution,
            phi=self.phi,
            classes=self.classes,
            channels=size[0] if size else None,
            height=size[1] if size else None,
        )


@dataclass(frozen=True)
class Cell:
    """One row to produce: a network or a ready file, as one format and precision, on one device."""

    export: ExportSpec
    model: ModelSpec | None = None
    file: Path | None = None

    @property
    def title(self) -> str:
        """A short name for progress lines."""
        name = self.model.key if self.model else str(self.file)
        return f"{name} {self.export.format} {self.export.precision}"


@dataclass(frozen=True)
class Step:
    """How far a run is: `done` of `total` cells, the running cell's title, and what it is doing."""

    done: int
    total: int
    title: str
    detail: str = ""


OnProgress = Callable[[Step], None]


def silent(step: Step) -> None:
    """The default progress callback: shows nothing."""


def export_specs(
    formats: Sequence[str], precisions: Sequence[str], *, converter: str = "default", image_input: bool = False
) -> list[ExportSpec]:
    """Every asked combination that can be written; UsageError when a combination cannot."""
    if converter not in CONVERTERS:
        raise unknown("converter", converter, CONVERTERS)
    return [
        ExportSpec(
            format=_writable(form, precision),
            precision=precision,  # type: ignore[arg-type]
            converter=converter if form == "tflite" else "default",
            image_input=image_input and form == "coreml",
        )
        for form in formats
        for precision in precisions
    ]


def _writable(form: str, precision: str) -> Format:
    if precision not in WRITABLE[form]:
        raise UsageError(f"{form} cannot be written in {precision} yet; it can in {', '.join(WRITABLE[form])}")
    return form  # type: ignore[return-value]


def is_file(name: str) -> bool:
    """Whether a positional argument names a ready model file rather than a network."""
    return Path(name).suffix in (".onnx", ".tflite", ".mlpackage", ".pt2", ".ncnn")


def default_formats(device: DeviceProfile) -> tuple[str, ...]:
    """The formats to profile when none is named: the host's, or the first that the device is calibrated for."""
    if device.name == "host":
        return HOST_FORMATS
    from edgebench.runtimes import FORMATS as RUNTIME_OF

    calibrated = {calibration.runtime for calibration in device.calibrations}
    return tuple(form for form in WRITABLE if RUNTIME_OF.get(form) in calibrated)[:1] or ("tflite",)


def cells(names: Sequence[str], arguments: ModelArguments, specs: Sequence[ExportSpec]) -> list[Cell]:
    """All cells in the order they will run; every name is resolved before the first cell starts."""
    found: list[Cell] = []
    for name in names:
        if is_file(name):
            found.append(_file_cell(Path(name)))
        else:
            spec = arguments.resolve(name)
            found.extend(Cell(model=spec, export=export) for export in specs)
    return found


def _file_cell(path: Path) -> Cell:
    if not path.exists():
        raise UsageError(f"there is no file {path}; name an existing .onnx or .tflite file, or a network")
    form: Format = "onnx" if path.suffix == ".onnx" else "tflite"
    if path.suffix not in (".onnx", ".tflite"):
        raise UsageError(f"{path} cannot be profiled as a file; give an .onnx or .tflite file")
    return Cell(file=path, export=ExportSpec(format=form))
