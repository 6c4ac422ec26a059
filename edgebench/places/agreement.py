"""Whether a file gives the same outputs elsewhere, on an emulated device or in a page, as on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec.structs import replace

from edgebench.ground.errors import DeviceError, UsageError
from edgebench.ground.records import Artifact, Parity, Precision
from edgebench.runtimes import Gate
from edgebench.runtimes import runtime as entry

if TYPE_CHECKING:
    import numpy.typing as npt

# Per precision of the file: the error that is limited, its limit, and both in words. The same file in the same runtime
# differs by its kernels only: by the order of float sums, by one step of a quantised output where a sum is rounded.
# MobileNetV2 in int8 is equal to the bit in LiteRT and in onnxruntime, on Cortex-A72 and A76.
GATES: Final[dict[Precision, Gate]] = {
    "fp32": ("range_error", 1e-4, "max abs error <= 1e-4 of the output range"),
    "fp16": ("relative_l2_error", 2e-2, "relative L2 error <= 2e-2"),
    "int8": ("range_error", 1 / 127, "max abs error <= 2 of 255 steps of the output range"),
}


def write_inputs(artifact: Artifact, path: Path, seed: int) -> None:
    """Writes two inputs for the file, as one array along a new first axis: noise in the file's own layout and dtype.

    Raises UsageError for a file with several inputs.
    """
    if len(artifact.inputs) != 1:
        raise UsageError(f"{artifact.path} has {len(artifact.inputs)} inputs, and one image is all there is to feed")
    shape = [size or 1 for size in artifact.inputs[0].shape]
    dtype = np.dtype(artifact.inputs[0].dtype)
    random = np.random.default_rng(seed)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        np.save(path, random.integers(limits.min, limits.max, (2, *shape), dtype, endpoint=True))
    else:
        np.save(path, random.standard_normal((2, *shape)).astype(dtype))


def compare(found: Path, expected: Path, precision: Precision, evaluated_by: str, runtime: str) -> Parity:
    """As `agreement`, of outputs in .npy files."""
    return agreement(np.load(found), np.load(expected), precision, evaluated_by, runtime)


def agreement(
    found: npt.NDArray[Any], expected: npt.NDArray[Any], precision: Precision, evaluated_by: str, runtime: str
) -> Parity:
    """The worst errors of the outputs `found` elsewhere against this machine's, by the gate of precision and runtime.

    Raises DeviceError for outputs of another shape or that are not finite.
    """
    ours, theirs = found.astype(np.float64), expected.astype(np.float64)
    if ours.shape != theirs.shape:
        raise DeviceError(f"the device's outputs have shape {ours.shape}, this machine's have {theirs.shape}")
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise DeviceError("the outputs have values that are not finite")
    error, limit, words = {**GATES, **entry(runtime).agreement}[precision]
    result = Parity(
        inputs=len(ours),
        max_abs_error=float(np.abs(ours - theirs).max()),
        output_range=float(np.ptp(theirs)),
        relative_l2_error=float(np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), np.finfo(float).tiny)),
        gate=words,
        passed=True,
        evaluated_by=evaluated_by,
    )
    return replace(result, passed=getattr(result, error) <= limit)
