"""The form of a latency: what each kernel costs in cycles and in bytes, and how the two add up.

For every kernel, with constants c fitted per device, runtime, precision and thread count:

    compute = (sum of c[term] * quantity) / clock             cycles per multiply-accumulate, element, ...
    traffic = (sum of c[term] * bytes) / (2 * copy rate)      bytes that cannot come from the last-level cache
    latency = sum over kernels of  norm(compute, traffic) + c["operator"] / clock

`norm` is (compute^p + traffic^p)^(1/p): p = 1 adds the two, a large p takes the larger. OVERLAP holds the p that
left-out networks favour. A copy reads and writes, hence the 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from edgebench.estimate.work import Kind, Work
from edgebench.ground.errors import UsageError
from edgebench.machines.profiles import DeviceProfile

Floats = npt.NDArray[np.float64]

OVERLAP: Final = 6.0

# Term -> the kind of work it belongs to (None: every kind) and what one unit of it is.
COMPUTE: Final[tuple[str, ...]] = (
    "gemm",  # multiply-accumulates of convolutions
    "gemm_io",  # elements they read and write
    "columns",  # elements of the patch matrices of convolutions larger than 1x1
    "winograd",  # multiply-accumulates that Winograd's method stands for
    "winograd_io",  # elements it transforms
    "depthwise",
    "depthwise_io",
    "elementwise",  # elements read and written by additions, pools, copies and the like
    "exponential",  # elements of sigmoid, SiLU, tanh, softmax
    "normalize",  # elements of local response normalisation
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

ELEMENT_BYTES: Final = {"fp32": 4.0, "fp16": 2.0, "int8": 1.0}


@dataclass(frozen=True)
class Machine:
    """The facts of a device that the form needs: clock in Hz, copy rate in bytes/s, last-level cache in bytes."""

    clock_hz: float
    copy_bytes_per_s: float
    cache_bytes: float


class Quantities(Protocol):
    """What a kernel has to do, as Work says it; each quantity is a number, or an array with one entry a network."""

    @property
    def kind(self) -> Kind: ...
    @property
    def reads(self) -> Any: ...
    @property
    def writes(self) -> Any: ...
    @property
    def macs(self) -> Any: ...
    @property
    def weights(self) -> Any: ...
    @property
    def columns(self) -> Any: ...


@dataclass(frozen=True)
class Features:
    """Quantities of a network: `compute` is (kernels, terms) in units, `traffic` (kernels, terms) in bytes."""

    compute: Floats
    traffic: Floats

    def seconds(self, machine: Machine) -> Features:
        """The same per unit of constant: seconds if every constant were 1."""
        return Features(self.compute / machine.clock_hz, self.traffic / (2 * machine.copy_bytes_per_s))


def machine_of(profile: DeviceProfile, clock_hz: float | None = None) -> Machine:
    """The facts of `profile`, at another clock if one is given; raises UsageError when one of them is not known."""
    cpu = profile.cpu
    clock, rate, cache = clock_hz or cpu.clock_hz, cpu.bandwidth_bytes_per_s, cpu.caches.last_level_bytes
    if clock is None or rate is None or cache is None:
        raise UsageError(
            f"the profile {profile.name} lacks cpu.clock, cpu.bandwidth or a cache: add it with its source"
        )
    return Machine(clock, rate, float(cache))


def features(works: Sequence[Work], precision: str, cache_bytes: float) -> Features:
    """Returns the quantities of `works` for weights and activations of `precision`."""
    element = ELEMENT_BYTES[precision]
    compute = np.array([_compute(work) for work in works])
    traffic = np.array([_traffic(work, element, cache_bytes) for work in works])
    return Features(compute.reshape(-1, len(COMPUTE)), traffic.reshape(-1, len(TRAFFIC)))


def latency_s(found: Features, machine: Machine, constants: Mapping[str, float]) -> float:
    """Returns the latency in seconds; a term without a constant costs nothing."""
    per_unit = found.seconds(machine)
    compute = per_unit.compute @ _vector(COMPUTE, constants)
    traffic = per_unit.traffic @ _vector(TRAFFIC, constants)
    call = constants.get(OPERATOR, 0.0) / machine.clock_hz
    return float(np.sum(norm(compute, traffic)) + len(compute) * call)


def kernel_s(work: Quantities, precision: str, machine: Machine, constants: Mapping[str, float]) -> Floats:
    """Returns the seconds of one kernel, as `latency_s` adds them up; arrays in `work` give an array."""
    compute = sum(_weighted(COMPUTE, _compute(work), constants)) / machine.clock_hz
    moved = _traffic(work, ELEMENT_BYTES[precision], machine.cache_bytes)
    traffic = sum(_weighted(TRAFFIC, moved, constants)) / (2 * machine.copy_bytes_per_s)
    return norm(compute, traffic) + constants.get(OPERATOR, 0.0) / machine.clock_hz


def _weighted(terms: Sequence[str], units: Sequence[Any], constants: Mapping[str, float]) -> list[Any]:
    return [constants[term] * unit for term, unit in zip(terms, units, strict=True) if constants.get(term)]


def shares(per_unit: Features, machine: Machine, constants: Mapping[str, float]) -> dict[str, float]:
    """Each term's share of the time, before compute and traffic overlap; `per_unit` is in seconds."""
    parts = dict(zip(COMPUTE, per_unit.compute.sum(0).tolist(), strict=True))
    parts |= dict(zip(TRAFFIC, per_unit.traffic.sum(0).tolist(), strict=True))
    parts[OPERATOR] = len(per_unit.compute) / machine.clock_hz
    times = {term: value * constants.get(term, 0.0) for term, value in parts.items()}
    total = sum(times.values())
    return {term: time / total for term, time in times.items()}


def norm(compute: Floats, traffic: Floats) -> Floats:
    """Returns how long each kernel takes when computing and moving data overlap as OVERLAP says."""
    larger = np.maximum(compute, traffic)
    safe = np.where(larger > 0, larger, 1.0)
    total: Floats = larger * ((compute / safe) ** OVERLAP + (traffic / safe) ** OVERLAP) ** (1 / OVERLAP)
    return total


def _vector(terms: Sequence[str], constants: Mapping[str, float]) -> Floats:
    return np.array([constants.get(term, 0.0) for term in terms])


def _compute(work: Quantities) -> list[Any]:
    units: dict[str, Any] = dict.fromkeys(COMPUTE, 0.0)
    io = work.reads + work.writes
    match work.kind:
        case "gemm":
            units |= {"gemm": work.macs, "gemm_io": io, "columns": work.columns}
        case "winograd" | "depthwise":
            units |= {work.kind: work.macs, f"{work.kind}_io": io}
        case "elementwise":
            units["elementwise"] = io
        case "exponential" | "normalize" | "resize":
            units[work.kind] = work.writes
        case "detection":
            units["detection"] = work.reads
    return list(units.values())


def _traffic(work: Quantities, element: float, cache_bytes: float) -> tuple[Any, Any]:
    if work.kind == "dense":
        return (work.weights * element, 0.0)
    if work.kind in CALIBRATION_ONLY:
        return (0.0, 0.0)
    spilled = np.maximum(0.0, (work.reads + work.writes) * element - cache_bytes)
    return (0.0, work.weights * element + spilled)
