"""Runs a written file and compares it with torch in float32: no file is published before this has passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgebench.errors import ExportError
from edgebench.records import Layout, Parity, Precision, Preprocessing

Array = npt.NDArray[np.float32]
Run = Callable[[Array], Array]
Shape = tuple[int, int, int, int]

VANISHING = 1e-6  # a range below this is rounding error more than output
SAME_FOR_ALL = 1e-3  # share of the range by which outputs of different inputs must differ


# Per precision: which error is limited, to how much, and in words.
GATES: dict[Precision, tuple[str, float, str]] = {
    "fp32": ("range_error", 1e-4, "max abs error <= 1e-4 of the output range"),
    "fp16": ("relative_l2", 2e-2, "relative L2 error <= 2e-2"),
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


def example_inputs(shape: Shape, preprocessing: Preprocessing | None, seed: int = 0) -> list[Array]:
    """Returns four inputs of `shape` (1, C, H, W): two of normal noise, two smooth as photographs are.

    The smooth ones are low-frequency noise in [0, 1] that went through the preprocessing's mean and standard deviation.
    """
    random = np.random.default_rng(seed)
    noise = [random.standard_normal(shape, dtype=np.float32) for _ in range(2)]
    return noise + [normalise(smooth_image(shape, random), preprocessing) for _ in range(2)]


def example_pixels(shape: Shape, seed: int = 0) -> list[Array]:
    """Returns four images of `shape` (1, C, H, W) with whole values from 0 to 255: two of noise, two smooth."""
    random = np.random.default_rng(seed)
    noise = [random.integers(0, 256, shape).astype(np.float32) for _ in range(2)]
    return noise + [np.rint(smooth_image(shape, random) * 255) for _ in range(2)]


def smooth_image(shape: Shape, random: np.random.Generator) -> Array:
    """Returns noise in [0, 1] whose amplitude falls as 1 / frequency, as that of natural images does (Field, 1987)."""
    height, width = shape[2:]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.standard_normal(shape)) / frequency
    image = np.fft.irfft2(spectrum, s=(height, width))
    low, high = image.min(axis=(2, 3), keepdims=True), image.max(axis=(2, 3), keepdims=True)
    scaled: Array = ((image - low) / np.maximum(high - low, np.finfo(np.float32).tiny)).astype(np.float32)
    return scaled


def normalise(image: Array, preprocessing: Preprocessing | None) -> Array:
    """(image - mean) / std for each channel of (N, C, H, W); the image itself where nothing is known."""
    if preprocessing is None:
        return image
    mean, std = np.asarray([preprocessing.mean, preprocessing.std], np.float32).reshape(2, 1, -1, 1, 1)
    normalised: Array = (image - mean) / std
    return normalised


def to_native(x: Array, layout: Layout | None) -> Array:
    """Turns (N, C, H, W) into the file's layout."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if layout == "NHWC" else x


def verify(run: Run, reference: Run, inputs: list[Array], precision: Precision, evaluated_by: str) -> Parity:
    """Compares `run` (the file, NCHW in) with `reference` (torch) on every input.

    Raises ExportError when the gate of the precision is not met, or when torch's outputs are too small or too alike
    for a comparison to mean anything.
    """
    expected = np.stack([reference(x) for x in inputs])
    spread = _spread(expected)
    found = [difference(run(x), y, spread) for x, y in zip(inputs, expected, strict=True)]
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
        raise ExportError(_failure(parity))
    return parity


def verify_batch(batched: Run, single: Run, inputs: list[Array], precision: Precision) -> None:
    """Checks that the first two inputs, run as one batch, give what they give alone, within the precision's gate.

    Raises ExportError where they do not.
    """
    alone = np.concatenate([single(x) for x in inputs[:2]])
    found = difference(batched(np.concatenate(inputs[:2])), alone, float(np.ptp(alone)))
    if not found.passes(precision):
        raise ExportError(f"a batch of two differs from two single images by {found.range_error:.2g} of the range")


def difference(found: Array, expected: Array, spread: float) -> Difference:
    """Returns how `found` differs from `expected`, whose values lie within `spread`.

    Raises ExportError for another shape, and for values that are not finite.
    """
    if found.shape != expected.shape:
        raise ExportError(f"the file's output has shape {found.shape}, torch's has {expected.shape}")
    if not np.isfinite(found).all():
        raise ExportError("the file's output has values that are not finite")
    error = found.astype(np.float64) - expected
    relative = np.linalg.norm(error) / np.linalg.norm(expected)
    return Difference(max_abs=float(np.abs(error).max()), relative_l2=float(relative), range=spread)


def _spread(expected: Array) -> float:
    """Returns max - min of torch's outputs (input, 1, class); raises ExportError where comparing would be empty."""
    if not np.isfinite(expected).all():
        raise ExportError("torch's output has values that are not finite, so nothing can be compared with it")
    spread = float(np.ptp(expected))
    if spread < VANISHING:
        raise ExportError(f"torch's outputs span only {spread:.2g}, too little to compare with: use trained weights")
    change = float(np.ptp(expected, axis=0).max())
    if change < SAME_FOR_ALL * spread:
        raise ExportError(f"torch's outputs hardly depend on the input (change {change:.2g}): use trained weights")
    return spread


def _failure(parity: Parity) -> str:
    return (
        f"the written file differs from torch: max abs error {parity.max_abs_error:.2g} is {parity.range_error:.2g} of "
        f"the output range, relative L2 error {parity.relative_l2_error:.2g}; the gate is {parity.gate}"
    )
