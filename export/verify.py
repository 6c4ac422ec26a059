"""Runs a written file and compares it with torch: no file is published before this has passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from msgspec.structs import replace

from edgebench.formats.examples import Array
from edgebench.formats.native import Shapes, parts
from edgebench.ground.errors import ExportError
from edgebench.ground.records import Parity, Precision

Run = Callable[[Array], Array]
Exact = Callable[[], Array | None]

VANISHING = 1e-6  # of the largest output: a range below this is rounding error more than output
MUCH = 0.1  # relative L2 error above which int8 must show that it still tells classes apart
ENOUGH = 8  # inputs for that
HUGE = float(np.sqrt(np.finfo(np.float32).max))  # beyond it, squares leave float32
SAME_FOR_ALL = 1e-3  # share of the range by which outputs of different inputs must differ
ROUNDINGS = 4  # times torch's own float32 rounding that a file's may be: it adds in another order


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

    def passes(self, precision: Precision, rounding: float = 0.0) -> bool:
        """Whether the error that the precision's gate limits is small enough, or a few times torch's `rounding`."""
        error, limit, _ = GATES[precision]
        return bool(getattr(self, error) <= max(limit, ROUNDINGS * rounding))


def verify(
    run: Run,
    inputs: list[Array],
    expected: Array,
    precision: Precision,
    evaluated_by: str,
    exact: Exact | None = None,
    shapes: Shapes | None = None,
) -> Parity:
    """Compares `run` (the file, NCHW in) with torch's outputs `expected` (input, 1, class) on every input.

    Where float32 fails the gate of the precision, `exact` is asked for torch's outputs in float64, on what the network
    is fed when the file is fed `inputs`: they are then what is compared with, and the gate is no narrower than a few
    times torch's own float32 rounding. `doubt` in the result says what outputs that are too small, too large or too
    alike cannot tell. Of several outputs, whose `shapes` are given, each is held against its own range, and the result
    is that of the worst.

    Raises ExportError when the gate is not met, and when int8 tells classes apart by chance only.
    """
    outputs = [run(x) for x in inputs]
    truth = cache(exact) if exact is not None and precision != "int8" else lambda: None
    if shapes is None or len(shapes) < 2:
        return _verified(outputs, expected, precision, evaluated_by, truth)
    if outputs[0].shape != expected[0].shape:
        raise ExportError(f"the file's outputs hold {outputs[0].shape[-1]} values, torch's {expected.shape[-1]}")
    found: dict[str, Parity] = {}
    for name, cut in parts(shapes):
        own = [output[:, cut] for output in outputs]
        exactly = partial(_part, truth, cut)
        try:
            found[name] = _verified(own, expected[..., cut], precision, evaluated_by, exactly)
        except ExportError as error:
            raise ExportError(f"output '{name}': {error}") from error
    worst = max(found.values(), key=lambda parity: parity.range_error)
    doubts = "; ".join(f"{name}: {parity.doubt}" for name, parity in found.items() if parity.doubt)
    return replace(worst, doubt=doubts, outputs={name: parity.range_error for name, parity in found.items()})


def _part(truth: Exact, cut: slice) -> Array | None:
    whole = truth()
    return None if whole is None else whole[..., cut]


def _verified(outputs: list[Array], expected: Array, precision: Precision, evaluated_by: str, exact: Exact) -> Parity:
    parity = _compared(outputs, expected, precision, evaluated_by)
    if not parity.passed:
        truth = exact()
        if truth is not None and np.isfinite(truth).all():
            rounding = difference(expected, truth, scale(truth)).range_error
            parity = _compared(outputs, truth, precision, evaluated_by, rounding)
    if not parity.passed:
        raise ExportError(
            f"the written file differs from torch: max abs error {parity.max_abs_error:.2g} is "
            f"{parity.range_error:.2g} of the output range, relative L2 error {parity.relative_l2_error:.2g}; the gate "
            f"is {parity.gate}"
        )
    if precision == "int8" and parity.relative_l2_error > MUCH and expected.ndim == 3:
        check_classes(np.stack(outputs), expected)
    return replace(parity, doubt=doubt(expected))


def doubt(expected: Array) -> str:
    """Says why torch's outputs (input, 1, class) tell little of a file that agrees with them; "" where they tell."""
    if not np.isfinite(expected).all():
        return "torch's outputs have values that are not finite: only the others are compared"
    largest, spread = float(np.abs(expected).max()), _span(expected)
    if largest > HUGE:
        return f"torch's outputs reach {largest:.2g}, near where float32 overflows"
    if spread <= VANISHING * largest:
        return f"torch's outputs span only {spread:.2g}"
    change = float(np.ptp(expected, axis=0).max())
    if change < SAME_FOR_ALL * spread:
        return f"torch's outputs hardly depend on the input (by {change / spread:.1g} of their range)"
    return ""


def _compared(
    outputs: list[Array], expected: Array, precision: Precision, evaluated_by: str, rounding: float | None = None
) -> Parity:
    span = scale(expected)
    found = [difference(output, y, span) for output, y in zip(outputs, expected, strict=True)]
    widened = rounding is not None and ROUNDINGS * rounding > GATES[precision][1]
    return Parity(
        inputs=len(outputs),
        max_abs_error=max(one.max_abs for one in found),
        output_range=span,
        relative_l2_error=max(one.relative_l2 for one in found),
        gate=f"error <= {ROUNDINGS} times torch's own float32 rounding" if widened else GATES[precision][2],
        passed=all(one.passes(precision, rounding or 0.0) for one in found),
        evaluated_by=evaluated_by,
        torch_error=rounding,
    )


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


def verify_batch(
    run: Run, inputs: list[Array], expected: Array, precision: Precision, shapes: Shapes | None = None
) -> None:
    """Checks that the first two inputs, run as one batch, give what torch gives for each, within the gate.

    Raises ExportError where they do not.
    """
    found, both = run(np.concatenate(inputs[:2])), np.concatenate(expected[:2])
    cuts = [cut for _, cut in parts(shapes)] if shapes and len(shapes) > 1 else [slice(None)]
    for cut in cuts:
        error = difference(found[..., cut], both[..., cut], scale(expected[..., cut]))
        if not error.passes(precision):
            raise ExportError(
                f"a batch of two images differs from torch by {error.range_error:.2g} of the output range"
            )


def difference(found: Array, expected: Array, scale: float) -> Difference:
    """Returns how `found` differs from `expected`, whose values span `scale`.

    Raises ExportError for another shape, and for values that are not finite where torch's are.
    """
    if found.shape != expected.shape:
        raise ExportError(f"the file's output has shape {found.shape}, torch's has {expected.shape}")
    finite = np.isfinite(expected)
    if not np.isfinite(found[finite]).all():
        raise ExportError("the file's output has values that are not finite")
    exact = expected[finite].astype(np.float64)
    error = found[finite].astype(np.float64) - exact
    norm = float(np.linalg.norm(exact))
    relative = float(np.linalg.norm(error)) / (norm or 1.0)
    return Difference(max_abs=float(np.abs(error).max(initial=0.0)), relative_l2=relative, range=scale)


def scale(expected: Array) -> float:
    """max - min of torch's outputs; where they are all but one value, that value's size; 1 where it is zero."""
    finite = expected[np.isfinite(expected)].astype(np.float64)
    spread, largest = (float(np.ptp(finite)), float(np.abs(finite).max())) if finite.size else (0.0, 0.0)
    return spread if spread > VANISHING * largest else largest or 1.0


def _span(values: Array) -> float:
    return float(np.ptp(values.astype(np.float64)))
