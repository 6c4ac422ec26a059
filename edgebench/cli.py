"""The command line: one line per command here, one short function per command in edgebench/commands/.

Exit codes: 0 fine, 1 regression or over budget, 2 usage or bad input, 3 inconclusive, 4 export or device failure,
130 interrupted. An error is one sentence on standard error; `--debug` adds its traceback.
"""

import os
import sys
from typing import Annotated

import typer

from edgebench.commands import (
    compare,
    device,
    devices,
    doctor,
    evaluate,
    export,
    inspect,
    models,
    profile,
    report,
    scale,
    train,
)
from edgebench.ground.errors import EdgebenchError
from edgebench.ground.version import __version__

# Rich's help pages double the start-up time, so help stays plain text.
app = typer.Typer(
    name="edgebench",
    help="Export PyTorch CNNs for edge devices, prove the files right, measure or estimate them, choose, and gate.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"edgebench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    if debug:
        os.environ["EDGEBENCH_DEBUG"] = "1"


app.command("models")(models.models)
app.command("export")(export.export)
app.command("profile")(profile.profile)
app.command("evaluate")(evaluate.evaluate)
app.command("inspect")(inspect.inspect)
app.command("devices")(devices.devices)
app.command("doctor")(doctor.doctor)
app.command("train")(train.train)
app.command("augment")(train.augment)
app.command("scale")(scale.scale)
app.command("sweep")(scale.sweep)
app.command("compare")(compare.compare)
app.command("gate")(compare.gate)
app.command("ab")(compare.ab)
app.command("noise")(compare.noise)
app.command("history")(compare.history)
app.command("query")(compare.query)
app.command("report")(report.report)
app.command("plot")(report.plot)
app.add_typer(device.app)


def main() -> None:
    """Runs the command line and exits with the code that edgebench/errors.py documents."""
    try:
        app()
    except EdgebenchError as error:
        if os.environ.get("EDGEBENCH_DEBUG"):
            raise
        print(f"edgebench: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (head, less) has gone; give Python a place to flush to, and end quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
