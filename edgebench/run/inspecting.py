"""What `edgebench inspect` finds: a file's operators by what they compute in, what int8 costs, and what is not int8."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edgebench.formats import manifest
from edgebench.formats.format import Format
from edgebench.formats.inspect import CONVERSION, INT8, Operator, form_of, read
from edgebench.formats.strict import dynamic_range, fallen, not_int8, only_float
from edgebench.ground.errors import DeviceError, ExportError
from edgebench.ground.records import Artifact, LayerError, QuantizationReport, TensorSpec
from edgebench.places.local import loaded
from edgebench.runtimes import runtime, runtime_of

NEEDS_MANIFEST = (
    "which layers lose most is in the manifest of a file that edgebench exported; there is none beside this"
)


@dataclass(frozen=True)
class Inspection:
    """One file. `weights` are bytes by the type that they are stored in, `computes` counts operators by what in.

    `only_float` counts operators between int8 ones that the format has in float only; `complaints` says in sentences
    what else keeps an int8 file from being int8.
    """

    path: str
    format: str
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: tuple[Operator, ...]
    weights: dict[str, int]
    computes: dict[str, int]
    conversions: dict[str, int]
    only_float: dict[str, int]
    runs: dict[str, int]
    delegates: int | None
    delegated_share: float | None
    quantization: QuantizationReport | None
    complaints: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def int8(self) -> bool:
        """Whether anything in the file is computed in int8."""
        return INT8 in self.computes

    @property
    def worst(self) -> list[LayerError]:
        """The layers by their error, the largest first."""
        layers = self.quantization.layers if self.quantization else ()
        return sorted(layers, key=lambda layer: -layer.relative_l2_error)


def inspect(path: Path) -> Inspection:
    """Reads a file and, where there is one, its manifest.

    Raises UsageError for a file that is not there, damaged, or of an unknown kind, and MissingPackage for its reader's.
    """
    found = read(path)
    artifact = manifest.read(path)
    form = form_of(path)
    batch = found.inputs[0].shape[0] if found.inputs and found.inputs[0].shape else None
    delegates, share, why_not = _delegation(path, form, artifact, batch or 1)
    report = artifact.quantization if artifact else None
    weights: Counter[str] = Counter()
    for operator in found.operators:
        weights.update(operator.weights)
    computes = Counter(operator.computes for operator in found.operators)
    return Inspection(
        path=str(path),
        format=form.name,
        size_bytes=manifest.size_bytes(path),
        inputs=found.inputs,
        outputs=found.outputs,
        operators=found.operators,
        weights=dict(weights.most_common()),
        computes=dict(computes),
        conversions=dict(Counter(one.kind for one in found.operators if one.computes == CONVERSION)),
        only_float=only_float(found),
        runs=found.runs,
        delegates=delegates,
        delegated_share=share,
        quantization=report,
        complaints=(*not_int8(found, artifact), *fallen(found)) if computes[INT8] else (),
        notes=(*found.notes, *why_not, *((NEEDS_MANIFEST,) if computes[INT8] and report is None else ())),
    )


def check(inspection: Inspection) -> None:
    """Raises ExportError, for `--strict`, when a file is not int8 throughout."""
    found = inspection.complaints if inspection.int8 else dynamic_range(inspection.operators)
    if found:
        raise ExportError(f"{inspection.path} is not int8 throughout (`strict`): {'; '.join(found)}")
    if not inspection.int8:
        raise ExportError(f"{inspection.path} computes nothing in int8 (`strict`)")


def _delegation(
    path: Path, form: Format, artifact: Artifact | None, batch: int
) -> tuple[int | None, float | None, tuple[str, ...]]:
    """Delegates and the share of operators they took: from the manifest, or by loading it, in a runtime with some.

    The last is why that is not known, where it does not load.
    """
    if artifact is not None:
        return artifact.delegates, artifact.delegated_share, ()
    found = runtime(runtime_of(form.name))
    if not found.delegates:
        return None, None, ()
    try:
        told = loaded(found.name, path, batch)
    except DeviceError as error:
        return None, None, (str(error),)
    return told.delegates, told.delegated_share, ()
