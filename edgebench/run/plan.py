"""What to run: the cells (model x format x precision) on one device, decided before anything runs."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from msgspec import structs

from edgebench.formats import format as formats
from edgebench.ground.errors import UsageError, unknown
from edgebench.ground.options import listed
from edgebench.ground.records import (
    Calibrator,
    ExportSpec,
    Format,
    Precision,
    Quantization,
    QuantizationScheme,
)
from edgebench.run.cell import Cell
from edgebench.run.network import ModelArguments
from edgebench.run.options import Files

if TYPE_CHECKING:
    from edgebench.formats.quantize.variant import Activations
    from edgebench.machines.profiles import DeviceProfile

FORMATS: tuple[str, ...] = get_args(Format)
PRECISIONS: tuple[str, ...] = get_args(Precision)
CALIBRATORS: tuple[str, ...] = get_args(Calibrator)
SCHEMES: tuple[str, ...] = get_args(QuantizationScheme)
ACTIVATIONS = ("uint8", "int8")

# What `profile` takes when no format is named. On the host every runtime is measured; elsewhere the formats that
# the device's profile is calibrated for (see `default_formats`).
HOST_FORMATS = ("tflite", "onnx", "torch", "ncnn")
COUNTED_FORMATS = ("tflite", "onnx", "ncnn")  # of these, what `--counts` can run

# Which precisions each format can be written in, and by which converters.
WRITABLE = {name: form.precisions for name, form in formats.FORMATS.items()}
CONVERTERS = tuple(dict.fromkeys(each for form in formats.FORMATS.values() for each in form.converters))


def export_specs(
    forms: Sequence[str],
    precisions: Sequence[str],
    *,
    converter: str = "default",
    image_input: bool = False,
    quantization: Quantization | None = None,
) -> list[ExportSpec]:
    """Every asked combination. UsageError for an unknown name, and for what cannot be written or means nothing.

    `quantization` is for those in int8; None means Quantization(), which is calibrated on generated images.
    """
    _check("format", forms, FORMATS)
    _check("precision", precisions, PRECISIONS)
    _check("converter", [converter], CONVERTERS)
    if converter != "default" and "tflite" not in forms:
        raise UsageError(f"converter {converter} writes tflite, not {', '.join(forms)}: add tflite, or leave it out")
    if image_input and "coreml" not in forms:
        raise UsageError(f"an image as input exists in coreml, not in {', '.join(forms)}: add coreml, or leave it out")
    wanted = quantization or Quantization()
    _check_int8(wanted, forms, precisions)
    return [
        ExportSpec(
            format=_writable(form, precision),
            precision=precision,  # type: ignore[arg-type]
            converter=converter if form == "tflite" else "default",
            image_input=image_input and form == "coreml",
            quantization=_fitting(wanted, form) if precision == "int8" else None,
        )
        for form in forms
        for precision in precisions
    ]


def _check_int8(wanted: Quantization, forms: Sequence[str], precisions: Sequence[str]) -> None:
    if wanted != Quantization() and "int8" not in precisions:
        raise UsageError(f"calibration is for int8, not for {', '.join(precisions)}: add `precision='int8'`")
    if wanted.activations and "onnx" not in forms:
        raise UsageError(
            f"{wanted.activations} activations can be asked for in onnx, not in {', '.join(forms)}: add onnx, or leave "
            "`activations` out"
        )
    if wanted.calibration and wanted.scheme != "static":
        raise UsageError(
            f"the scheme {wanted.scheme} is not calibrated, so it has no use for the images of {wanted.calibration}: "
            "leave `calibrate` out, or choose `scheme='static'`"
        )


def _fitting(wanted: Quantization, form: str) -> Quantization:
    """The signedness of activations is a choice in ONNX only."""
    return wanted if form == "onnx" else structs.replace(wanted, activations="")


def quantization(
    calibration: str = "",
    samples: int = 64,
    calibrator: str = "auto",
    scheme: str = "static",
    *,
    float_io: bool = True,
    activations: str = "",
    error_budget: float | None = None,
) -> Quantization:
    """How int8 files are made; see records.Quantization. UsageError for an unknown name or an impossible number."""
    _check("calibrator", [calibrator], CALIBRATORS)
    _check("scheme", [scheme], SCHEMES)
    _check("signedness of activations", [activations] if activations else [], ACTIVATIONS)
    if samples < 1:
        raise UsageError(f"{samples} samples to calibrate on; give 1 or more, 64 are a good number")
    if error_budget is not None and not 0 < error_budget < 1:
        raise UsageError(f"an error budget of {error_budget:g}; it is a relative error between 0 and 1")
    return Quantization(
        scheme=scheme,  # type: ignore[arg-type]  # these three were checked
        calibration=calibration,
        samples=samples,
        calibrator=calibrator,  # type: ignore[arg-type]
        float_io=float_io,
        activations=activations,  # type: ignore[arg-type]
        error_budget=error_budget,
    )


def suited(cells: Iterable[Cell], device: DeviceProfile) -> list[Cell]:
    """The cells with ONNX's int8 in the signedness that is fast on the device, where none was asked for."""
    from edgebench.formats.quantize.variant import activations_for

    fast = activations_for(device.cpu.isa)
    if device.name == "host" or fast == activations_for(platform.machine()):
        return list(cells)
    return [_suited(cell, fast) for cell in cells]


