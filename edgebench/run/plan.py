"""What to run: the cells (model x format x precision) on one device, decided before anything runs."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from msgspec import structs

from edgebench.estimate import known
from edgebench.estimate.accelerated import known as accelerated
from edgebench.formats import format as formats
from edgebench.formats import manifest
from edgebench.formats.web import web_engines
from edgebench.ground.errors import UsageError, unknown, warn
from edgebench.ground.options import listed, many
from edgebench.ground.paths import check_there
from edgebench.ground.records import Calibrator, ExportSpec, ModelSpec, Precision, Quantization, QuantizationScheme
from edgebench.ground.registry import DEFAULT_FORMAT
from edgebench.ground.registry import FORMATS as FORMATS
from edgebench.machines.profiles import HERE
from edgebench.models.given import Given
from edgebench.models.user import InputSize, parse_input, parse_inputs
from edgebench.run.network import Model, ModelArguments, Wanted
from edgebench.run.options import NOT_JUDGED, Files, Judged, Names
from edgebench.runtimes import runtime, runtime_of

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile

PRECISIONS: tuple[str, ...] = get_args(Precision)
CALIBRATORS: tuple[str, ...] = get_args(Calibrator)
SCHEMES: tuple[str, ...] = get_args(QuantizationScheme)
ACTIVATIONS = ("uint8", "int8")


@dataclass(frozen=True)
class Cell:
    """A network to export, or a ready file; the device and how it gives its numbers are the engine's."""

    export: ExportSpec
    model: ModelSpec | None = None
    file: Path | None = None
    size: InputSize | None = None  # of a file that leaves it open

    @property
    def spec(self) -> ModelSpec:
        """The network; of a file that has not been read, its name is all that is known."""
        return self.model or ModelSpec(name=self.file.stem if self.file else "unknown", family="file")

    @property
    def title(self) -> str:
        """A short name for progress lines."""
        name = self.model.title if self.model else str(self.file)
        return f"{name} {self.export.format} {self.export.precision}"


def export_specs(
    forms: Sequence[str],
    precisions: Sequence[str],
    *,
    converter: str = "default",
    image_input: bool = False,
    quantization: Quantization | None = None,
    named: bool = True,
) -> list[ExportSpec]:
    """Every asked combination. UsageError for an unknown name, and for what cannot be written or means nothing.

    `quantization` is for those in int8; None means Quantization(), which is calibrated on generated images. Of formats
    that were not `named` one by one, a warning names what cannot be written, and the others are returned.
    """
    _check("format", forms, FORMATS)
    _check("precision", precisions, PRECISIONS)
    writers = [each.name for each in formats.every() if converter in each.converters]
    if converter != "default":
        _check("converter", [converter], [name for each in formats.every() for name in each.converters])
        _demand(f"converter {converter} writes", writers, forms)
    wanted = quantization or Quantization()
    _check_int8(wanted, forms, precisions)
    asked = list(product(forms, precisions))
    lacking = {pair: why for pair in asked if (why := _unwritten(*pair, wanted.scheme, schemes=not named))}
    if lacking and (named or len(lacking) == len(asked)):
        raise UsageError(next(iter(lacking.values())))
    for why in lacking.values():
        warn(f"left out: {why}")
    # Without a signedness of activations where that is not a choice.
    plain = structs.replace(wanted, activations="")
    fitting = {form: wanted if formats.form(form).activations else plain for form in forms}
    return [
        ExportSpec(
            format=form,
            precision=precision,  # type: ignore[arg-type]
            converter=converter if form in writers else "default",
            image_input=image_input,
            quantization=fitting[form] if precision == "int8" else None,
        )
        for form, precision in asked
        if (form, precision) not in lacking
    ]


def _unwritten(form: str, precision: str, scheme: str, *, schemes: bool) -> str:
    """Why a format cannot be written in a precision, with int8's `schemes` or without; empty where it can."""
    entry = formats.form(form)
    if precision not in entry.precisions:
        return f"{form} cannot be written in {precision} yet; it can in {', '.join(entry.precisions)}"
    return entry.without(scheme) if schemes and precision == "int8" else ""


def _demand(what: str, able: Sequence[str], forms: Sequence[str]) -> None:
    """Raises UsageError where none of `forms` is `able` to have what was asked for."""
    if not set(able).intersection(forms):
        first = " or ".join(able)
        raise UsageError(f"{what} {first}, not {', '.join(forms)}: add {first}, or leave it out")


