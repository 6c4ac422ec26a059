"""How far the model is off on figures that it has not seen, in every case that a user can be in, and the intervals.

A case is what is known of the device:

    measured     its own published table of that runtime, precision and thread count
    threads      its tables at other thread counts, or tables of its chip in another device
    core         nothing but its core, from another chip with the runtime and precision
    runtime      its core by other runtimes, and the runtime on other cores
    1, 3, 10     that many figures of one's own, and what else is known of the core

each with a network that is known from other devices, and with one of a design that nobody published.
data/errors.csv holds them; crossvalidation.py finds them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, Literal

import msgspec

from edgebench.estimate.published import text
from edgebench.ground.tables import read_csv

CONFIDENCE: Final = 0.9
FIGURES: Final = (1, 3, 10)
ANY: Final = "any"
Name = Literal["measured", "threads", "core", "runtime", "1", "3", "10"]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Errors in one case: of |estimate / published - 1|, the coverage and `spread`, the half-width of the 90% interval
    of ln(published / estimate). `threads` is "1" or "several"; "any" stands for all of a column."""

    case: Name
    known: bool
    runtime: str
    precision: str
    threads: str
    rows: int
    median: float
    p90: float
    coverage: float
    spread: float


def case(name: str, known: bool, runtime: str, precision: str, threads: int) -> Case:
    """The nearest line of the shipped table."""
    several = "1" if threads == 1 else "several"
    shipped = shipped_cases()
    for of_runtime in (runtime, ANY):
        for of_precision, of_threads in ((precision, several), (precision, ANY), (ANY, ANY)):
            if found := shipped.get((name, known, of_runtime, of_precision, of_threads)):
                return found
    raise LookupError(f"data/errors.csv has no line for the case '{name}'")


@cache
def shipped_cases() -> Mapping[tuple[str, bool, str, str, str], Case]:
    """data/errors.csv by what its lines are for."""
    rows = read_csv(text("errors.csv"), Case)
    return {(row.case, row.known, row.runtime, row.precision, row.threads): row for row in rows}


def quantile(errors: Sequence[float]) -> float:
    """The smallest bound on |error| that covers the next value in 90% of cases (split conformal prediction).

    With fewer than nine values no bound does; the largest is returned.
    """
    ordered = sorted(abs(error) for error in errors)
    rank = math.ceil((len(ordered) + 1) * CONFIDENCE)
    return ordered[min(rank, len(ordered)) - 1]