def _suited(cell: Cell, fast: Activations) -> Cell:
    wanted = cell.export.quantization
    if cell.export.format != "onnx" or wanted is None or wanted.activations or wanted.scheme != "static":
        return cell
    return replace(cell, export=structs.replace(cell.export, quantization=structs.replace(wanted, activations=fast)))


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


def default_formats(device: DeviceProfile, *, counts: bool = False) -> tuple[str, ...]:
    """The formats to profile when none is named: the host's, or the first that the device is calibrated for."""
    if device.name == "host":
        return COUNTED_FORMATS if counts else HOST_FORMATS
    from edgebench.runtimes import FORMATS as RUNTIME_OF

    calibrated = {calibration.runtime for calibration in device.calibrations}
    return tuple(form for form in WRITABLE if RUNTIME_OF.get(form) in calibrated)[:1] or ("tflite",)


def cells(
    names: Sequence[str],
    arguments: ModelArguments,
    specs: Sequence[ExportSpec],
    *,
    ready: Sequence[str] = ("onnx", "tflite"),
) -> list[Cell]:
    """All cells in the order they will run; every name is resolved before the first cell starts.

    `ready` are the formats of which a file may be named instead of a network. UsageError also for arguments that no
    network is there to take.
    """
    if arguments.replace(weights=None) != ModelArguments() and all(map(is_file, names)):
        raise UsageError(f"{names[0]} is a ready file: width, resolution, input and the like are for networks")
    found: list[Cell] = []
    for name in names:
        if is_file(name):
            found.append(_file_cell(Path(name), ready))
        else:
            spec = arguments.resolve(name)
            found.extend(Cell(model=spec, export=export) for export in specs)
    return found


def asked(
    files: Files,
    names: str | Sequence[str],
    *,
    formats: Sequence[str] = (),
    ready: Sequence[str] = ("onnx", "tflite"),
    converter: str = "default",
    image_input: bool = False,
) -> tuple[list[Cell], Path | None]:
    """The cells of what a command was asked for, and the file of its weights; raises as what it is made of.

    `formats` are taken where none is named.
    """
    specs = export_specs(
        listed(files.format, "format", FORMATS) or formats,
        listed(files.precision, "precision", PRECISIONS),
        converter=converter,
        image_input=image_input,
        quantization=quantization(
            str(files.calibrate),
            files.samples,
            files.calibrator,
            files.scheme,
            float_io=files.float_io,
            activations=files.activations,
            error_budget=files.error_budget,
        ),
    )
    network = ModelArguments.of(files)
    return cells((names,) if isinstance(names, str) else names, network, specs, ready=ready), network.file


def _file_cell(path: Path, ready: Sequence[str]) -> Cell:
    suffixes = {formats.FORMATS[form].suffix: form for form in ready}
    listed = " or ".join(sorted(suffixes))
    if not path.exists():
        raise UsageError(f"there is no file {path}; name an existing {listed} file, or a network")
    if path.suffix not in suffixes:
        raise UsageError(f"{path} cannot be profiled as a file; give a {listed} file")
    return Cell(file=path, export=ExportSpec(format=suffixes[path.suffix]))  # type: ignore[arg-type]
