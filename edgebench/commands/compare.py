"""`edgebench compare`, `gate`, `ab`, `noise`, `history`, `query`, `report` and `plot`."""

from typing import Annotated

from edgebench import api
from edgebench.commands.options import command, run
from edgebench.report import output
from edgebench.run import options

Format = Annotated[str, "table, markdown, json, junit, github; compare also has benchmark-action."]
OverTime = Annotated[str, "table, markdown or json."]


@command
def compare(
    asked: options.Compare,
    *,
    why: Annotated[bool, "Explain how the environments of both sides differ."] = False,
    format: Format = "table",
) -> None:
    """Compare two sets of results.

    Exit 1 for a regression, 3 when the data cannot tell. Measured sides need 7 processes or more each, better 10:
    `edgebench profile --processes 10`.
    """
    from edgebench.compare import check
    from edgebench.report import comparison

    form = comparison.check_format(format, why=why)
    report = api.compare(**asked.values())
    comparison.show(report, form, why=why)
    check(report)


@command
def gate(asked: options.Gate, *, format: Format = "table") -> None:
    """Hold results against absolute budgets.

    Exit 1 when one is not kept or a benchmark is missing, 3 when the data cannot tell.
    """
    from edgebench.compare import gating
    from edgebench.report import comparison

    form = comparison.FORMATS.resolve(format)
    report = api.gate(**asked.values())
    comparison.show(report, form)
    gating.check(report)


@command
def ab(asked: options.Ab, *, format: Format = "table") -> None:
    """Run two files in turn until one is faster.

    Made for noisy, shared machines: fresh processes of both sides alternate until the interval decides.
    """
    from edgebench.compare.ab import check
    from edgebench.report import comparison

    form = comparison.FORMATS.resolve(format)
    report = run(api.ab, asked)
    comparison.show(report, form)
    check(report)


@command
def noise(asked: options.Noise) -> None:
    """Learn the slowdown that a device can tell.

    A/A runs of one file show the least slowdown that is not noise; the file written serves as --fail-on.
    """
    from edgebench.compare import thresholds

    output.line(thresholds.sentence(run(api.noise, asked), asked.path))


@command
def history(asked: options.History, *, format: OverTime = "table") -> None:
    """Show how latency went over time.

    Its levels, the points where it changed, and the first bad commit of each.
    """
    from edgebench.report.comparison import over_time

    form = over_time.check_format(format)
    over_time.show(api.history(**asked.values()), form)


@command
def query(asked: options.Query, *, format: OverTime = "table") -> None:
    """Ask all stored results in SQL.

    The table is `results`, one row a record, in base units (seconds, bytes).
    """
    from edgebench.report.comparison import over_time

    form = over_time.check_format(format)
    over_time.show_answer(api.query(**asked.values()), form)


@command
def report(asked: options.Report) -> None:
    """Write one HTML page that opens offline.

    Overview, trade-off, latency in time order, operators, history, comparison, environment and method.
    """
    output.wrote(api.report(**asked.values()))


@command
def plot(asked: options.Plot) -> None:
    """Draw one of the report's plots as PNG or SVG."""
    output.wrote(api.plot(**asked.values()))