def _check_int8(wanted: Quantization, forms: Sequence[str], precisions: Sequence[str]) -> None:
    if wanted != Quantization() and "int8" not in precisions:
        raise UsageError(f"calibration is for int8, not for {', '.join(precisions)}: add `precision='int8'`")
    if wanted.activations:
        chosen = [each.name for each in formats.every() if each.activations]
        _demand(f"{wanted.activations} activations can be asked for in", chosen, forms)
    if wanted.calibration and wanted.scheme != "static":
        raise UsageError(
            f"the scheme {wanted.scheme} is not calibrated, so it has no use for the images of {wanted.calibration}: "
            "leave `calibrate` out, or choose `scheme='static'`"
        )


def quantization(
    calibration: str = "",
    samples: int = 64,
    calibrator: str = "auto",
    scheme: str = "static",
    *,
    float_io: bool = True,
    activations: str = "",
    error_budget: float | None = None,
    judged: Judged = NOT_JUDGED,
) -> Quantization:
    """How int8 files are made; see records.Quantization. UsageError for an unknown name or an impossible number."""
    _check("calibrator", [calibrator], CALIBRATORS)
    _check("scheme", [scheme], SCHEMES)
    _check("signedness of activations", [activations] if activations else [], ACTIVATIONS)
    if samples < 1:
        raise UsageError(f"{samples} samples to calibrate on; give 1 or more, 64 are a good number")
    if error_budget is not None and not 0 < error_budget < 1:
        raise UsageError(f"an error budget of {error_budget:g}; it is a relative error between 0 and 1")
    if judged.max_drop is None and (judged.data or judged.limit):
        raise UsageError("`data` is what `max_drop` is judged on: give that too, such as 0.5pt, or use `calibrate`")
    if judged.max_drop is not None and not judged.data:
        raise UsageError(f"`max_drop={judged.max_drop}` is judged on labelled images: name them by `data`")
    if judged.max_drop is not None and (error_budget is not None or scheme != "static"):
        raise UsageError("`max_drop` is for `scheme='static'`, and in place of `error_budget`: give one of them")
    return Quantization(
        scheme=scheme,  # type: ignore[arg-type]  # these three were checked
        calibration=calibration,
        samples=samples,
        calibrator=calibrator,  # type: ignore[arg-type]
        float_io=float_io,
        activations=activations,  # type: ignore[arg-type]
        error_budget=error_budget,
        max_drop=judged.points,
        judged=str(judged.data),
        judged_limit=judged.limit,
    )


def suited(cells: Iterable[Cell], device: DeviceProfile) -> list[Cell]:
    """The cells with int8's activations in the signedness that is fast on the device, where none was asked for."""
    found, isa = list(cells), device.cpu.isa
    for place, cell in enumerate(found if device.name not in HERE else ()):
        wanted, fast = cell.export.quantization, formats.form(cell.export.format).activations
        if fast is None or wanted is None or wanted.activations or wanted.scheme != "static":
            continue
        if fast(isa) != fast(platform.machine()):
            chosen = structs.replace(wanted, activations=fast(isa))
            found[place] = replace(cell, export=structs.replace(cell.export, quantization=chosen))
    return found


def _check(kind: str, values: Iterable[str], known: Collection[str]) -> None:
    for value in values:
        if value not in known:
            raise unknown(kind, value, known)


def is_file(name: str) -> bool:
    """Whether a positional argument names a ready model file rather than a network."""
    return formats.by_suffix(Path(name)) is not None


def default_formats(
    device: DeviceProfile, precisions: Collection[str] = (), *, processor: str | None = None, counts: bool = False
) -> tuple[str, ...]:
    """The formats to profile when none is named.

    On the host those that are installed, of every runtime that each system has or that `counts` can run; elsewhere the
    first that has estimates in most of `precisions`, one that figures of the device are published for before others.
    """
    by_runtime = {form: runtime(runtime_of(form)) for form in FORMATS}
    if device.name in HERE:
        able = [form for form, each in by_runtime.items() if (each.wheel if counts else not each.system)]
        able = able if device.name == "host" else list(web_engines())
        return tuple(form for form in able if not formats.missing(ExportSpec(format=form))) or (DEFAULT_FORMAT,)
    estimated = accelerated.files(device, processor)
    published = {name for (name, _), case in known.estimable(device).items() if case == "measured"}

    def order(form: str) -> tuple[int, bool]:
        name = by_runtime[form].name
        return -sum((name, precision) in estimated for precision in precisions), name not in published

    found = [form for form, each in by_runtime.items() if any(name == each.name for name, _ in estimated)]
    return tuple(sorted(found, key=order)[:1]) or (DEFAULT_FORMAT,)


