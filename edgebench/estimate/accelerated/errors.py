"""How far estimates for accelerators are off: data/accelerated_errors.csv, which `fit` writes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

import msgspec

from edgebench.estimate.published import text
from edgebench.ground.tables import read_csv

Kind = Literal["known", "network", "source", "new"]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Errors on figures left out, of |estimate / published - 1|; `spread` is the half-width of the 90% interval of ln.

    known: the network is known from other chips. network, source: that is new. new: its whole family is, and nothing
    is known of the source.
    """

    unit: str
    precision: str
    case: Kind
    rows: int
    networks: int
    median: float
    p90: float
    coverage: float
    spread: float


@cache
def shipped() -> Mapping[tuple[str, str, str], Case]:
    """The lines by unit, precision and case."""
    return {(line.unit, line.precision, line.case): line for line in read_csv(text("accelerated_errors.csv"), Case)}
