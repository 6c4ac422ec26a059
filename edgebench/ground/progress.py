"""How long work says what it is doing: one shape for cells that are counted, one for what is done within a cell."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final


@dataclass(frozen=True)
class Step:
    """How far a run is: `done` of `total` cells, the running cell's title, and what it is doing."""

    done: int
    total: int
    title: str
    detail: str = ""


OnProgress = Callable[[Step], None]
Tell = Callable[[str], None]


def silent(step: Step) -> None:
    """The default progress callback: shows nothing."""


def quiet(doing: str) -> None:
    """The default callback for what is being done within a cell: shows nothing."""


def told(on_progress: OnProgress, title: str) -> Tell:
    """A callback that shows what is being done as the one cell `title`."""
    return lambda doing: on_progress(Step(0, 1, title, doing))


def one_of(on_progress: OnProgress, names: Sequence[str], at: int) -> OnProgress:
    """A callback for the cells of `names[at]`, such as a device; of several names, they are what is counted."""
    if len(names) == 1:
        return on_progress
    return lambda step: on_progress(Step(at, len(names), f"{names[at]}: {step.title}", step.detail))


OFTEN_S: Final = 0.1  # between two updates of a notebook's line, unless the cell changes


@dataclass(frozen=True)
class _Line:
    """A step as a notebook or a prompt shows it; nothing when the work has ended."""

    step: Step | None

    def __repr__(self) -> str:
        step = self.step
        return f"[{step.done}/{step.total}] {step.title}: {step.detail}" if step else ""

    def _repr_html_(self) -> str:
        step = self.step
        if step is None:
            return ""
        from html import escape

        return f"<progress value='{step.done}' max='{step.total}'></progress> {escape(f'{step.title}: {step.detail}')}"


@contextmanager
def in_notebook() -> Iterator[OnProgress]:
    """Yields a callback that keeps one line of a notebook's output up to date, which goes when the block ends.

    Elsewhere it shows nothing.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):
        yield silent
        return
    line: Any = import_module("IPython.display").DisplayHandle()
    shown: Step | None = None
    last = 0.0

    def show(step: Step) -> None:
        nonlocal shown, last
        if shown is not None and step.title == shown.title and time.monotonic() - last < OFTEN_S:
            return
        tell = line.display if shown is None else line.update
        tell(_Line(step))
        shown, last = step, time.monotonic()

    try:
        yield show
    finally:
        if shown is not None:
            line.update(_Line(None))
