"""The form of a latency: what each kernel costs in cycles and in bytes, and how the two add up.

For every kernel, with constants c of a device, runtime, precision and thread count:

    compute = (sum of c[term] * quantity) / clock             cycles per multiply-accumulate, element, ...
    traffic = (sum of c[term] * bytes) / (2 * copy rate)      bytes that cannot come from the last-level cache
    latency = sum over kernels of  hypot(compute, traffic) + c["operator"] / clock

Their root of squares lies between their sum and the larger one: computing and moving data overlap in part. A copy reads
and writes, hence the 2.

All of it is computed for a batch of networks that have the same kernels; one network is a batch of one. A kernel's time
is a whole multiple of TICK_S, so that sums are exact: a network's latency depends neither on the batch that it is
computed in, nor on the order in which its kernels are added, nor on whether equal ones are counted or listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edgebench.estimate.terms import CALIBRATION_ONLY, COMPUTE, OPERATOR, TERMS, TRAFFIC, Machine
from edgebench.estimate.work import Kind, Work

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

ELEMENT_BYTES: Final = {"fp32": 4.0, "fp16": 2.0, "int8": 1.0}
TICK_S: Final = 2.0**-44  # 57 fs; float64 sums multiples of it exactly up to 512 s


@dataclass(frozen=True)
class Kernels:
    """What the kernels of a batch of networks have to do, as Work says it; `kinds` holds one entry a kernel.

    Every quantity is (networks, kernels).
    """

    kinds: npt.NDArray[np.str_]
    reads: Floats
    writes: Floats
    macs: Floats
    weights: Floats
    columns: Floats

    def where(self, kept: Mask) -> Kernels:
        """Some of the kernels."""
        amounts = (self.reads, self.writes, self.macs, self.weights, self.columns)
        return Kernels(self.kinds[kept], *(amount[:, kept] for amount in amounts))


@dataclass(frozen=True)
class Features:
    """Quantities of a network: `compute` is (kernels, terms) in units, `traffic` (kernels, terms) in bytes."""

    compute: Floats
    traffic: Floats

    def seconds(self, machine: Machine) -> Features:
        """The same per unit of constant: seconds if every constant were 1."""
        return Features(self.compute / machine.clock_hz, self.traffic / (2 * machine.copy_bytes_per_s))


def batch(networks: Sequence[Sequence[Work]]) -> Kernels:
    """The kernels of networks whose kernels are of the same kinds, in the same order."""
    amounts = [[work[1:] for work in works] for works in networks]
    table = np.array(amounts, dtype=float).reshape(len(networks), -1, 5)
    return Kernels(np.array([work.kind for work in networks[0]]), *np.moveaxis(table, 2, 0))


def features(works: Sequence[Work], precision: str, cache_bytes: float) -> Features:
    """Returns the quantities of one network's `works` for weights and activations of `precision`."""
    table = np.zeros((len(works), len(TERMS) - 1))
    for here, units in _units(batch([works]), ELEMENT_BYTES[precision], cache_bytes):
        for term, amounts in units.items():
            table[here, TERMS.index(term)] = amounts[0]
    return Features(table[:, : len(COMPUTE)], table[:, len(COMPUTE) :])


def kernel_s(kernels: Kernels, precision: str, machine: Machine, constants: Mapping[str, float]) -> Floats:
    """(networks, kernels): each kernel's seconds, in whole ticks; a term without a constant costs nothing."""
    seconds = np.zeros(kernels.reads.shape)
    for here, units in _units(kernels, ELEMENT_BYTES[precision], machine.cache_bytes):
        compute = _weighted(COMPUTE, units, constants) / machine.clock_hz
        traffic = _weighted(TRAFFIC, units, constants) / (2 * machine.copy_bytes_per_s)
        seconds[:, here] = np.hypot(compute, traffic)
    return in_ticks(seconds + constants.get(OPERATOR, 0.0) / machine.clock_hz)


def in_ticks(seconds: Floats) -> Floats:
    """The nearest whole multiples of TICK_S."""
    ticks: Floats = np.rint(seconds / TICK_S)
    return ticks * TICK_S


def latency_s(works: Sequence[Work], precision: str, machine: Machine, constants: Mapping[str, float]) -> float:
    """Returns one network's latency in seconds: a batch of one."""
    return float(kernel_s(batch([works]), precision, machine, constants).sum())


def _weighted(terms: Sequence[str], units: Mapping[str, Floats], constants: Mapping[str, float]) -> Floats:
    return sum((constants[term] * units[term] for term in terms if term in units and term in constants), np.zeros(1))


def shares(per_unit: Features, machine: Machine, constants: Mapping[str, float]) -> dict[str, float]:
    """Each term's share of the time, before compute and traffic overlap; `per_unit` is in seconds."""
    parts = dict(zip(COMPUTE, per_unit.compute.sum(0).tolist(), strict=True))
    parts |= dict(zip(TRAFFIC, per_unit.traffic.sum(0).tolist(), strict=True))
    parts[OPERATOR] = len(per_unit.compute) / machine.clock_hz
    times = {term: value * constants.get(term, 0.0) for term, value in parts.items()}
    total = sum(times.values())
    return {term: time / total for term, time in times.items()}


def _units(kernels: Kernels, element: float, cache_bytes: float) -> Iterator[tuple[Mask, dict[str, Floats]]]:
    """Yields the kernels of each kind, and their units of the terms that such kernels need."""
    for kind in dict.fromkeys(kernels.kinds.tolist()):
        here = kernels.kinds == kind
        alike = kernels.where(here)
        moved, io = {"traffic": alike.weights * element}, alike.reads + alike.writes
        if kind == "dense":
            moved = {"dense_traffic": moved["traffic"]}
        elif kind in CALIBRATION_ONLY:
            moved = {}
        else:
            moved["traffic"] += np.maximum(0.0, io * element - cache_bytes)
        yield here, _compute(kind, alike, io) | moved


def _compute(kind: Kind, alike: Kernels, io: Floats) -> dict[str, Floats]:
    match kind:
        case "gemm":
            return {"gemm": alike.macs, "gemm_io": io, "columns": alike.columns}
        case "winograd" | "depthwise":
            return {kind: alike.macs, f"{kind}_io": io}
        case "elementwise":
            return {"elementwise": io}
        case "exponential" | "normalize" | "resize":
            return {kind: alike.writes}
        case "detection":
            return {"detection": alike.reads}
    return {}
