"""`edgebench init`, `models`, `export`, `inspect`, `deploy`, `train` and `augment`."""

from pathlib import Path
from typing import Any

from edgebench import api
from edgebench.commands.options import Json, command, note, run, show
from edgebench.ground.errors import warn
from edgebench.report import output
from edgebench.run import options


@command
def init(asked: options.Init, *, json: Json = False) -> None:
    """Write edgebench.toml and a workflow for pull requests, by looking around in a project.

    The network and the images are searched for without running anything. Files that are there stay as they are.
    """
    found = api.init(**asked.values())
    if json:
        output.json(found)
        return
    folder = Path(asked.folder)
    for path in found.written:
        output.wrote(folder / path)
    for path in found.kept:
        output.line(f"kept {folder / path}: it was there already")
    if not found.networks:
        output.note(f"no network was found: name yours in {folder / found.settings}")
    output.note("next: edgebench profile")


@command
def models(asked: options.Models, *, json: Json = False) -> None:
    """List the networks and what they cost."""
    found: Any = api.models(published=asked.published)
    if json:
        output.json(found)
        return
    from edgebench.report import listing, tables

    if asked.published:
        output.blocks(tables.published(found))
    else:
        output.line(listing.models(found))


@command
def export(asked: options.Export, *, json: Json = False) -> None:
    """Convert networks to checked files.

    Every file is run and compared with PyTorch before it is put in place; a second call finds it cached.
    """
    from edgebench.report import files, following, rows
    from edgebench.run import exporting, plan

    cells, given = plan.asked(asked, asked.model, converter=asked.converter, image_input=asked.bake, sources=True)
    with output.progress() as report:
        terms = {"force": asked.force, "strict": asked.strict, "unchecked": asked.unchecked}
        done = exporting.run(cells, Path(asked.output), given=given, on_progress=report, **terms)
    if json:
        output.json([rows.export(outcome) for outcome in done])
    else:
        output.blocks(files.exported(done))
    for warning in files.export_warnings(done):
        note(warning)
    if given.weights is None and any(cell.model and cell.model.is_scaled for cell in cells):
        output.note("without --weights the files hold random values: right for timing, useless for predictions")
    if written := [each.artifact for each in done if each.artifact]:
        output.note(f"next: {following.exported(written[0])}")
    exporting.check(done)


@command
def inspect(asked: options.Inspect, *, json: Json = False) -> None:
    """Show what is in a file: operators, sizes, precision, what int8 costs each layer, and what is not int8."""
    from edgebench.report import files, following
    from edgebench.run import inspecting

    found = api.inspect(asked.file, graph_data=asked.graph_data)
    show(found, files.inspected, json=json)
    if asked.graph_data is not None:
        note(following.laid_over(asked.graph_data))
    if asked.strict:
        inspecting.check(found)


@command
def deploy(asked: options.Deploy, *, json: Json = False) -> None:
    """Write a small project that runs a file on a device: prepares an image, runs it, prints the five best labels.

    Nothing in it needs edgebench or torch, and it tests itself with an image whose answer is known.
    """
    from edgebench.report import files

    made = run(api.deploy, asked)
    if json:
        output.json(made.description)
        return
    output.blocks(*files.deployed(made, Path(asked.output)))
    if not made.description.labels:
        output.note("the outputs have no names, so their numbers are shown: --labels FILE names them")


@command
def train(asked: options.Train, *, json: Json = False) -> None:
    """Train a network on your images, from scratch or from weights.

    The folder gets best.safetensors, which export and evaluate take with --weights, checkpoints, metrics and curves.
    """
    from edgebench.report import trained

    try:
        outcome = run(api.train, asked)
    except KeyboardInterrupt as interrupt:
        warn(f"interrupted; {str(interrupt) or 'no epoch was begun: run the same command again'}")
        raise
    remarks = [*trained.warnings(outcome), *trained.curves_beside(outcome)]
    if json:
        output.json(outcome)
    else:
        output.blocks(trained.table(outcome))
        output.wrote(Path(outcome.weights))
    for remark in remarks:
        note(remark)


@command
def augment(asked: options.Augment) -> None:
    """Show what each kind of augmentation does to your images."""
    output.wrote(api.augment(**asked.values()))
