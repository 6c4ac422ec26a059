"""`edgebench train` and `edgebench augment`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.commands.options import (
    Depth,
    Input,
    Json,
    Option,
    Phi,
    Resolution,
    Sha256,
    Weights,
    Width,
    positive,
    switches,
    weights_file,
)
from edgebench.ground.errors import UsageError

if TYPE_CHECKING:
    from edgebench.training.records import TrainingResult
    from edgebench.training.run import TrainingRequest

INTERRUPTED = 130

Data = Annotated[str, typer.Option("--data", help="Data set: a folder of classes, or synthetic:NAME.")]
Augment = Annotated[
    str, typer.Option(help="Comma-separated: mirror, rotate, shear, warp, crop, jitter, pca; or none, or all.")
]

LearningRate = Annotated[
    float | None, typer.Option(help="Highest learning rate; without it 0.002 for adamw, 0.05 for sgd.")
]
Freeze = Annotated[str, typer.Option(help="Train only what follows this module (features.14), or all-but-head.")]
Normalize = Annotated[
    str, typer.Option(help="Mean and deviation of the data, published, or auto: the weights' own, else the data's.")
]
Aware = Annotated[bool, typer.Option("--quantization-aware", help="Round as int8 does, so that int8 loses less.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder, to the same result.")]


def train(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Network: a name, package.module:factory or file.py:factory.")],
    data: Data,
    epochs: Annotated[int, typer.Option(help="How often every image is seen.")] = 30,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 64,
    lr: LearningRate = None,
    optimizer: Annotated[str, typer.Option(help="adamw or sgd.")] = "adamw",
    schedule: Annotated[str, typer.Option(help="Learning rate after the warm-up: cosine or constant.")] = "cosine",
    warmup: Annotated[float, typer.Option(help="Epochs in which the learning rate grows.")] = 1.0,
    weight_decay: Annotated[float | None, typer.Option(help="Without it 0.05 for adamw, 0.0001 for sgd.")] = None,
    label_smoothing: Annotated[float, typer.Option(help="Share of the label given to all classes.")] = 0.1,
    ema: Annotated[float, typer.Option(help="Decay of the averaged weights, which are kept; 0 for none.")] = 0.99,
    clip: Annotated[float, typer.Option(help="Largest norm of a gradient; 0 for any.")] = 5.0,
    init: Annotated[str, typer.Option(help="he or xavier, with --weights for a new head; else as export.")] = "",
    weights: Weights = None,
    sha256: Sha256 = None,
    freeze: Freeze = "",
    augment: Augment = "mirror,crop",
    normalize: Normalize = "auto",
    validate: Annotated[int, typer.Option(help="Validation images after each epoch, at most.")] = 2000,
    quantization_aware: Aware = False,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 for torch's own choice.")] = 0,
    on: Annotated[str, typer.Option("--on", help="Where: cpu, cuda, mps, or auto.")] = "auto",
    width: Width = None,
    depth: Depth = None,
    resolution: Resolution = None,
    phi: Phi = None,
    input: Input = None,
    option: Option = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")] = Path("trained"),
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Train a network on your images, from scratch or from weights.

    The folder gets best.safetensors, which export and evaluate take with --weights, checkpoints, metrics and curves.
    """
    from edgebench.models.arguments import ModelArguments
    from edgebench.report import output as show
    from edgebench.report import trained
    from edgebench.training.run import TrainingRequest
    from edgebench.training.settings import Settings, settings

    chosen = settings({name: value for name, value in context.params.items() if name in Settings.__struct_fields__})
    file = weights_file(weights, sha256)
    arguments = ModelArguments(width, depth, resolution, phi, None, input, switches(option), file)
    request = TrainingRequest(arguments.resolve(model), data, chosen, output, file, resume, on)
    outcome = _run(request)
    remarks = [*trained.warnings(outcome), *trained.curves_beside(outcome)]
    if json:
        show.json(trained.json(outcome))
    else:
        show.blocks(trained.table(outcome))
        show.wrote(Path(outcome.weights))
    for remark in remarks:
        show.note(remark)


def _run(request: "TrainingRequest") -> "TrainingResult":
    """Trains, with progress; what an interrupt leaves is said before the command ends."""
    from edgebench.report import output as show
    from edgebench.training import run
    from edgebench.training.start import frozen_at_random

    if warning := frozen_at_random(request.settings.freeze, from_weights=request.weights is not None):
        show.warn(warning)
    with show.progress() as report:
        try:
            return run.train(request, report)
        except KeyboardInterrupt as interrupt:
            show.warn(f"interrupted; {interrupt or 'no epoch was begun'}")
            raise typer.Exit(INTERRUPTED) from interrupt


def augment(
    data: Data,
    preview: Annotated[Path, typer.Option("--preview", help="Picture to write: a row a kind.")] = Path("augmented.png"),
    kinds: Augment = "all",
    resolution: Annotated[int, typer.Option(help="Height and width of an image in pixels.")] = 128,
    columns: Annotated[int, typer.Option(help="Images a row.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the choice of images, and of what is done to them.")] = 0,
) -> None:
    """Show what each kind of augmentation does to your images."""
    from edgebench.report import output as show
    from edgebench.report import trained
    from edgebench.training import augment as made
    from edgebench.training.settings import checked_seed, chosen

    _check_picture(preview)
    columns, resolution = positive(columns, "--columns"), positive(resolution, "--resolution")
    rows = made.preview(data, chosen(kinds), columns=columns, resolution=resolution, seed=checked_seed(seed))
    show.write(preview, trained.grid(rows))
    show.wrote(preview)


def _check_picture(path: Path) -> None:
    """Raises UsageError for a picture that is no PNG or whose folder is not there, before any image is read."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"--preview is {path}; the picture is a PNG, so give a name that ends in .png")
    if not path.parent.is_dir():
        raise UsageError(f"--preview is {path}, and there is no folder {path.parent}: make it, or give another")