def cells(
    names: Sequence[str | ModelSpec],
    arguments: ModelArguments,
    specs: Sequence[ExportSpec],
    *,
    ready: Collection[str] | None = None,
) -> list[Cell]:
    """All cells in the order they will run; every name is resolved before the first cell starts.

    `ready` are the formats of which a file may be named instead of a network: those that are read whoever made them,
    unless told. UsageError also for arguments that no network is there to take.
    """
    files = [name for name in names if isinstance(name, str) and is_file(name)]
    if arguments.replace(weights=None, input=None) != ModelArguments() and len(files) == len(names):
        raise UsageError(f"{names[0]} is a ready file: width, resolution and the like are for networks")
    size = parse_input(arguments.input) if arguments.input and files else None
    found: list[Cell] = []
    for name in names:
        if name in files:
            found.append(_file_cell(Path(str(name)), ready, size))
        else:
            spec = arguments.resolve(name) if isinstance(name, str) else name
            found.extend(Cell(model=spec, export=export) for export in specs)
    return found


def asked(
    files: Files,
    models: Wanted,
    *,
    default: Sequence[str] = (),
    ready: Collection[str] | None = None,
    converter: str = "default",
    image_input: bool = False,
    sources: bool = False,
) -> tuple[list[Cell], Given]:
    """The cells of what a command was asked for, and what is given of its networks; raises as what it is made of.

    `default` are the formats where none is named; with `sources`, a file stands for the network in it.
    """
    forms, named = named_formats(files.format)
    specs = export_specs(
        forms or default,
        listed(files.precision, "precision", PRECISIONS),
        converter=converter,
        image_input=image_input,
        named=named,
        quantization=quantization(
            str(files.calibrate),
            files.samples,
            files.calibrator,
            files.scheme,
            float_io=files.float_io,
            activations=files.activations,
            error_budget=files.error_budget,
            judged=files if isinstance(files, Judged) else NOT_JUDGED,
        ),
    )
    network = ModelArguments.of(files)
    wanted: tuple[Model, ...] = many(models)
    names, given = network.taken([source(one, network) for one in wanted] if sources else wanted, files, files)
    return cells(names, network, specs, ready=ready), given


def named_formats(names: Names) -> tuple[Sequence[str], bool]:
    """The formats named, and whether each is; of "all" those that are installed, with a warning of each other."""
    named = listed(names, "format", (*FORMATS, "all"))
    if "all" not in named:
        return named, bool(named)
    absent = {form: formats.missing(ExportSpec(format=form)) for form in FORMATS}
    for error in filter(None, absent.values()):
        warn(f"left out: {error}")
    return [form for form, error in absent.items() if not error], False


def source(model: Model, arguments: ModelArguments) -> Model:
    """The network in a ready file; whatever else is named or given as it is. Raises UsageError where none is read."""
    if not isinstance(model, str | Path) or (found := formats.by_suffix(Path(model))) is None:
        return model
    check_there(Path(model))
    if not found.source:
        read = " and ".join(each.suffix for each in formats.every() if each.source)
        raise UsageError(f"{model} is a file already, and other formats are made of {read} files and networks only")
    size = parse_inputs(arguments.input).image if arguments.input else None
    module: Model = found.load("source")(Path(model), size)
    return module


def _file_cell(path: Path, ready: Collection[str] | None, size: InputSize | None) -> Cell:
    named = formats.every() if ready is None else map(formats.form, ready)
    check_there(path)
    any_file = ready is not None or manifest.is_ours(path)
    suffixes = {end: each.name for each in named if any_file or each.foreign for end in each.suffixes}
    listed = " or ".join(sorted(suffixes))
    if path.suffix not in suffixes:
        raise UsageError(f"{path} cannot be profiled as a file; give a {listed} file")
    return Cell(file=path, export=ExportSpec(format=suffixes[path.suffix]), size=size)
