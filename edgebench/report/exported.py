"""What `edgebench export` prints: one row a file, what was decided for int8, and what to know of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from edgebench.ground.records import QuantizationReport
from edgebench.ground.units import show_bytes
from edgebench.report.tables import plain

if TYPE_CHECKING:
    from edgebench.ground.records import Artifact
    from edgebench.run.exporting import Outcome

COLUMNS = ("model", "format", "precision", "size", "seconds", "max error / range", "rel. L2", "int8", "file")
WORDS = ("model", "format", "precision", "int8", "file")


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row an export; a failed one carries its sentence in the last column."""
    columns = [name for name in COLUMNS if name != "int8" or any(_report(outcome) for outcome in outcomes)]
    made = plain(None, *columns, left=WORDS)
    for outcome in outcomes:
        cells = _cells(outcome)
        made.add_row(*(cells[name] for name in columns))
    return made


def notes(outcomes: Sequence[Outcome]) -> list[str]:
    """The files' warnings, each once, with the files that it concerns where these are not all."""
    concerned: dict[str, list[str]] = {}
    files = [outcome.artifact for outcome in outcomes if outcome.artifact]
    for artifact in files:
        for warning in artifact.warnings:
            concerned.setdefault(warning, []).append(f"{artifact.export.format} {artifact.export.precision}")
    return [
        warning if len(names) == len(files) else f"{', '.join(dict.fromkeys(names))}: {warning}"
        for warning, names in concerned.items()
    ]


def decided(report: QuantizationReport) -> str:
    """How a file became int8, in few words: mse, bias corrected, 2 of 35 layers float."""
    floats = sum(layer.stored == "float" for layer in report.layers)
    if not report.calibration_images:
        return report.activations
    parts = [
        report.calibrator,
        "equalized" if report.equalized else "",
        "bias corrected" if report.bias_corrected else "",
        f"{floats} of {len(report.layers)} layers float" if floats else "",
        report.activations,
    ]
    return ", ".join(part for part in parts if part)


def _cells(outcome: Outcome) -> dict[str, str | Text]:
    artifact, cell = outcome.artifact, outcome.cell
    known: dict[str, str | Text] = dict.fromkeys(COLUMNS, "-")
    known |= {
        "model": cell.model.key if cell.model else "",
        "format": cell.export.format,
        "precision": cell.export.precision,
        "file": Text(f"FAILED: {outcome.error}"),
    }
    return known if artifact is None else known | _found(artifact)


def _found(artifact: Artifact) -> dict[str, str | Text]:
    parity = artifact.parity
    return {
        "size": show_bytes(artifact.size_bytes),
        "seconds": "cached" if artifact.cached else f"{artifact.convert_s or 0:.1f}",
        "max error / range": f"{parity.range_error:.1e}" if parity else "-",
        "rel. L2": f"{parity.relative_l2_error:.1e}" if parity else "-",
        "int8": decided(artifact.quantization) if artifact.quantization else "-",
        "file": Text(artifact.path),
    }


def _report(outcome: Outcome) -> QuantizationReport | None:
    return outcome.artifact.quantization if outcome.artifact else None
