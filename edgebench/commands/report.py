"""`edgebench report` and `edgebench plot`."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[str, typer.Argument(help="File, folder, or git revision of one: main:results/baseline.")]
Accuracy = Annotated[
    Path | None,
    typer.Option(help="CSV file with the columns model, top1 (%), and optionally width, depth, resolution."),
]
LatencyBudget = Annotated[str | None, typer.Option(help="Line at a latency, such as 50ms.")]


def report(
    results: Source = "results",
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path("report.html"),
    base: Annotated[str | None, typer.Option(help="Compare with these results: a file, folder, or revision.")] = None,
    accuracy: Accuracy = None,
    choice: Annotated[Path | None, typer.Option(help="Folder that edgebench scale -o wrote: show its choice.")] = None,
    latency_budget: LatencyBudget = None,
    memory_budget: Annotated[str | None, typer.Option(help="Mark what needs more memory, such as 64MB.")] = None,
) -> None:
    """Write one HTML page that opens offline.

    Overview, trade-off, latency in time order, operators, history, comparison, environment and method.
    """
    from edgebench.ground import units
    from edgebench.report import output as show
    from edgebench.report.page import write_report

    write_report(
        results,
        output,
        base=base,
        accuracies=accuracy,
        choice=choice,
        latency_budget_s=units.seconds(latency_budget) if latency_budget else None,
        memory_budget_bytes=units.size_bytes(memory_budget) if memory_budget else None,
        on_warning=show.warn,
    )
    show.wrote(output)


def plot(
    results: Source = "results",
    kind: Annotated[str, typer.Option(help="pareto, latency, spread, operators or history.")] = "pareto",
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture to write, .png or .svg.")] = Path(
        "plot.png"
    ),
    model: Annotated[str | None, typer.Option(help="Only this network.")] = None,
    device: Annotated[str | None, typer.Option(help="Only this device.")] = None,
    fmt: Annotated[str | None, typer.Option(help="Only this format.")] = None,
    precision: Annotated[str | None, typer.Option(help="Only this precision.")] = None,
    y: Annotated[
        str | None, typer.Option("--y", help="Against latency: accuracy, size, memory, macs or parameters.")
    ] = None,
    accuracy: Accuracy = None,
    latency_budget: LatencyBudget = None,
    look: Annotated[str, typer.Option(help="light or dark.")] = "light",
) -> None:
    """Draw one of the report's plots as PNG or SVG."""
    from edgebench.ground import units
    from edgebench.report import output as show
    from edgebench.report.pictures import Picture, Wanted, write_plot

    picture = Picture(
        kind=kind,
        wanted=Wanted(model, device, fmt, precision),
        y=y,
        accuracies=accuracy,
        latency_budget_s=units.seconds(latency_budget) if latency_budget else None,
        look=look,  # type: ignore[arg-type]  # checked against the known looks when it is drawn
    )
    write_plot(results, output, picture, on_warning=show.warn)
    show.wrote(output)
