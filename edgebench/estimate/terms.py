"""The terms of a latency, and the facts of a device that it needs; form.py adds them up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Term -> the kind of work it belongs to (None: every kind) and what one unit of it is.
COMPUTE: Final[tuple[str, ...]] = (
    "gemm",  # multiply-accumulates of convolutions
    "gemm_io",  # elements they read and write
    "columns",  # elements of the patch matrices of convolutions larger than 1x1
    "winograd",  # multiply-accumulates of Winograd's method, on tiles
    "winograd_io",  # elements of its tiles, before and after
    "depthwise",
    "depthwise_io",
    "elementwise",  # elements read and written by additions, pools, copies and the like
    "exponential",  # elements of sigmoid, SiLU, tanh, softmax
    "normalize",  # elements of local response normalisation
    "unpacked",  # elements read and written by what has no kernel for packed channels: transposes, reductions
    "resize",  # elements of upsampling in a detector; calibration only
    "detection",  # class scores of a detector's post-processing; calibration only
)
TRAFFIC: Final[tuple[str, ...]] = (
    "dense_traffic",  # weights of dense layers, each read once
    "traffic",  # weights of convolutions, and activations beyond the last-level cache
)
CALIBRATION_ONLY: Final = ("resize", "detection")  # no operator of a Graph; their time must not blur the others'
OPERATOR: Final = "operator"  # cycles a kernel call
TERMS: Final = (*COMPUTE, *TRAFFIC, OPERATOR)


@dataclass(frozen=True)
class Machine:
    """The facts of a device that the form needs: clock in Hz, copy rate in bytes/s, last-level cache in bytes, and
    whether an instruction adds up four int8 products."""

    clock_hz: float
    copy_bytes_per_s: float
    cache_bytes: float
    dots: bool = False
