"""The end of a command that judges: silence, or the error whose exit code says what was found."""

from __future__ import annotations

from collections.abc import Sequence

from edgebench.ground.errors import Inconclusive, Regression

_NAMED = 3


def conclude(what: str, total: int, failing: Sequence[str], undecided: Sequence[str]) -> None:
    """Raises Regression (exit code 1) when something failed, else Inconclusive (3) when something is open.

    `failing` and `undecided` are sentences, of which the message holds the first few.
    """
    if failing:
        raise Regression(f"{len(failing)} of {total} {what} failed: {_first(failing)}")
    if undecided:
        raise Inconclusive(f"{len(undecided)} of {total} {what} could not be decided: {_first(undecided)}")


def _first(sentences: Sequence[str]) -> str:
    more = f"; and {len(sentences) - _NAMED} more" if len(sentences) > _NAMED else ""
    return "; ".join(sentences[:_NAMED]) + more
