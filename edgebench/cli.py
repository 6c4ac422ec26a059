"""The command line: its commands are in edgebench/commands/, their options in edgebench/run/options.py.

Exit codes: 0 fine, 1 regression or over budget, 2 usage or bad input, 3 inconclusive, 4 export or device failure,
70 a fault of edgebench, 74 output that could not be written, 130 interrupted, 143 terminated. An error is one sentence
on standard error; `--debug` adds its traceback.
"""

import errno
import io
import os
import signal
import sys
from importlib import import_module
from typing import Any, Final, NoReturn

import click

from edgebench.ground.errors import EdgebenchError, JobError, UsageError, printable, reason
from edgebench.ground.version import __version__

FAULT, OUTPUT_FAILED, INTERRUPTED, TERMINATED = 70, 74, 130, 143  # the first two as in sysexits.h
NO_OUTPUT: Final = (errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG, errno.EDQUOT)
NOT_USABLE: Final = (
    errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EROFS, errno.ENXIO
)  # what a path that a user gave may be  # fmt: skip

COMMANDS: Final = {
    "init": "networks",
    "models": "networks",
    "export": "networks",
    "profile": "profile",
    "runtimes": "profile",
    "evaluate": "profile",
    "inspect": "networks",
    "deploy": "networks",
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
    "report": "compare",
    "plot": "compare",
    "device": "device",
    "schema": "help",
    "help": "help",
}
"""Every command, in the order of work, with its module in edgebench/commands/."""


class _ReaderGone(Exception):
    """Nobody reads standard output any more."""


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

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command. Raises _ReaderGone in place of what click would make an exit code of its own of."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGone from error


@click.group(cls=_Commands, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="edgebench %(version)s", help="Print it.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--install-completion",
    is_flag=False,
    flag_value="",
    metavar="[SHELL]",
    expose_value=False,
    is_eager=True,
    callback=lambda context, _option, shell: _complete(context, shell),
    help="Let the shell complete commands, options and names: bash, zsh or fish; without one, yours.",
)
def app(debug: bool) -> None:
    """Export PyTorch CNNs for edge devices, prove the files right, measure or estimate them, choose, and gate."""
    if debug:
        os.environ["EDGEBENCH_DEBUG"] = "1"


def _complete(context: click.Context, shell: str | None) -> None:
    """Puts the script for the user's shell where that finds it."""
    if shell is None:
        return
    from edgebench.commands import completion

    click.echo(f"wrote {completion.install(shell or completion.current())}: open a new shell")
    context.exit()


class _Terminated(BaseException):
    """SIGTERM came."""


def main() -> None:
    """Runs the command line and exits with the code that edgebench/ground/errors.py documents."""
    signal.signal(signal.SIGTERM, _terminated)
    code = _run()
    # An interrupt that went through code in a string, such as torch generates, leaves a mark on CPython: it would end
    # with the signal whatever the exit code. Running a string takes the mark away.
    exec("")
    sys.exit(code)


def _run() -> int:
    """Runs a command and returns its exit code; whatever escapes becomes one sentence."""
    try:
        _keep_for_results()
        code = app(prog_name="edgebench", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.message = printable(error.message)  # type: ignore[misc]
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except _Terminated:
        return TERMINATED
    except SystemExit as error:
        from edgebench.commands.completion import ASKS

        if ASKS in os.environ:  # click's answer to a shell
            return 0
        return _said(error, "a network's own code called sys.exit: it must return its outputs", JobError.exit_code)
    except (_ReaderGone, BrokenPipeError):  # head, less; the latter when what is held is written
        return _quietly(OUTPUT_FAILED)
    except EdgebenchError as error:
        return _said(error, str(error), error.exit_code)
    except OSError as error:
        return _refused(error)
    except Exception as error:
        return _unexpected(error)
    return code if isinstance(code, int) else 0


def _keep_for_results() -> None:
    """Leaves standard output to results: what a network, an engine or a child writes to descriptor 1 joins the errors.

    Raises OSError where standard output is closed, before a command does work that nobody would see.
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    try:
        if sys.stdout.fileno() != 1:
            return
    except io.UnsupportedOperation:  # a test's or a notebook's own stream
        return
    sys.stdout = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
    os.dup2(2, 1)


def _terminated(signum: int, frame: object) -> NoReturn:
    """Ends as an interrupt does, so that temporary files are removed and workers ended on the way."""
    raise _Terminated


def _said(error: BaseException, sentence: str, code: int) -> int:
    if os.environ.get("EDGEBENCH_DEBUG"):
        raise error
    print(f"edgebench: {printable(sentence)}", file=sys.stderr)
    return code


def _refused(error: OSError) -> int:
    """What a system refuses: to write results, or to open what a user named."""
    if error.errno in NO_OUTPUT:
        what = f" to {error.filename}" if error.filename else ""
        return _quietly(_said(error, f"the output could not be written{what}: {reason(error)}", OUTPUT_FAILED))
    if error.errno in NOT_USABLE and error.filename:
        return _said(error, f"cannot use {error.filename}: {reason(error)}", UsageError.exit_code)
    return _unexpected(error)


def _quietly(code: int) -> int:
    """Gives Python a place to flush what it holds to when it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _unexpected(error: Exception) -> int:
    """Keeps what a report of a fault in edgebench needs in a file, and says where."""
    import platform
    import time
    import traceback

    from edgebench.ground.paths import cache_folder, write

    path = cache_folder() / "faults" / f"{time.strftime('%Y-%m-%dT%H%M%S')}-{os.getpid()}.txt"
    where = f"edgebench {__version__}, Python {platform.python_version()}, {platform.platform()}"
    trace = "".join(traceback.format_exception(error))
    try:
        write(path, f"{where}\n{sys.argv}\n\n{trace}")
        report = str(path)
    except EdgebenchError:
        report = "what --debug prints"
    text = (str(error).splitlines() or ["no message"])[0][:200]
    sentence = f"this is a fault of edgebench ({type(error).__name__}: {text}): please report it with {report}"
    return _said(error, sentence, FAULT)


if __name__ == "__main__":
    main()
