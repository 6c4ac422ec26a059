"""`edgebench report` and `edgebench plot`."""

from edgebench import api
from edgebench.commands.options import command
from edgebench.report import output
from edgebench.run import options


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
