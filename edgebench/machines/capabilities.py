"""What a device can be asked for: which runtimes, precisions and thread counts are measured or estimated there."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import msgspec

from edgebench.ground.records import Precision

if TYPE_CHECKING:
    from edgebench.machines.profiles import DeviceProfile


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said of a runtime, precision and thread count on a device. `error` is the median one to expect."""

    runtime: str
    precision: Precision
    threads: int
    measured: bool
    estimated: bool
    error: float | None = None


# A runtime's Python package, and the precisions of the files that edgebench gives it.
_RUNTIMES: Final[dict[str, tuple[str, tuple[Precision, ...]]]] = {
    "litert": ("ai_edge_litert", ("fp32", "fp16")),
    "onnxruntime": ("onnxruntime", ("fp32", "fp16")),
    "torch": ("torch", ("fp32",)),
    "ncnn": ("ncnn", ("fp32", "fp16")),
}
_Cell = tuple[str, Precision, int]
_REMOTE: Final = ("litert", "onnxruntime", "ncnn")


def capabilities(profile: DeviceProfile) -> list[Capability]:
    """What can be measured, estimated, or neither, for each runtime, precision and thread count."""
    own: dict[_Cell, float | None] = {each.cell: each.error.expected for each in profile.calibrations}
    if profile.reach == "local":
        return [
            Capability(
                runtime=runtime,
                precision=precision,
                threads=1,
                measured=_installed(package),
                estimated=(runtime, precision, 1) in own,
                error=own.get((runtime, precision, 1)),
            )
            for runtime, (package, precisions) in _RUNTIMES.items()
            for precision in precisions
        ]
    halves: dict[_Cell, float | None] = {
        (runtime, "fp16", threads): error
        for (runtime, precision, threads), error in own.items()
        if precision == "fp32" and profile.computed_precision(runtime, "fp16") == "fp32"
    }
    wanted: dict[_Cell, float | None] = {
        (runtime, precision, 1): None for runtime in _REMOTE for precision in _RUNTIMES[runtime][1]
    }
    return [
        Capability(
            runtime=runtime,
            precision=precision,
            threads=threads,
            measured=False,
            estimated=error is not None,
            error=error,
        )
        for (runtime, precision, threads), error in sorted((wanted | halves | own).items())
    ]


def _installed(package: str) -> bool:
    return find_spec(package) is not None
