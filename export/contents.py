"""What a reader finds in a ready file, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgebench.ground.records import Precision, TensorSpec

PRECISIONS: dict[str, Precision] = {"float32": "fp32", "float16": "fp16", "int8": "int8", "uint8": "int8"}


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Inputs, outputs, operators by the format's own names, and the elements of the constants by their dtype."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: dict[str, int]
    weights: dict[str, int]
    tool_versions: dict[str, str] = field(default_factory=dict)

    @property
    def precision(self) -> Precision:
        """The precision that most weights have; fp32 for a file without weights."""
        known = {dtype: count for dtype, count in self.weights.items() if dtype in PRECISIONS}
        return PRECISIONS[max(known, key=lambda dtype: known[dtype])] if known else "fp32"
