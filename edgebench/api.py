"""The Python face of the commands: the same work, records returned instead of tables printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgebench.ground.registry import DEFAULT_FORMAT

# `import edgebench` runs this file, so what it needs is imported inside the functions.
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import nn

    from edgebench.choose import Choice
    from edgebench.ground.progress import OnProgress
    from edgebench.ground.records import Artifact
    from edgebench.report.profiled import Results
    from edgebench.run.evaluator import Evaluation
    from edgebench.training.records import TrainingResult


def build(
    model: str,
    *,
    width: float | None = None,
    depth: float | None = None,
    resolution: int | None = None,
    phi: float | None = None,
    classes: int | None = None,
    input: str | None = None,
    options: Mapping[str, int | float | bool | str] | None = None,
    weights: str | Path | None = None,
    sha256: str | None = None,
    seed: int = 0,
) -> nn.Module:
    """Builds a network in eval mode; it takes float32 (batch, channels, height, width) and returns (batch, classes).

    `model` is a name that `edgebench models` lists, or a user's "package.module:factory" or "file.py:factory" with
    `input` such as "3x224x224". `options` are a network's own switches, such as groups=2 for alexnet, or the factory's
    arguments. Raises UsageError for an unknown name, an impossible scaling point, or weights whose keys do not
    fit. `weights` is a file, "torchvision:FILE", "timm:FILE", or "https://..." with its `sha256`.
    """
    from edgebench.models.arguments import ModelArguments
    from edgebench.models.build import build as build_module

    file = weights_file(weights, sha256)
    spec = ModelArguments(width, depth, resolution, phi, classes, input, options or {}, file).resolve(model)
    return build_module(spec, weights=file, seed=seed)


def export(
    model: str,
    *,
    format: str = DEFAULT_FORMAT,
    precision: str = "fp32",
    output: str | Path = "artifacts",
    width: float | None = None,
    depth: float | None = None,
    resolution: int | None = None,
    phi: float | None = None,
    classes: int | None = None,
    input: str | None = None,
    options: Mapping[str, int | float | bool | str] | None = None,
    weights: str | Path | None = None,
    sha256: str | None = None,
    converter: str = "default",
    image_input: bool = False,
    calibrate: str | Path = "",
    samples: int = 64,
    calibrator: str = "auto",
    scheme: str = "static",
    float_io: bool = True,
    activations: str = "",
    error_budget: float | None = None,
    strict: bool = False,
    force: bool = False,
) -> Artifact:
    """Converts a network to one file in `output`, runs it, compares it with torch, and returns its manifest.

    With precision "int8", `calibrate` is a data set (a folder, "synthetic:NAME"), of which `samples` images decide the
    ranges of activations; without it generated images do, which is right for timing only. See records.Quantization for
    the rest; `strict` refuses a file that is not int8 throughout.

    Raises UsageError for bad input and ExportError when the conversion or the comparison fails; then nothing is left
    behind in `output`.
    """
    from pathlib import Path

    from edgebench.formats.pipeline import export_model
    from edgebench.models.arguments import ModelArguments
    from edgebench.run.plan import export_specs, quantization

    file = weights_file(weights, sha256)
    spec = ModelArguments(width, depth, resolution, phi, classes, input, options or {}, file).resolve(model)
    int8 = quantization(
        str(calibrate),
        samples,
        calibrator,
        scheme,
        float_io=float_io,
        activations=activations,
        error_budget=error_budget,
    )
    [wanted] = export_specs([format], [precision], converter=converter, image_input=image_input, quantization=int8)
    return export_model(spec, wanted, Path(output), weights=file, force=force, strict=strict)


def profile(
    model: str | Sequence[str] = (),
    *,
    device: str = "host",
    format: str | Sequence[str] = (),
    precision: str | Sequence[str] = "fp32",
    threads: int = 1,
    via: str | None = None,
    connect: str | None = None,
    python: str | None = None,
    quick: bool = False,
    processes: int | None = None,
    width: float | None = None,
    depth: float | None = None,
    resolution: int | None = None,
    phi: float | None = None,
    classes: int | None = None,
    input: str | None = None,
    options: Mapping[str, int | float | bool | str] | None = None,
    weights: str | Path | None = None,
    sha256: str | None = None,
    calibrate: str | Path = "",
    samples: int = 64,
    results: str | Path = "results",
    data: str | Path | None = None,
    limit: int | None = None,
    resume: bool = False,
    on_progress: OnProgress | None = None,
) -> Results:
    """Measures on this machine, or estimates for another device; one record a network, format and precision.

    Without a model it takes the focus set; without a format what `edgebench profile` takes. Every record is also
    appended to `results`/<device>/; the list of them shows as a table in a notebook and at a prompt. A cell that failed
    has status "failed" and says why in `error`. With `data`, images as `evaluate` takes them and `limit` of them at
    most, every record has the file's accuracy. `resume` goes on with a run that was cut. `calibrate` and `samples` are
    as in export. Raises UsageError for bad input.
    """
    from pathlib import Path

    from edgebench import models
    from edgebench.ground.progress import silent
    from edgebench.machines import profiles
    from edgebench.models.arguments import ModelArguments
    from edgebench.report.profiled import Results
    from edgebench.run import engine, evaluating, mode, plan

    target = profiles.load(device)
    int8 = plan.quantization(str(calibrate), samples)
    specs = plan.export_specs(_many(format) or plan.default_formats(target), _many(precision), quantization=int8)
    file = weights_file(weights, sha256)
    arguments = ModelArguments(width, depth, resolution, phi, classes, input, options or {}, file)
    done = engine.run(
        plan.cells(_many(model) or models.FOCUS, arguments, specs),
        target,
        engine.scenario(quick=quick, threads=threads, processes=processes),
        Path(results),
        method=mode.method(target, via, connect=connect, python=python),
        weights=file,
        resume=resume,
        images=evaluating.dataset(str(data), limit=limit)[0] if data else None,
        on_progress=on_progress or silent,
    )
    return Results(done)


def evaluate(
    model: str | Sequence[str],
    data: str | Path,
    *,
    split: str | None = None,
    limit: int | None = None,
    format: str | Sequence[str] = DEFAULT_FORMAT,
    precision: str | Sequence[str] = "fp32",
    calibrate: str | Path = "",
    samples: int = 64,
    device: str = "host",
    via: str | None = None,
    connect: str | None = None,
    python: str | None = None,
    batch: int = 32,
    threads: int = 1,
    width: float | None = None,
    depth: float | None = None,
    resolution: int | None = None,
    phi: float | None = None,
    classes: int | None = None,
    input: str | None = None,
    options: Mapping[str, int | float | bool | str] | None = None,
    weights: str | Path | None = None,
    sha256: str | None = None,
    on_progress: OnProgress | None = None,
) -> list[Evaluation]:
    """Runs exported files on labelled images and counts what they get right, beside PyTorch in fp32.

    `model` are networks, which are exported first, or files; `data` is a folder or "synthetic:NAME". A file that failed
    has status "failed" and says why in `error`. Raises UsageError for bad input, such as other classes than the data's.
    """
    from edgebench.ground.progress import silent
    from edgebench.machines import profiles
    from edgebench.models.arguments import ModelArguments
    from edgebench.run import evaluating, plan

    target = profiles.load(device)
    int8 = plan.quantization(str(calibrate), samples)
    specs = plan.export_specs(_many(format), _many(precision), quantization=int8)
    file = weights_file(weights, sha256)
    arguments = ModelArguments(width, depth, resolution, phi, classes, input, options or {}, file)
    images, _ = evaluating.dataset(str(data), split, limit)
    return evaluating.run(
        plan.cells(_many(model), arguments, specs, ready=plan.FORMATS),
        images,
        target,
        method=evaluating.method(target, via, connect=connect, python=python),
        weights=file,
        batch=batch,
        threads=threads,
        on_progress=on_progress or silent,
    )


def scale(
    device: str,
    family: str = "all",
    *,
    max_latency: str | float | None = None,
    max_memory: str | float | None = None,
    max_size: str | float | None = None,
    min_accuracy: str | float | None = None,
    format: str | Sequence[str] | None = None,
    precision: str | Sequence[str] = "fp32",
    threads: int | Sequence[int] = 1,
    data: str | None = None,
    confirmed: bool = True,
    output: str | Path | None = None,
    results: str | Path = "results",
) -> Choice:
    """Chooses the most accurate network of a family that keeps the limits on a device.

    Limits are text with a unit ("50ms", "64MB") or numbers in base units; accuracy is top-1 in percent. `confirmed`
    exports, checks and measures or emulates the finalists; `data` trains a few of them to learn what to expect on it.
    `edgebench.choose.scale` has further switches. Raises UsageError for bad input or a device without the calibration,
    ExportError when no finalist could be exported, and errors.Regression, saying what would do, when nothing keeps the
    limits.
    """
    from edgebench.choose import scale as choose

    return choose(
        device,
        family,
        max_latency=max_latency,
        max_memory=max_memory,
        max_size=max_size,
        min_accuracy=min_accuracy,
        format=format,
        precision=precision,
        threads=threads,
        data=data,
        confirmed=confirmed,
        output=output,
        results=results,
    )


def train(
    model: str,
    data: str | Path,
    *,
    output: str | Path = "trained",
    width: float | None = None,
    depth: float | None = None,
    resolution: int | None = None,
    phi: float | None = None,
    input: str | None = None,
    options: Mapping[str, int | float | bool | str] | None = None,
    weights: str | Path | None = None,
    sha256: str | None = None,
    resume: bool = False,
    on: str = "auto",
    on_progress: OnProgress | None = None,
    **settings: object,
) -> TrainingResult:
    """Trains a network on labelled images and returns what came of it; `weights` of that names the best weights' file.

    `settings` are the fields of `edgebench.training.settings.Settings`: epochs, batch, lr, freeze, augment ("mirror,
    crop") and so on. The network gets as many classes as the data; `export` and `profile` find classes and
    preprocessing in the weights. Raises UsageError for bad input, TrainingError when the loss or the disk fails.
    """
    from pathlib import Path

    from edgebench.ground.progress import silent
    from edgebench.models.arguments import ModelArguments
    from edgebench.training.run import TrainingRequest, train
    from edgebench.training.settings import settings as checked

    file = weights_file(weights, sha256)
    spec = ModelArguments(width, depth, resolution, phi, None, input, options or {}, file).resolve(model)
    request = TrainingRequest(spec, str(data), checked(settings), Path(output), file, resume, on)
    return train(request, on_progress or silent)


def weights_file(weights: str | Path | None, sha256: str | None) -> Path | None:
    """Returns the weights file that is named: FILE, torchvision:FILE, timm:FILE, or an address with its hash."""
    from edgebench.models.layouts.reference import obtain
    from edgebench.report.output import warn

    return obtain(None if weights is None else str(weights), sha256, tell=warn)


def _many(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
