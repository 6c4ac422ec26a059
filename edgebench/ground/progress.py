"""How long work says what it is doing: one shape for cells that are counted, one for what is done within a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


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
