"""Where edgebench prints and writes: results to standard output or a file, progress and warnings to standard error."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from contextvars import ContextVar
from io import StringIO
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

from edgebench.ground.errors import printable
from edgebench.ground.paths import write as write
from edgebench.ground.progress import OnProgress, Step

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, RenderableType


COLUMNS: Final = 100  # of a table in a pipe or file, where no terminal says how wide it may be
UNBOUNDED: Final = 10_000  # columns: more than any table has

_all_columns: ContextVar[bool] = ContextVar("all_columns", default=False)


@contextmanager
def all_columns(wanted: bool = True) -> Iterator[None]:
    """Tables that are printed meanwhile keep every column, however wide that makes them."""
    before = _all_columns.set(wanted)
    try:
        yield
    finally:
        _all_columns.reset(before)


def columns(terminal: int | None) -> int:
    """Columns that a table may have: those of the terminal, 100 without one, or any number where all are wanted."""
    return UNBOUNDED if _all_columns.get() else terminal or COLUMNS


def room(console: Console) -> int:
    """The same for a Rich console."""
    return columns(console.width if console.is_terminal else None)


def document(value: Any) -> str:
    """`value` as one indented JSON document; NaN and infinity cannot occur, msgspec writes them as null."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def json(value: Any) -> None:
    """Prints `value` as one indented JSON document."""
    sys.stdout.write(document(value))


def blocks(*parts: RenderableType) -> None:
    """Prints renderables one under the other. A pipe or file gets wide lines, so that no column is cut."""
    console = wide_console(sys.stdout)
    for part in parts:
        console.print(part)


def warn(sentence: str) -> None:
    """Prints a warning to standard error."""
    print(f"edgebench: {printable(sentence)}", file=sys.stderr)


def line(sentence: str) -> None:
    """Prints one line to standard output."""
    print(sentence)


def note(sentence: str) -> None:
    """Prints a remark to standard error, so that standard output stays a result."""
    print(printable(sentence), file=sys.stderr)


def wrote(path: Path) -> None:
    """Says where a file is."""
    print(f"wrote {path}")


def wide_console(file: TextIO) -> Console:
    """A console on `file` that prints square brackets and :names: as they are: names come from users and files."""
    from rich.console import Console

    width = UNBOUNDED if _all_columns.get() else None if file.isatty() else 200
    # In a notebook rich would show the text itself, beside what it is made for, and colour it.
    held = False if isinstance(file, StringIO) else None
    console = Console(
        file=file, width=width, markup=False, emoji=False, highlight=False, force_jupyter=False, force_terminal=held
    )
    console.on_broken_pipe = _reader_gone  # type: ignore[method-assign]  # Rich would end the process
    return console


def _reader_gone() -> NoReturn:
    raise BrokenPipeError(errno.EPIPE, "nobody reads standard output any more")


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Yields a callback that shows each Step as a Rich progress line on standard error.

    Without a terminal each cell is one plain line, so that a CI log shows where a long run is. What a user's own
    network prints meanwhile goes to standard error too: standard output is for results. An interrupt is answered by
    one sentence before it goes on to end the command.
    """
    try:
        with redirect_stdout(sys.stderr), _rich_lines() if sys.stderr.isatty() else nullcontext(_plain_lines()) as show:
            yield show
    except KeyboardInterrupt:
        print("edgebench: interrupted; every finished cell is kept", file=sys.stderr)
        raise


@contextmanager
def _rich_lines() -> Iterator[OnProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}", style="dim"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("starting", total=None, detail="")

        def show(step: Step) -> None:
            shown.update(task, description=step.title, completed=step.done, total=step.total, detail=step.detail)

        yield show


def _plain_lines() -> OnProgress:
    seen = ""

    def show(step: Step) -> None:
        nonlocal seen
        if step.title != seen:
            seen = step.title
            print(f"[{min(step.done + 1, step.total)}/{step.total}] {step.title}", file=sys.stderr, flush=True)

    return show
