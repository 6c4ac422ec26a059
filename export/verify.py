"""Runs a written file and compares it with torch in float32: no file is published before this has passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgebench.formats.examples import Array
from edgebench.ground.errors import ExportError
from edgebench.ground.records import Parity, Precision

Run = Callable[[Array], Array]

VANISHING = 1e-6  # a range below this is rounding error more than output
MUCH = 0.1  # relative L2 error above which int8 must show that it still tells classes apart
ENOUGH = 8  # inputs for that
HUGE = float(np.sqrt(np.finfo(np.float32).max))  # beyond it, squares leave float32
SAME_FOR_ALL = 1e-3  # share of the range by which outputs of different inputs must differ


# Per precision: which error is limited, to how much, and in words.
GATES: dict[Precision, tuple[str, float, str]] = {
    "fp32": ("range_error", 1e-4, "max abs error <= 1e-4 of the output range"),
    "fp16": ("relative_l2", 2e-2, "relative L2 error <= 2e-2"),
    # Loose: it finds a broken file. How much accuracy int8 may cost is the user's to judge.
    "int8": ("relative_l2", 0.5, "relative L2 error <= 0.5 on held-out images"),
}


@dataclass(frozen=True)
class Difference:
    """How far an output lies from torch's: absolute, and relative in the L2 norm. `range` is torch's max - min."""

    max_abs: float
    relative_l2: float
    range: float

    @property
    def range_error(self) -> float:
        """Largest absolute error as a share of the range."""
        return self.max_abs / self.range

    def passes(self, precision: Precision) -> bool:
        """Whether the error that the precision's gate limits is small enough."""
        error, limit, _ = GATES[precision]
        return bool(getattr(self, error) <= limit)


def verify(run: Run, inputs: list[Array], expected: Array, precision: Precision, evaluated_by: str) -> Parity:
    """Compares `run` (the file, NCHW in) with torch's outputs `expected` (input, 1, class) on every input.

    Raises ExportError when the gate of the precision is not met, when int8 tells classes apart by chance only, or when
    torch's outputs are too small, too large or too alike for a comparison to mean anything.
    """
    spread = _spread(expected)
    outputs = [run(x) for x in inputs]
    found = [difference(output, y, spread) for output, y in zip(outputs, expected, strict=True)]
    parity = Parity(
        inputs=len(inputs),
        max_abs_error=max(one.max_abs for one in found),
        output_range=spread,
        relative_l2_error=max(one.relative_l2 for one in found),
        gate=GATES[precision][2],
        passed=all(one.passes(precision) for one in found),
        evaluated_by=evaluated_by,
    )
    if not parity.passed:
        raise ExportError(
            f"the written file differs from torch: max abs error {parity.max_abs_error:.2g} is "
            f"{parity.range_error:.2g} of the output range, relative L2 error {parity.relative_l2_error:.2g}; the gate "
            f"is {parity.gate}"
        )
    if precision == "int8" and parity.relative_l2_error > MUCH and expected.ndim == 3:
        check_classes(np.stack(outputs), expected)
    return parity


def check_classes(found: Array, expected: Array) -> None:
    """Raises ExportError where outputs (input, 1, class) agree with torch on the class no more often than by chance.

    Chance is what independent guesses with the same shares of classes would agree. It takes eight inputs or more, and
    two classes or more among torch's answers.
    """
    ours, theirs = found.argmax(axis=-1).reshape(-1), expected.argmax(axis=-1).reshape(-1)
    if len(theirs) < ENOUGH or len(np.unique(theirs)) < 2:
        return
    agreed = int((ours == theirs).sum())
    if agreed <= sum(np.mean(ours == one) * np.sum(theirs == one) for one in np.unique(theirs)):
        raise ExportError(
            f"the int8 file agrees with torch on the class of {agreed} of {len(theirs)} images, no more than by "
            "chance: calibrate on images like those it will see, or set `error_budget`"
        )


def verify_batch(run: Run, inputs: list[Array], expected: Array, precision: Precision) -> None:
    """Checks that the first two inputs, run as one batch, give what torch gives for each, within the gate.

    Raises ExportError where they do not.
    """
    found = difference(run(np.concatenate(inputs[:2])), np.concatenate(expected[:2]), _span(expected))
    if not found.passes(precision):
        raise ExportError(f"a batch of two images differs from torch by {found.range_error:.2g} of the output range")


def difference(found: Array, expected: Array, spread: float) -> Difference:
    """Returns how `found` differs from `expected`, whose values lie within `spread`.

    Raises ExportError for another shape, and for values that are not finite.
    """
    if found.shape != expected.shape:
        raise ExportError(f"the file's output has shape {found.shape}, torch's has {expected.shape}")
    if not np.isfinite(found).all():
        raise ExportError("the file's output has values that are not finite")
    exact = expected.astype(np.float64)
    error = found.astype(np.float64) - exact
    relative = np.linalg.norm(error) / np.linalg.norm(exact)
    return Difference(max_abs=float(np.abs(error).max()), relative_l2=float(relative), range=spread)


def _spread(expected: Array) -> float:
    """Returns max - min of torch's outputs (input, 1, class); raises ExportError where comparing would be empty."""
    if not np.isfinite(expected).all():
        raise ExportError("torch's output has values that are not finite, so nothing can be compared with it")
    largest = float(np.abs(expected).max())
    if largest > HUGE:
        raise ExportError(f"torch's outputs reach {largest:.2g}, where float32 overflows: use trained weights")
    spread = _span(expected)
    if spread < VANISHING:
        raise ExportError(f"torch's outputs span only {spread:.2g}, too little to compare with: use trained weights")
    change = float(np.ptp(expected, axis=0).max())
    if change < SAME_FOR_ALL * spread:
        raise ExportError(f"torch's outputs hardly depend on the input (change {change:.2g}): use trained weights")
    return spread


def _span(values: Array) -> float:
    return float(np.ptp(values.astype(np.float64)))
