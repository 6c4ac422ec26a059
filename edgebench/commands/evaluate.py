"""`edgebench evaluate`."""

from collections.abc import Iterable
from typing import Annotated

import typer

from edgebench.commands.options import (
    Calibrate,
    Classes,
    Connect,
    Depth,
    Device,
    Input,
    Json,
    Option,
    Phi,
    Python,
    Resolution,
    Samples,
    Scheme,
    Sha256,
    Threads,
    Via,
    Weights,
    Width,
    listed,
    positive,
    switches,
    weights_file,
)
from edgebench.ground.registry import DEFAULT_FORMAT, FORMATS

Split = Annotated[
    str | None,
    typer.Option(help="train, val or test; all only where there are no splits. Without it val, or what there is."),
]
OF_EXPORT = ("fmt", "precision", "calibrate", "samples", "scheme")
"""What says how a network is exported; a file that is there already has been."""


def evaluate(
    context: typer.Context,
    model: Annotated[list[str], typer.Argument(help="Networks, or files: .tflite, .onnx, .mlpackage, .ncnn, .pt2.")],
    data: Annotated[str, typer.Option("--data", help="Labelled images: a folder, or synthetic:NAME.")],
    split: Split = None,
    limit: Annotated[int | None, typer.Option(help="Images at most, every class in its share.")] = None,
    fmt: Annotated[str, typer.Option(help=f"Formats, comma-separated: {', '.join(FORMATS)}.")] = DEFAULT_FORMAT,
    precision: Annotated[str, typer.Option(help="Precisions, comma-separated: fp32, fp16, int8.")] = "fp32",
    batch: Annotated[int, typer.Option(help="Images at a time, where the file's batch is dynamic.")] = 32,
    threads: Threads = 1,
    device: Device = "host",
    via: Via = None,
    connect: Connect = None,
    python: Python = None,
    width: Width = None,
    depth: Depth = None,
    resolution: Resolution = None,
    phi: Phi = None,
    classes: Classes = None,
    input: Input = None,
    option: Option = None,
    weights: Weights = None,
    sha256: Sha256 = None,
    calibrate: Calibrate = "",
    samples: Samples = 64,
    scheme: Scheme = "static",
    json: Json = False,
) -> None:
    """Count what exported files get right on labelled images, beside PyTorch in fp32.

    Each file runs in its own runtime: here, or on a device (a board that is reached, or else emulated). Predictions are
    kept in the cache: an evaluation that was interrupted goes on where it was.
    """
    from edgebench.machines import profiles
    from edgebench.models.arguments import ModelArguments
    from edgebench.report import accuracy, output
    from edgebench.run import evaluating, plan

    evaluating.check_ready(model, given(context, OF_EXPORT))
    target = profiles.load(device)
    quantization = plan.quantization(calibrate, samples, scheme=scheme)
    specs = plan.export_specs(
        listed(fmt, "format", plan.FORMATS), listed(precision, "precision", plan.PRECISIONS), quantization=quantization
    )
    file = weights_file(weights, sha256)
    arguments = ModelArguments(width, depth, resolution, phi, classes, input, switches(option), file)
    cells = plan.cells(model, arguments, specs, ready=plan.FORMATS)
    method = evaluating.method(target, via, connect=connect, python=python)
    images, notes = evaluating.dataset(data, split, limit)
    with output.progress() as report:
        done = evaluating.run(
            cells,
            images,
            target,
            method=method,
            weights=file,
            batch=positive(batch, "--batch"),
            threads=positive(threads, "--threads"),
            on_progress=report,
        )
    accuracy.show(done, notes, json=json)
    evaluating.check(done)


def given(context: typer.Context, names: Iterable[str]) -> list[str]:
    """Returns those of the options that were typed, rather than left at their defaults."""
    sources = {name: context.get_parameter_source(name) for name in names}
    return [f"--{name}" for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
