"""What `edgebench evaluate` prints: shares with their intervals, agreement with torch, and the worst mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgebench.ground.records import Accuracy
from edgebench.report import output, rows

if TYPE_CHECKING:
    from rich.table import Table

    from edgebench.run.evaluator import Evaluation

LEGEND = (
    "top-1, top-5: share of images whose class is the file's first, or among its first five, with Wilson's 95%"
    " interval; vs torch: points by which top-1 differs from PyTorch's in fp32 on the same images; agrees: share of"
    " images with the same first class; images/s: reading, preparing and running them."
)


def show(results: Sequence[Evaluation], notes: Sequence[str] = (), *, json: bool = False) -> None:
    """Prints one row a file, its worst classes, and what a reader of the numbers has to know."""
    if json:
        output.json([row(result) for result in results])
    else:
        output.blocks(table(results), *lines(results))
    for note in dict.fromkeys((*notes, *(warning for result in results for warning in result.warnings))):
        output.warn(note)


def row(result: Evaluation) -> dict[str, Any]:
    """One row for `--json`; keys as the README documents them."""
    found = result.accuracy
    return {
        **rows.point(result.model),
        "format": result.export.format,
        "precision": result.export.precision,
        "device": result.device,
        "runtime": result.runtime,
        "accuracy": rows.accuracy(found),
        "confusions": [
            {"actual": each.actual, "predicted": each.predicted, "count": each.count, "images": each.images}
            for each in result.confusions
        ],
        "unreadable": result.unreadable,
        "warnings": list(result.warnings),
        "status": result.status,
        "error": result.error,
    }


def table(results: Sequence[Evaluation]) -> Table:
    """One row a file."""
    from edgebench.report.tables import plain

    columns = ("model", "format", "prec", "device", "top-1", "top-5", "vs torch", "agrees", "images", "images/s")
    made = plain(_title(results), *columns, left=columns[:4])
    for result in results:
        identity = (result.model.key, result.export.format, result.export.precision, result.device)
        made.add_row(*identity, *(_cells(result.accuracy) if result.accuracy else ["FAILED", *"-----"]))
    return made


def lines(results: Sequence[Evaluation]) -> list[str]:
    """What goes under the table: failures, the worst classes of each file, the legend."""
    found = [f"! {result.model.key} {result.export.key}: {result.error}" for result in results if result.error]
    mistaken: dict[str, list[str]] = {}
    for result in results:
        if result.confusions:
            worst = (f"{each.actual} as {each.predicted} ({each.count} of {each.images})" for each in result.confusions)
            mistaken.setdefault("; ".join(worst), []).append(result.export.key)
    worst_of = [f"mistaken most by {', '.join(names)}: {what}" for what, names in mistaken.items()]
    return ["", *found, *worst_of, LEGEND]


def _share(count: int, images: int) -> str:
    """97.4% (96.1-98.3)."""
    from edgebench.measure.accuracy import wilson

    found = wilson(count, images)
    return "-" if found is None else f"{found.value:.1%} ({found.low * 100:.1f}-{found.high * 100:.1f})"


def top1(found: Accuracy | None) -> str:
    """The share of images whose class is the file's first, with its interval."""
    return "-" if found is None else _share(found.correct, found.images)


def points(found: Accuracy | None) -> str:
    """By how many points of top-1 a file differs from torch in float32: -0.5."""
    if found is None or found.reference_correct is None or not found.images:
        return "-"
    return f"{(found.correct - found.reference_correct) / found.images * 100:+.1f}"


def _title(results: Sequence[Evaluation]) -> str | None:
    known = {result.accuracy.dataset for result in results if result.accuracy}
    return f"accuracy on {', '.join(sorted(known))}" if known else None


def _cells(found: Accuracy) -> list[str]:
    return [
        top1(found),
        "-" if found.correct5 is None else _share(found.correct5, found.images),
        points(found),
        "-" if found.agreed is None else f"{found.agreed / found.images:.1%}",
        f"{found.images:,}" + (f" (+{found.unreadable} unreadable)" if found.unreadable else ""),
        f"{(found.images + found.unreadable) / found.seconds:.0f}" if found.seconds else "-",
    ]
