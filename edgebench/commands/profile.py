"""`edgebench profile`, `runtimes`, `evaluate`, `scale` and `sweep`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from edgebench import api
from edgebench.commands.options import Json, command, run, worded
from edgebench.ground import units
from edgebench.report import output
from edgebench.run import options


@command
def profile(
    asked: options.Profile,
    *,
    at_most: Annotated[str | None, "Say which keep a latency, such as 33ms, in one table."] = None,
    json: Json = False,
) -> None:
    """Measure here, or estimate on a device or many.

    Without a model: mobilenetv1, mobilenetv2, efficientnet_lite0 and efficientnet_b0. Every row is appended to the
    results folder as it ends.
    """
    from edgebench.machines import profiles
    from edgebench.report import following, profiled
    from edgebench.run import engine

    limit = units.seconds(at_most) if at_most is not None else None
    done = run(api.profile, asked)
    profiled.show(done, profiles.several(asked.device), at_most_s=limit, json=json)
    if asked.trace is not None:
        output.note(f"wrote {asked.trace}: open it at https://ui.perfetto.dev")
    if asked.graph_data is not None:
        output.note(following.laid_over(asked.graph_data))
    output.note(f"next: {following.profiled(str(asked.results))} makes a page of all that is in {asked.results}")
    engine.check(done)


@command
def runtimes(asked: options.Runtimes, *, json: Json = False) -> None:
    """Rank every format, precision and thread count.

    Measured here in turn, in fresh processes, or estimated for a device: who is fastest and by how much, what cannot be
    told apart, and what each costs in memory, file, loading and error. Every row is appended to the results folder.
    """
    from edgebench.report import ranking

    found = [replace(each, result=worded(each.result)) for each in run(api.runtimes, asked)]
    if json:
        output.json([ranking.row(each) for each in found])
    else:
        output.blocks(*ranking.blocks(found))
        output.note(f"next: {ranking.following(found)}")


@command
def evaluate(asked: options.Evaluate, *, json: Json = False) -> None:
    """Count what exported files get right on labelled images, beside PyTorch in fp32.

    Each file runs in its own runtime: here, or on a device (a board that is reached, or else emulated). Predictions are
    kept in the cache: an evaluation that was interrupted goes on where it was.
    """
    from edgebench.report import accuracy
    from edgebench.run import evaluating

    done = run(api.evaluate, asked)
    accuracy.show(done, json=json)
    evaluating.check(done)


@command
def scale(
    asked: options.Scale, *, explain: Annotated[bool, "Say why each other point lost."] = False, json: Json = False
) -> None:
    """Choose the scaling point for a device.

    The most accurate network within the limits, confirmed on the device or its emulator where that is possible.
    """
    from edgebench.choose import lines
    from edgebench.report import choice

    chosen = run(api.scale, asked)
    if asked.sweep is not None:
        output.note(
            f"the finalists are in {asked.sweep}: run edgebench sweep {asked.sweep}, and then this without --sweep"
        )
    if asked.output is not None:
        choice.save(chosen, Path(asked.output))
    if json:
        output.json(chosen)
        return
    output.blocks(*choice.summary(chosen))
    if explain:
        output.blocks(*choice.explanation(chosen), *choice.scaling(lines.at_the_picks_cost(chosen)))


@command
def sweep(asked: options.Sweep, *, json: Json = False) -> None:
    """Run the missing cells of a sweep file.

    Interrupted or killed, the same command goes on where it was.
    """
    done = run(api.sweep, asked)
    if json:
        output.json(done)
    else:
        output.line(f"{done.run} of {done.cells} cells were missing and have been run; records are in {done.results}")
