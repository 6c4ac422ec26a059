"""What is inside a file of any format: its operators in order, what each computes in, and the weights it reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgebench.formats.format import Format, by_suffix, every
from edgebench.ground.errors import UsageError
from edgebench.ground.paths import check_there
from edgebench.ground.records import TensorSpec

INT8, FP16, FP32, CONVERSION, SHAPE = "int8", "fp16", "fp32", "conversion", "shape"
FLOAT = (FP16, FP32)
DYNAMIC = "int8 weights, dynamic"  # activations are float, and rounded by each inference's own range


@dataclass(frozen=True)
class Operator:
    """One operator.

    `computes` is int8, fp16, fp32 or DYNAMIC, "conversion" between them, or "shape" where nothing is computed.
    `weights` maps the types that its constants are stored in to bytes.
    """

    name: str
    kind: str
    computes: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    shape: tuple[int | None, ...] = ()
    weights: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Inspected:
    """A file's tensors at both ends and its operators.

    `int8_kinds` are the kinds that the format has an int8 form of that is worth having, None for all. `runs` counts
    what the engine makes of the operators on this machine, where it tells; `notes` says why it does not.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: tuple[Operator, ...]
    int8_kinds: tuple[str, ...] | None = None
    runs: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def has_int8(self, kind: str) -> bool:
        """Whether the format has an int8 form of an operator."""
        return self.int8_kinds is None or kind in self.int8_kinds


def form_of(path: Path) -> Format:
    """Returns a file's format by its name. Raises UsageError for one that cannot be inspected, or is not there."""
    check_there(path)
    found = by_suffix(path)
    if found is None or not found.inspect or path.is_dir() != found.is_folder:
        known = ", ".join(suffix for each in every() if each.inspect for suffix in each.suffixes)
        raise UsageError(f"{path} cannot be inspected: give a file {known}")
    return found


def read(path: Path) -> Inspected:
    """Reads a file. Raises UsageError for one that is damaged, or whose kind is unknown."""
    found: Inspected = form_of(path).load("inspect")(path)
    return found
