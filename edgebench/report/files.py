"""What `edgebench export`, `deploy` and `inspect` print of written files."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from edgebench.formats.inspect import FLOAT, INT8
from edgebench.formats.strict import named
from edgebench.ground.records import QuantizationReport
from edgebench.ground.units import show_bytes
from edgebench.report.tables import Fitting, called, concerned, plain

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgebench.deployment.app import App
    from edgebench.ground.records import QuantizationReport, TensorSpec
    from edgebench.run.exporting import Outcome
    from edgebench.run.inspecting import Inspection


COLUMNS = ("model", "format", "precision", "size", "seconds", "max error / range", "rel. L2", "int8", "file")
WORDS = ("model", "format", "precision", "int8", "file")


def exported(outcomes: Sequence[Outcome]) -> Fitting:
    """One row an export; a failed one carries its sentence in the last column."""
    columns = [
        name
        for name in COLUMNS
        if name != "int8" or any(outcome.artifact.quantization if outcome.artifact else None for outcome in outcomes)
    ]
    made = plain(None, *columns, left=WORDS, spare=("rel. L2", "seconds"), prose=("int8",))
    names = called(outcome.cell.spec for outcome in outcomes)
    for name, outcome in zip(names, outcomes, strict=True):
        cells = _export_cells(outcome) | {"model": name}
        made.add_row(*(cells[name] for name in columns))
    return made


def export_warnings(outcomes: Sequence[Outcome]) -> list[str]:
    """The files' warnings, each once, with the files that it concerns where these are not all."""
    files = [outcome.artifact for outcome in outcomes if outcome.artifact]
    told = concerned((f"{each.export.format} {each.export.precision}", each.warnings) for each in files)
    return [
        warning if len(names) == len(files) else f"{', '.join(dict.fromkeys(names))}: {warning}"
        for warning, names in told.items()
    ]


def deployed(made: App, folder: Path) -> Iterator[RenderableType]:
    """What a file says of its project's test image, and what to type next."""
    told, labels = made.expected, made.description.labels
    yield Text(f"{folder}: what {made.description.file} says of {told.image}")
    table = plain(None, "score", "label", left=("label",))
    for each, score in zip(told.classes, told.scores, strict=True):
        table.add_row(f"{score:.1%}", labels[each] if labels else f"class {each}")
    yield table
    yield Text(f"next, in {folder}: {made.run}; README.md there says what that needs")


def decided(report: QuantizationReport) -> str:
    """How a file became int8, in few words: mse, bias corrected, 2 of 35 layers float."""
    floats = sum(layer.stored == "float" for layer in report.layers)
    if not report.calibration_images:
        return report.activations
    parts = [
        report.calibrator,
        "equalized" if report.equalized else "",
        "rounded by inputs" if report.rounded else "",
        "bias corrected" if report.bias_corrected else "",
        f"{floats} of {len(report.layers)} layers float" if floats else "",
        report.activations,
    ]
    return ", ".join(part for part in parts if part)


def _export_cells(outcome: Outcome) -> dict[str, str | Text]:
    artifact, cell = outcome.artifact, outcome.cell
    known: dict[str, str | Text] = dict.fromkeys(COLUMNS, "-")
    known |= {
        "format": cell.export.format,
        "precision": cell.export.precision,
        "file": Text(f"FAILED: {outcome.error}"),
    }
    if artifact is None:
        return known
    parity = artifact.parity
    return known | {
        "size": show_bytes(artifact.size_bytes),
        "seconds": "cached" if artifact.cached else f"{artifact.convert_s or 0:.1f}",
        "max error / range": f"{parity.range_error:.1e}" if parity else "-",
        "rel. L2": f"{parity.relative_l2_error:.1e}" if parity else "-",
        "int8": decided(artifact.quantization) if artifact.quantization else "-",
        "file": Text(artifact.path),
    }


MOST_LAYERS = 10


def inspected(file: Inspection) -> list[RenderableType]:
    """What the file is, its operators by kind, the layers that lose most, and what keeps it from being int8."""
    ends = f"{', '.join(map(_tensor, file.inputs))} -> {', '.join(map(_tensor, file.outputs))}"
    weights = ", ".join(f"{show_bytes(size)} {dtype}" for dtype, size in file.weights.items())
    lines = [f"{file.path}: {file.format}, {show_bytes(file.size_bytes)}", ends, f"weights: {weights or 'none'}"]
    report = file.quantization
    if report is not None:
        lines.append(_rounding(report))
    parts: list[RenderableType] = [Text("\n".join(lines)), Text(), _operators(file)]
    if file.quantization is not None and file.quantization.layers:
        title = f"layers that lose most, of {len(file.worst)}; all are in --json"
        table = plain(
            None, "layer", "kind", "computes in", "relative error", "why", left=("layer", "computes in", "why")
        )
        for layer in file.worst[:MOST_LAYERS]:
            cells = (layer.name, layer.kind, layer.stored, f"{layer.relative_l2_error:.2g}", layer.why)
            table.add_row(*(Text(cell) for cell in cells))
        parts += [Text(), Text(title, style="italic"), table]  # a table's own title wraps to its width
    sentences = [*_remarks(file), *file.notes]
    return [*parts, Text(), Text("\n".join(sentences))] if sentences else parts


def _rounding(report: QuantizationReport) -> str:
    """How the file became int8. Schemes that calibrate on nothing (weights alone, dynamic) have no errors to tell."""
    stored = f"; activations {report.activations}" if report.activations else ""
    if not report.calibration_images:
        return f"int8 weights, not calibrated{stored}"
    tried = ", ".join(f"{name} {error:.2g}" for name, error in report.errors.items())
    return f"int8 by {report.calibrator}{stored}; errors: {tried or 'none were compared'}"


def _tensor(tensor: TensorSpec) -> str:
    sizes = "x".join("?" if size is None else str(size) for size in tensor.shape)
    return f"{tensor.name} {sizes} {tensor.dtype}"


def _operators(file: Inspection) -> Fitting:
    """One row for each kind of operator and what it computes in."""
    table = plain(None, "operator", "computes in", "count", "elements", "weights", left=("operator", "computes in"))
    counts = Counter((one.kind, one.computes) for one in file.operators)
    for (kind, computes), count in counts.most_common():
        own = [one for one in file.operators if (one.kind, one.computes) == (kind, computes)]
        elements = sum(math.prod(size or 1 for size in one.shape) for one in own if one.shape)
        size = sum(sum(one.weights.values()) for one in own)
        style = "yellow" if file.int8 and computes in FLOAT else ""
        row = (kind, computes, str(count), f"{elements:,}" if elements else "-", show_bytes(size) if size else "-")
        table.add_row(*(Text(cell) for cell in row), style=style)
    return table


def _remarks(file: Inspection) -> list[str]:
    """Sentences on the path that the file takes through its engine."""
    lines = []
    if file.delegated_share is not None:
        count = file.delegates or 0
        lines.append(
            f"{file.delegated_share:.0%} of the operators run in {count} delegate{'s' * (count > 1)}"
            if count
            else "no operator runs in a delegate"
        )
    if file.conversions:
        lines.append(f"conversions between types: {named(file.conversions)}")
    if file.runs:
        lines.append(f"here the engine runs: {named(file.runs)}")
    if file.only_float:
        lines.append(
            f"float between int8, where {file.format} has no int8 form or a slower one: {named(file.only_float)}"
        )
    if file.complaints:
        lines += ["not int8:", *(f"  {sentence}" for sentence in file.complaints)]
    elif file.computes.get(INT8):
        lines.append("every layer that can be is int8")
    return lines
