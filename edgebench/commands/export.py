"""`edgebench export`."""

from pathlib import Path
from typing import Annotated

import typer

from edgebench.commands.options import (
    Calibrate,
    Calibrator,
    Classes,
    Depth,
    ErrorBudget,
    Input,
    Int8Io,
    Json,
    Option,
    Phi,
    Resolution,
    Samples,
    Scheme,
    Sha256,
    Weights,
    Width,
    listed,
    switches,
    weights_file,
)
from edgebench.ground.registry import DEFAULT_FORMAT, FORMATS


def export(
    model: Annotated[list[str], typer.Argument(help="Networks: names, package.module:factory or file.py:factory.")],
    fmt: Annotated[str, typer.Option(help=f"Formats, comma-separated: {', '.join(FORMATS)}.")] = DEFAULT_FORMAT,
    precision: Annotated[str, typer.Option(help="Weight precisions, comma-separated: fp32, fp16, int8.")] = "fp32",
    width: Width = None,
    depth: Depth = None,
    resolution: Resolution = None,
    phi: Phi = None,
    classes: Classes = None,
    input: Input = None,
    option: Option = None,
    weights: Weights = None,
    sha256: Sha256 = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the files.")] = Path("artifacts"),
    converter: Annotated[str, typer.Option(help="TFLite converter: default (ours) or litert-torch.")] = "default",
    image_input: Annotated[bool, typer.Option("--image-input", help="CoreML: take an image, not a tensor.")] = False,
    calibrate: Calibrate = "",
    samples: Samples = 64,
    calibrator: Calibrator = "auto",
    scheme: Scheme = "static",
    int8_io: Int8Io = False,
    error_budget: ErrorBudget = None,
    activations: Annotated[str, typer.Option(help="int8, ONNX: uint8 or int8; default: what is fast here.")] = "",
    strict: Annotated[bool, typer.Option("--strict", help="int8: fail where a layer stays float.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Convert even when a cached file is valid.")] = False,
    json: Json = False,
) -> None:
    """Convert networks to checked files.

    Every file is run and compared with PyTorch before it is put in place; a second call finds it cached.
    """
    from edgebench.models.arguments import ModelArguments
    from edgebench.report import files, rows
    from edgebench.report import output as show
    from edgebench.run import exporting, plan

    quantization = plan.quantization(
        calibrate, samples, calibrator, scheme, float_io=not int8_io, activations=activations, error_budget=error_budget
    )
    specs = plan.export_specs(
        listed(fmt, "format", plan.FORMATS),
        listed(precision, "precision", plan.PRECISIONS),
        converter=converter,
        image_input=image_input,
        quantization=quantization,
    )
    file = weights_file(weights, sha256)
    arguments = ModelArguments(width, depth, resolution, phi, classes, input, switches(option), file)
    cells = plan.cells(model, arguments, specs)
    with show.progress() as report:
        done = exporting.run(cells, output, weights=file, force=force, strict=strict, on_progress=report)
    if json:
        show.json([rows.export(outcome) for outcome in done])
    else:
        show.blocks(files.exported(done))
    for warning in files.export_warnings(done):
        show.note(warning)
    if weights is None and any(cell.model and cell.model.family != "user" for cell in cells):
        show.note("without --weights the files hold random values: right for timing, useless for predictions")
    exporting.check(done)
