"""`edgebench scale`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.commands.options import Json, listed, positive

if TYPE_CHECKING:
    from edgebench.choose import Choice


Device = Annotated[str, typer.Option(help="Device profile; see `edgebench devices`.")]
Family = Annotated[str, typer.Option(help="efficientnet, efficientnet_lite, mobilenetv1, mobilenetv2, resnet or all.")]
MaxLatency = Annotated[str | None, typer.Option(help="Longest inference, such as 50ms.")]
MaxMemory = Annotated[str | None, typer.Option(help="Most peak memory, such as 64MB.")]
MaxSize = Annotated[str | None, typer.Option(help="Largest file, such as 10MB.")]
MinAccuracy = Annotated[str | None, typer.Option(help="Least expected top-1 in percent, such as 70.")]
Fmt = Annotated[str | None, typer.Option(help="Formats to choose from, comma-separated; default: the device's first.")]
Precision = Annotated[str, typer.Option(help="Precisions to choose from, comma-separated.")]
Threads = Annotated[str, typer.Option(help="Thread counts to choose from, comma-separated.")]
Recipe = Annotated[str | None, typer.Option(help="Training whose published accuracies to expect.")]
Extrapolate = Annotated[bool, typer.Option("--extrapolate", help="Let in networks beyond all published accuracies.")]
Confirm = Annotated[bool, typer.Option(help="Export, check and emulate or measure the best few.")]
Emulation = Annotated[bool, typer.Option(help="Emulate finalists where the emulator is set up.")]
Finalists = Annotated[
    int, typer.Option(help="How many are confirmed first; up to 5 more follow where they promise to be better.")
]
Data = Annotated[
    str | None, typer.Option(help="Train proxies on this data set, to expect accuracies on it; as in train.")
]
Proxies = Annotated[int, typer.Option(help="--data: how many networks to train.")]
ProxyEpochs = Annotated[int, typer.Option(help="--data: epochs at first; better halves get twice as many.")]
Sweep = Annotated[
    Path | None, typer.Option(help="Write the finalists as a sweep file, to confirm them by edgebench sweep.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for files, frontier and choice.json.")]
Results = Annotated[Path, typer.Option(help="Folder that measurements are appended to.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say why each other point lost.")]


def scale(
    device: Device,
    family: Family = "all",
    max_latency: MaxLatency = None,
    max_memory: MaxMemory = None,
    max_size: MaxSize = None,
    min_accuracy: MinAccuracy = None,
    fmt: Fmt = None,
    precision: Precision = "fp32",
    threads: Threads = "1",
    recipe: Recipe = None,
    extrapolate: Extrapolate = False,
    confirm: Confirm = True,
    emulation: Emulation = True,
    finalists: Finalists = 4,
    data: Data = None,
    proxies: Proxies = 6,
    proxy_epochs: ProxyEpochs = 2,
    sweep: Sweep = None,
    output: Output = None,
    results: Results = Path("results"),
    explain: Explain = False,
    json: Json = False,
) -> None:
    """Choose the scaling point for a device.

    The most accurate network within the limits, confirmed on the device or its emulator where that is possible.
    """
    from edgebench import choose
    from edgebench.choose.scaling import PRECISIONS
    from edgebench.report import output as out
    from edgebench.run import plan

    with out.progress() as report:
        chosen = choose.scale(
            device,
            family,
            max_latency=max_latency,
            max_memory=max_memory,
            max_size=max_size,
            min_accuracy=min_accuracy,
            format=listed(fmt, "format", plan.FORMATS) or None,
            precision=listed(precision, "precision", PRECISIONS),
            threads=_counts(threads),
            recipe=recipe,
            extrapolate=extrapolate,
            confirmed=confirm,
            emulation=emulation,
            finalists=finalists,
            data=data,
            proxies=proxies,
            proxy_epochs=proxy_epochs,
            sweep=sweep,
            output=output,
            results=results,
            on_progress=report,
        )
    _show(chosen, sweep, output, explain=explain, json=json)


def _show(chosen: "Choice", sweep: Path | None, output: Path | None, *, explain: bool, json: bool) -> None:
    from edgebench.choose import lines
    from edgebench.report import choice as shown
    from edgebench.report import output as out

    if sweep is not None:
        out.note(f"the finalists are in {sweep}: run edgebench sweep {sweep}, and then this without --sweep")
    if output is not None:
        shown.save(chosen, output)
    if json:
        out.json(chosen)
    else:
        out.blocks(*shown.summary(chosen))
    if explain and not json:
        out.blocks(*shown.explanation(chosen), *shown.scaling(lines.at_the_picks_cost(chosen)))


def _counts(text: str) -> list[int]:
    from edgebench.ground.errors import UsageError

    try:
        return [positive(int(part), "--threads") for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--threads '{text}' is not a list of numbers: write for example 1,4") from error


def sweep(
    file: Annotated[Path, typer.Argument(help="Sweep file: [sweep] with models, devices and further axes.")],
    jobs: Annotated[int, typer.Option(help="Processes on this machine.")] = 2,
    ray: Annotated[str | None, typer.Option(help="Run on a Ray cluster: auto, or its address.")] = None,
    results: Annotated[Path, typer.Option(help="Folder that every record is appended to.")] = Path("results"),
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed cells again.")] = False,
    json: Json = False,
) -> None:
    """Run the missing cells of a sweep file.

    Interrupted or killed, the same command goes on where it was.
    """
    from edgebench.ground.paths import cache_folder
    from edgebench.report import output as out
    from edgebench.run import sweep as sweeping
    from edgebench.run.sweep.driver import Workers
    from edgebench.run.sweep.local import LocalWorkers

    cells = sweeping.read(file)
    artifacts = cache_folder() / "artifacts"
    workers: Workers = LocalWorkers(positive(jobs, "--jobs"), artifacts)
    if ray is not None:
        from edgebench.run.sweep.cluster import RayWorkers

        workers = RayWorkers(ray, artifacts)
    with out.progress() as report:
        run = sweeping.run(cells, workers, results, retry_failed=retry_failed, on_progress=report)
    if json:
        out.json({"cells": len(cells), "run": run, "results": str(results)})
    else:
        typer.echo(f"{run} of {len(cells)} cells were missing and have been run; records are in {results}")
