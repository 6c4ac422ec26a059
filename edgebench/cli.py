"""The command line: its commands are in edgebench/commands/, their options in edgebench/run/options.py.

Exit codes: 0 fine, 1 regression or over budget, 2 usage or bad input, 3 inconclusive, 4 export or device failure,
130 interrupted. An error is one sentence on standard error; `--debug` adds its traceback.
"""

import os
import sys
from importlib import import_module
from typing import Final

import click

from edgebench.ground.errors import EdgebenchError
from edgebench.ground.version import __version__

COMMANDS: Final = {
    "models": "networks",
    "export": "networks",
    "profile": "profile",
    "evaluate": "profile",
    "inspect": "networks",
    "devices": "device",
    "doctor": "device",
    "train": "networks",
    "augment": "networks",
    "scale": "profile",
    "sweep": "profile",
    "compare": "compare",
    "gate": "compare",
    "ab": "compare",
    "noise": "compare",
    "history": "compare",
    "query": "compare",
    "report": "report",
    "plot": "report",
    "device": "device",
}
"""Every command, in the order of work, with its module in edgebench/commands/."""


class _Commands(click.Group):
    """The commands, each imported when it is called or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"edgebench.commands.{COMMANDS[cmd_name]}")
        found: click.Command = getattr(module, cmd_name)
        return found


@click.group(cls=_Commands, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="edgebench %(version)s", help="Print it.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def app(debug: bool) -> None:
    """Export PyTorch CNNs for edge devices, prove the files right, measure or estimate them, choose, and gate."""
    if debug:
        os.environ["EDGEBENCH_DEBUG"] = "1"


def main() -> None:
    """Runs the command line and exits with the code that edgebench/ground/errors.py documents."""
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
