"""What `edgebench profile` prints when its cells are done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgebench.ground.records import Measurement, OperatorProfile, Result
from edgebench.report import output

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile


def show(results: Sequence[Result], device: DeviceProfile, *, json: bool = False) -> None:
    """Prints the results, with the operators of those that have them."""
    from edgebench.report import operator_counts, operator_table, tables

    timed = operators(results)
    if json:
        output.json([row(result) for result in results])
    else:
        output.blocks(*tables.profile(results, device))
        for title, profile in timed.items():
            table = operator_table.operators if profile.is_timed else operator_counts.operators
            output.blocks("", *table(profile, title))


def operators(results: Sequence[Result]) -> dict[str, OperatorProfile]:
    """The operator profiles of those results that have one, by a title."""
    return {
        f"{result.model.key} {result.export.key} ({result.runtime})": result.operators
        for result in results
        if isinstance(result, Measurement) and result.operators is not None
    }


def row(result: Result) -> dict[str, Any]:
    """One row for `--json`; with operators where they were timed or counted."""
    from edgebench.report import operator_counts, operator_table, rows

    flat = rows.profile(result)
    for profile in operators([result]).values():
        flat["operators"] = (operator_table if profile.is_timed else operator_counts).rows(profile)
    return flat
