"""`edgebench compare`, `gate`, `ab`, `noise`, `history` and `query`."""

from pathlib import Path
from typing import Annotated

import typer

from edgebench.commands.options import Threads, listed, positive
from edgebench.ground.registry import DEFAULT_FORMAT, FORMATS

FailOn = Annotated[
    str | None,
    typer.Option("--fail-on", help="Slowdown that counts: a percentage, or a file of `edgebench noise`. Default 5%."),
]
Format = Annotated[
    str, typer.Option("--format", help="table, markdown, json, junit, github; compare also has benchmark-action.")
]
Here = Annotated[str, typer.Option("--device", help="This machine only: host.")]
Results = Annotated[Path, typer.Option(help="Folder or file of stored results.")]
Runtime = Annotated[str | None, typer.Option(help="Runtime; default: the one of the file's format.")]


def compare(
    base: Annotated[str, typer.Argument(help="File, folder, or git revision of one: main:results/baseline.")],
    new: Annotated[str, typer.Argument(help="File, folder, or git revision of one.")],
    fail_on: FailOn = None,
    metric: Annotated[
        str | None, typer.Option(help="What decides: latency,first,load,memory,size,parity,error,instructions.")
    ] = None,
    allow: Annotated[
        str | None, typer.Option(help="Differences that are meant: artifact, 'runtime version', threads, machine ...")
    ] = None,
    confirm: Annotated[str | None, typer.Option(help="A second run of NEW, which has to repeat a slowdown.")] = None,
    why: Annotated[bool, typer.Option("--why", help="Explain how the environments of both sides differ.")] = False,
    format: Format = "table",
) -> None:
    """Compare two sets of results.

    Exit 1 for a regression, 3 when the data cannot tell. Measured sides need 7 processes or more each, better 10:
    `edgebench profile --processes 10`.
    """
    from edgebench.compare import Settings, check, sources, thresholds
    from edgebench.compare import compare as run
    from edgebench.compare.metrics import CONDITIONS, METRICS
    from edgebench.report import comparison

    form = comparison.check_format(format, why=why)
    decisive = listed(metric, "metric", METRICS)
    settings = Settings(thresholds.parse(fail_on), decisive, listed(allow, "difference", CONDITIONS))
    warnings: list[str] = []
    before = sources.load(base, on_warning=warnings.append)
    after, again = (
        sources.load(each, on_warning=warnings.append, leave_out=base) if each else [] for each in (new, confirm)
    )
    report = run(before, after, settings, names=(base, new), confirm=again, warnings=warnings)
    comparison.show(report, form, why=why)
    check(report)


def gate(
    results: Annotated[str, typer.Argument(help="File, folder, or git revision of one.")] = "results",
    budgets: Annotated[Path, typer.Option(help="Budgets, a TOML file.")] = Path("budgets.toml"),
    format: Format = "table",
) -> None:
    """Hold results against absolute budgets.

    Exit 1 when one is not kept or a benchmark is missing, 3 when the data cannot tell.
    """
    from datetime import UTC, datetime

    from edgebench.compare import gating, sources
    from edgebench.compare.budgets import load
    from edgebench.report import comparison, output

    form = comparison.FORMATS.resolve(format)
    bounds, waivers = load(budgets, datetime.now(UTC).date())
    found = sources.load(results, on_warning=output.warn)
    report = gating.gate(found, bounds, waivers, names=(str(budgets), results))
    comparison.show(report, form)
    gating.check(report)


def ab(
    base_file: Annotated[Path, typer.Argument(help="The .onnx or .tflite file to compare with.")],
    new_file: Annotated[Path, typer.Argument(help="The .onnx or .tflite file that may be slower.")],
    device: Here = "host",
    runtime: Runtime = None,
    threads: Threads = 1,
    fail_on: FailOn = None,
    time_limit: Annotated[str, typer.Option(help="Most time to spend, such as 3min.")] = "3min",
    format: Format = "table",
) -> None:
    """Run two files in turn until one is faster.

    Made for noisy, shared machines: fresh processes of both sides alternate until the interval decides.
    """
    from msgspec.structs import replace

    from edgebench.compare import ab, processes, thresholds
    from edgebench.ground import units
    from edgebench.places.local import LocalTarget
    from edgebench.report import comparison, output

    form = comparison.FORMATS.resolve(format)
    processes.check_here(device)
    limits = ab.Limits(threshold=thresholds.parse(fail_on).of(device), time_s=units.seconds(time_limit))
    scenario = replace(ab.SCENARIO, threads=positive(threads, "--threads"))
    runner = processes.run_on(LocalTarget(), processes.jobs(base_file, new_file, runtime, scenario))
    with output.progress() as show:
        report = ab.run_ab(runner, limits, names=(str(base_file), str(new_file)), on_progress=show)
    comparison.show(report, form)
    ab.check(report)


def noise(
    model: Annotated[str, typer.Argument(help="A network, or a .onnx or .tflite file.")] = "mobilenetv2",
    device: Here = "host",
    fmt: Annotated[str, typer.Option(help=f"Format of a network: {', '.join(FORMATS)}.")] = DEFAULT_FORMAT,
    runtime: Runtime = None,
    threads: Threads = 1,
    processes: Annotated[int, typer.Option(help="Fresh processes to run, 40 or more.")] = 60,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: noise-DEVICE.toml.")] = None,
) -> None:
    """Learn the slowdown that a device can tell.

    A/A runs of one file show the least slowdown that is not noise; the file written serves as --fail-on.
    """
    from msgspec.structs import replace

    from edgebench.compare import thresholds
    from edgebench.compare.processes import check_here, open_artifact, runtime_for
    from edgebench.report import output as out

    check_here(device)
    thresholds.check_enough(processes)
    artifact = open_artifact(model, fmt)
    scenario = replace(thresholds.SCENARIO, processes=processes, threads=positive(threads, "--threads"))
    path = output or Path(f"noise-{device}.toml")
    with out.progress() as show:
        tell = out.told(show, f"{artifact.model.name} {artifact.export.format}")
        noise = thresholds.learn_noise(artifact, runtime_for(artifact, runtime), scenario, path, tell=tell)
    out.line(thresholds.sentence(noise, path))


def history(
    model: Annotated[str | None, typer.Argument(help="A network; without it, all.")] = None,
    device: Annotated[str | None, typer.Option(help="Device profile; without it, all.")] = None,
    results: Results = Path("results"),
    fail_on: FailOn = None,
    format: Annotated[str, typer.Option("--format", help="table, markdown or json.")] = "table",
) -> None:
    """Show how latency went over time.

    Its levels, the points where it changed, and the first bad commit of each.
    """
    from edgebench.compare import history, thresholds
    from edgebench.report.comparison import over_time

    form = over_time.check_format(format)
    limit = thresholds.parse(fail_on)
    found = history.history(results, model, device=device, threshold=limit.of(device) if device else limit.share)
    over_time.show(found, form)


def query(
    sql: Annotated[str, typer.Argument(help="For example: SELECT model, min(latency_s) FROM results GROUP BY model")],
    results: Results = Path("results"),
    format: Annotated[str, typer.Option("--format", help="table, markdown or json.")] = "table",
) -> None:
    """Ask all stored results in SQL.

    The table is `results`, one row a record, in base units (seconds, bytes).
    """
    from edgebench.compare import database
    from edgebench.report.comparison import over_time

    form = over_time.check_format(format)
    over_time.show_answer(database.query(results, sql), form)
