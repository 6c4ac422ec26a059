"""Accuracies: what `edgebench evaluate` prints, and figures that the user brings as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.ground.errors import UsageError
from edgebench.ground.paths import check_no_pipe
from edgebench.ground.records import Accuracy, Confusion, ModelSpec
from edgebench.report import output, rows
from edgebench.report.tables import Fitting, Rows, called, plain

if TYPE_CHECKING:
    from edgebench.run.evaluator import Evaluation


LEGEND = (
    "top-1, top-5: share of images whose class is the file's first, or among its first five, with Wilson's 95%"
    " interval; vs torch: points by which top-1 differs from PyTorch's in fp32 on the same images; agrees: share of"
    " images with the same first class; images/s: reading, preparing and running them."
)


def show(results: Sequence[Evaluation], warnings: Sequence[str] = (), *, json: bool = False) -> None:
    """Prints one row a file, its worst classes, and what a reader of the numbers has to know."""
    if json:
        output.json([row(result) for result in results])
    else:
        output.blocks(table(results), *lines(results))
    for warning in dict.fromkeys((*warnings, *(each for result in results for each in result.warnings))):
        output.warn(warning)


class Evaluated(rows.Point):
    """What a file gets right; `unreadable` maps images to what is wrong with them."""

    format: str
    precision: str
    device: str
    runtime: str
    accuracy: rows.AccuracyRow | None
    confusions: tuple[Confusion, ...]
    unreadable: dict[str, str]
    warnings: list[str]
    status: str
    error: str | None


def row(result: Evaluation) -> Evaluated:
    """One row for `--json`."""
    return {
        **rows.point(result.model),
        "format": result.export.format,
        "precision": result.export.precision,
        "device": result.device,
        "runtime": result.runtime,
        "accuracy": rows.accuracy(result.accuracy),
        "confusions": result.confusions,
        "unreadable": result.unreadable,
        "warnings": list(result.warnings),
        "status": result.status,
        "error": result.error,
    }


COLUMNS = ("model", "format", "prec", "device", "top-1", "top-5", "vs torch", "agrees", "images", "images/s")

SPARE = ("device", "images/s", "top-5")


class Evaluations(Rows["Evaluation"]):
    """A list of evaluations that shows as their table, at a prompt and in a notebook."""

    left = COLUMNS[:4]

    def cells(self) -> list[dict[str, str]]:
        """One row a file."""
        names = called(result.model for result in self)
        rows = [
            (name, result.export.format, result.export.precision, result.device, *_cells(result.accuracy))
            for name, result in zip(names, self, strict=True)
        ]
        return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def table(results: Sequence[Evaluation]) -> Fitting:
    """One row a file."""
    known = {result.accuracy.dataset for result in results if result.accuracy}
    made = plain(f"accuracy on {', '.join(sorted(known))}" if known else None, *COLUMNS, left=COLUMNS[:4], spare=SPARE)
    for row in Evaluations(results).cells():
        made.add_row(*row.values())
    return made


def lines(results: Sequence[Evaluation]) -> list[str]:
    """What goes under the table: failures, the worst classes of each file, the legend."""
    failed = [f"! {result.model.title} {result.export.key}: {result.error}" for result in results if result.error]
    mistaken: dict[str, list[str]] = {}
    for result in results:
        if result.confusions:
            worst = (f"{each.actual} as {each.predicted} ({each.count} of {each.images})" for each in result.confusions)
            mistaken.setdefault("; ".join(worst), []).append(result.export.key)
    worst_of = [f"mistaken most by {', '.join(names)}: {what}" for what, names in mistaken.items()]
    return ["", *failed, *worst_of, LEGEND]


def _share(count: int, images: int) -> str:
    """97.4% (96.1-98.3)."""
    from edgebench.measure.accuracy import wilson

    share = wilson(count, images)
    return "-" if share is None else f"{share.value:.1%} ({share.low * 100:.1f}-{share.high * 100:.1f})"


def top1(judged: Accuracy | None) -> str:
    """The share of images whose class is the file's first, with its interval."""
    return "-" if judged is None else _share(judged.correct, judged.images)


def points(judged: Accuracy | None) -> str:
    """By how many points of top-1 a file differs from torch in float32: -0.5."""
    if judged is None or judged.reference_correct is None or not judged.images:
        return "-"
    return f"{(judged.correct - judged.reference_correct) / judged.images * 100:+.1f}"


def _cells(judged: Accuracy | None) -> list[str]:
    if judged is None:
        return ["FAILED", *"-----"]
    return [
        top1(judged),
        "-" if judged.correct5 is None else _share(judged.correct5, judged.images),
        points(judged),
        "-" if judged.agreed is None else f"{judged.agreed / judged.images:.1%}",
        f"{judged.images:,}" + (f" (+{judged.unreadable} unreadable)" if judged.unreadable else ""),
        f"{(judged.images + judged.unreadable) / judged.seconds:.0f}" if judged.seconds else "-",
    ]


NEEDED = ("model", "top1")
OPTIONAL = ("width", "depth", "resolution")


@dataclass(frozen=True)
class Accuracies:
    """Top-1 shares in 0..1 by network and scaling point."""

    rows: tuple[tuple[str, float | None, float | None, float | None, float], ...] = ()

    def of(self, spec: ModelSpec) -> float | None:
        """The accuracy of a network: the first row of its name whose given width, depth and resolution are its own."""
        for name, width, depth, resolution, top1 in self.rows:
            given = ((width, spec.width), (depth, spec.depth), (resolution, spec.resolution))
            if name == spec.name and all(asked is None or asked == has for asked, has in given):
                return top1
        return None


def read(path: Path) -> Accuracies:
    """Reads a CSV file with the columns model and top1 (in percent), and, where it matters, width, depth, resolution.

    Raises UsageError, naming the line, for a file that is not that.
    """
    try:
        check_no_pipe(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            columns = tuple(table.fieldnames or ())
            if missing := [name for name in NEEDED if name not in columns]:
                raise UsageError(f"{path} has no column {' and no '.join(missing)}: it needs {', '.join(NEEDED)}")
            return Accuracies(tuple(_row(row, f"{path}:{table.line_num}") for row in table))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read accuracies from {path}: {error}") from error


def _row(row: dict[str, str], where: str) -> tuple[str, float | None, float | None, float | None, float]:
    top1 = _number(row["top1"], where, "top1")
    if top1 is None or not 0 < top1 <= 100:
        raise UsageError(f"{where}: top1 is '{row['top1']}'; it must be a percentage above 0, up to 100")
    width, depth, resolution = (_number(row.get(name), where, name) for name in OPTIONAL)
    return row["model"], width, depth, resolution, top1 / 100


def _number(text: str | None, where: str, name: str) -> float | None:
    if not text or not text.strip():
        return None
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"{where}: {name} is '{text}', which is not a number") from error
