"""`edgebench profile`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    Weights,
    Width,
    listed,
    positive,
    switches,
    weights_file,
)

if TYPE_CHECKING:
    from edgebench.data import Dataset

Networks = Annotated[list[str] | None, typer.Argument(help="Networks, or .onnx and .tflite files.")]
Formats = Annotated[str | None, typer.Option(help="Formats, comma-separated; default: the device's first.")]
Precisions = Annotated[str, typer.Option(help="Precisions, comma-separated: fp32, fp16, int8.")]
Via = Annotated[
    str | None, typer.Option(help="ssh, adb, emulator, estimate or local; default: what the device's profile says.")
]
Counts = Annotated[bool, typer.Option("--counts", help="Host: count executed instructions instead of time.")]
Quick = Annotated[bool, typer.Option("--quick", help="3 processes of 1 s each; no p95, no p99.")]
Processes = Annotated[
    int | None, typer.Option(help="Fresh processes; default 5, --quick 3. A comparison needs 7, better 10.")
]
Folder = Annotated[Path, typer.Option(help="Folder that every row is appended to.")]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Go on with the device's newest run, up to a day old: run only what it lacks or failed."
    ),
]
Data = Annotated[
    str | None, typer.Option(help="Labelled images, a folder or synthetic:NAME: also the accuracy of every file.")
]
Limit = Annotated[int | None, typer.Option(help="Images of --data at most, every class in its share.")]
PerOp = Annotated[
    bool, typer.Option("--per-op", help="Also time every operator (host), or count its instructions (emulator).")
]
Trace = Annotated[
    Path | None, typer.Option(help="Host: write the operators' times for Perfetto: out.json. Implies --per-op.")
]


def profile(
    model: Networks = None,
    device: Device = "host",
    fmt: Formats = None,
    precision: Precisions = "fp32",
    threads: Threads = 1,
    via: Via = None,
    connect: Connect = None,
    python: Python = None,
    counts: Counts = False,
    quick: Quick = False,
    processes: Processes = None,
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
    results: Folder = Path("results"),
    resume: Resume = False,
    data: Data = None,
    limit: Limit = None,
    per_op: PerOp = False,
    trace: Trace = None,
    json: Json = False,
) -> None:
    """Measure here, or estimate on a device.

    Without a model: mobilenetv1, mobilenetv2, efficientnet_lite0 and efficientnet_b0. Every row is appended to the
    results folder as it ends.
    """
    from edgebench import models
    from edgebench.ground.errors import UsageError
    from edgebench.machines import profiles
    from edgebench.models.arguments import ModelArguments
    from edgebench.report import output, profiled
    from edgebench.run import engine, mode, plan

    target = profiles.load(device)
    formats = listed(fmt, "format", plan.FORMATS) or plan.default_formats(target, counts=counts)
    quantization = plan.quantization(calibrate, samples, scheme=scheme)
    specs = plan.export_specs(formats, listed(precision, "precision", plan.PRECISIONS), quantization=quantization)
    file = weights_file(weights, sha256)
    arguments = ModelArguments(width, depth, resolution, phi, classes, input, switches(option), file)
    cells = plan.cells(model or models.FOCUS, arguments, specs)
    count = processes if processes is None else positive(processes, "--processes")
    scenario = engine.scenario(quick=quick, threads=positive(threads, "--threads"), processes=count)
    method = mode.method(target, via, connect=connect, python=python, counts=counts, operators=per_op or bool(trace))
    if trace and method.mode is not mode.Mode.MEASURE:
        raise UsageError("--trace writes times, and only operators on this machine are timed: leave it out")
    images = _images(data, limit)
    with output.progress() as report:
        done = engine.run(
            cells,
            target,
            scenario,
            results,
            method=method,
            weights=file,
            resume=resume,
            images=images,
            on_progress=report,
        )
    profiled.show(done, target, json=json, trace=trace)
    engine.check(done)


def _images(data: str | None, limit: int | None) -> "Dataset | None":
    """The images of --data, with what is to be said of their choice on standard error."""
    from edgebench.ground.errors import UsageError

    if data is None:
        if limit is not None:
            raise UsageError(f"--limit {limit} limits the images of --data: name those, or leave it out")
        return None
    from edgebench.report import output
    from edgebench.run import evaluating

    images, notes = evaluating.dataset(data, limit=limit)
    for note in notes:
        output.warn(note)
    return images
