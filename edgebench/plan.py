"""What to run: the cells (model x format x precision) on one device, decided before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edgebench.errors import UsageError, unknown
from edgebench.export import formats
from edgebench.records import ExportSpec, Format, ModelSpec, Precision

if TYPE_CHECKING:
    from edgebench.profiles import DeviceProfile

FORMATS: tuple[str, ...] = get_args(Format)
PRECISIONS: tuple[str, ...] = get_args(Precision)

# What `profile` takes when no format is named. On the host every runtime is measured; elsewhere the formats that
# the device's profile is calibrated for (see `default_formats`).
HOST_FORMATS = ("tflite", "onnx", "torch", "ncnn")

# Which precisions each format can be written in, and by which converters.
WRITABLE = {name: form.precisions for name, form in formats.FORMATS.items()}
CONVERTERS = tuple(dict.fromkeys(each for form in formats.FORMATS.values() for each in form.converters))


@dataclass(frozen=True)
class ModelArguments:
    """What a user can say of a network: its scaling point, where None keeps the family's own value, and its options."""

    width: float | None = None
    depth: float | None = None
    resolution: int | None = None
    phi: float | None = None
    classes: int | None = None
    input_text: str | None = None
    options: Mapping[str, int | float | bool | str] = field(default_factory=dict)

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
            options=self.options,
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
    forms: Sequence[str], precisions: Sequence[str], *, converter: str = "default", image_input: bool = False
) -> list[ExportSpec]:
    """Every asked combination. UsageError for an unknown name, and for what cannot be written or means nothing."""
    _check("format", forms, FORMATS)
    _check("precision", precisions, PRECISIONS)
    _check("converter", [converter], CONVERTERS)
    if converter != "default" and "tflite" not in forms:
        raise UsageError(f"converter {converter} writes tflite, not {', '.join(forms)}: add tflite, or leave it out")
    if image_input and "coreml" not in forms:
        raise UsageError(f"an image as input exists in coreml, not in {', '.join(forms)}: add coreml, or leave it out")
    return [
        ExportSpec(
            format=_writable(form, precision),
            precision=precision,  # type: ignore[arg-type]
            converter=converter if form == "tflite" else "default",
            image_input=image_input and form == "coreml",
        )
        for form in forms
        for precision in precisions
    ]


def _check(kind: str, values: Iterable[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            raise unknown(kind, value, known)


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
    """All cells in the order they will run; every name is resolved before the first cell starts.

    UsageError also for arguments that no network is there to take.
    """
    if arguments != ModelArguments() and all(map(is_file, names)):
        raise UsageError(f"{names[0]} is a ready file: width, resolution, input and the like are for networks")
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
