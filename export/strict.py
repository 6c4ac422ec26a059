"""Whether an int8 file is int8: what stayed float between what is int8, and what the accelerator did not take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgebench.formats import inspect
from edgebench.formats.inspect import DYNAMIC, FLOAT, INT8, Inspected, Operator
from edgebench.ground.errors import ExportError
from edgebench.ground.records import Artifact

# What onnxruntime calls a convolution or a dense layer that it runs in float.
FLOAT_KERNELS = ("Conv", "FusedConv", "NhwcFusedConv", "Gemm", "MatMul")
WEIGHTED = ("Conv", "Gemm", "MatMul")


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in a sentence, of many the first."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def check_int8(artifact: Artifact, path: Path | None = None) -> None:
    """Raises ExportError that names what keeps an int8 file from being int8; other precisions pass.

    `path` is where the file lies, when that is not yet what the artifact says.
    """
    if artifact.export.precision != "int8":
        return
    found = not_int8(inspect.read(path or Path(artifact.path)), artifact)
    if found:
        raise ExportError(f"this int8 file is not int8 throughout (`strict`): {'; '.join(found)}")


def not_int8(found: Inspected, artifact: Artifact | None) -> list[str]:
    """What keeps a file from being int8, in sentences: by what is known of how it was made, and by what is in it.

    Empty for a file without int8.
    """
    said = []
    report = artifact.quantization if artifact else None
    floats = [layer for layer in report.layers if layer.stored != "int8"] if report else []
    if floats:
        named = listed([f"{layer.name} ({layer.why or layer.kind})" for layer in floats])
        said.append(f"{len(floats)} layers are computed in float: {named}")
    if artifact and artifact.delegates is not None and artifact.delegates > 1:
        said.append(f"it runs in {artifact.delegates} delegates")
    if artifact and artifact.delegated_share is not None and artifact.delegated_share < 1:
        said.append(f"{1 - artifact.delegated_share:.0%} of its operators are off the delegate")
    return [*said, *sentences(found)]


def sentences(found: Inspected) -> list[str]:
    """What keeps a file with int8 operators from being int8; float operators of which no int8 form exists are no fault.

    Empty for a file without int8.
    """
    kinds = Counter(one.kind for one in between(found.operators) if found.has_int8(one.kind))
    lie = [f"float operators lie between int8 ones: {named(kinds)}"] if kinds else []
    return [*lie, *dynamic_range(found.operators)]


def dynamic_range(operators: Sequence[Operator]) -> list[str]:
    """Which layers have int8 weights for float activations, in a sentence; empty where none has."""
    kinds = Counter(one.kind for one in operators if one.computes == DYNAMIC)
    return [f"dynamic range, int8 weights with float activations: {named(kinds)}"] if kinds else []


def fallen(found: Inspected) -> list[str]:
    """How many int8 layers the engine runs in float on this machine, where it tells; another machine may not."""
    whole = sum(one.kind in WEIGHTED and one.computes == INT8 for one in found.operators)
    meant = sum(one.kind in WEIGHTED and one.computes in FLOAT for one in found.operators)
    count = sum(found.runs.get(kind, 0) for kind in FLOAT_KERNELS) - meant
    if not whole or count <= 0:
        return []
    return [f"{count} of {whole} int8 convolutions and dense layers run in float on this processor"]


def only_float(found: Inspected) -> dict[str, int]:
    """Counts the operators between int8 ones that the format has in float only."""
    return dict(Counter(one.kind for one in between(found.operators) if not found.has_int8(one.kind)))


def named(kinds: dict[str, int]) -> str:
    """Kinds and how many of each, the most frequent first."""
    return ", ".join(f"{kind} x{count}" for kind, count in Counter(kinds).most_common())


def between(operators: Sequence[Operator]) -> list[Operator]:
    """Float operators that read what int8 ones wrote and write what int8 ones read, seen through all others."""
    after = _reached([(one, one.inputs, one.outputs) for one in operators])
    before = _reached([(one, one.outputs, one.inputs) for one in reversed(operators)])
    return [one for one in operators if one.computes in FLOAT and id(one) in after and id(one) in before]


def _reached(steps: Sequence[tuple[Operator, tuple[str, ...], tuple[str, ...]]]) -> set[int]:
    """The operators (by id) that something computed in int8 flows into, directly or through others."""
    tensors: set[str] = set()
    found = set()
    for operator, sources, targets in steps:
        reached = not tensors.isdisjoint(sources)
        if reached:
            found.add(id(operator))
        if reached or operator.computes == INT8:
            tensors.update(targets)
    return found
