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
LANES: Final = {"fp32": 4, "fp16": 8, "int8": 8}  # channels that kernels hold in a register
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


def features(works: Sequence[Work], precision: str, machine: Machine) -> Features:
    """Returns the quantities of one network's `works` for weights and activations of `precision`."""
    table = np.zeros((len(works), len(TERMS) - 1))
    for here, units in _units(batch([works]), precision, machine):
        for term, amounts in units.items():
            table[here, TERMS.index(term)] = amounts[0]
    return Features(table[:, : len(COMPUTE)], table[:, len(COMPUTE) :])


def kernel_s(kernels: Kernels, precision: str, machine: Machine, constants: Mapping[str, float]) -> Floats:
    """(networks, kernels): each kernel's seconds, in whole ticks; a term without a constant costs nothing."""
    seconds = np.zeros(kernels.reads.shape)
    for here, units in _units(kernels, precision, machine):
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


def with_slopes(units: Floats, counts: Floats, machine: Machine, constants: Floats) -> tuple[float, Floats]:
    """ln of the latency of kernels, not in ticks, and (terms,) its derivatives by ln of each of the `constants`.

    `units` are (different kernels, terms but the last) per unit of constant, `counts` how often each.
    """
    of_compute, of_traffic, call = np.split(constants, [len(COMPUTE), len(COMPUTE) + len(TRAFFIC)])
    compute = units[:, : len(COMPUTE)] * (of_compute / machine.clock_hz)
    traffic = units[:, len(COMPUTE) :] * (of_traffic / (2 * machine.copy_bytes_per_s))
    computing, moving = compute.sum(1), traffic.sum(1)
    kernels = np.maximum(np.hypot(computing, moving), 1e-30)
    calls = counts.sum() * call / machine.clock_hz
    total = counts @ kernels + calls[0]
    by_compute = (counts * computing / kernels) @ compute
    by_traffic = (counts * moving / kernels) @ traffic
    return float(np.log(total)), np.concatenate([by_compute, by_traffic, calls]) / total


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


def _units(kernels: Kernels, precision: str, machine: Machine) -> Iterator[tuple[Mask, dict[str, Floats]]]:
    """Yields the kernels of each kind, and their units of the terms that such kernels need."""
    element = ELEMENT_BYTES[precision]
    for kind in dict.fromkeys(kernels.kinds.tolist()):
        here = kernels.kinds == kind
        alike = kernels.where(here)
        units, weights = _compute(kind, alike, precision, machine)
        io = alike.reads + alike.writes
        if kind == "dense":
            units["dense_traffic"] = weights * element
        elif kind not in CALIBRATION_ONLY:
            units["traffic"] = weights * element + np.maximum(0.0, io * element - machine.cache_bytes)
        yield here, units


def _compute(kind: Kind, alike: Kernels, precision: str, machine: Machine) -> tuple[dict[str, Floats], Floats]:
    """The units but for traffic, and how many weights are read."""
    io, units = alike.reads + alike.writes, dict[str, Floats]()
    match kind:
        case "gemm" | "packed gemm":
            macs = alike.macs if kind == "gemm" else _padded(alike, precision)
            units = {"gemm": macs, "gemm_io": io, "columns": alike.columns}
        case "winograd":
            return _tiled(alike, precision, machine)
        case "depthwise" | "packed depthwise":
            slower = 1.0 if kind == "depthwise" else _slower(alike, precision)
            units = {"depthwise": alike.macs * slower, "depthwise_io": io}
        case "elementwise" | "unpacked":
            units = {kind: io}
        case "exponential" | "normalize" | "resize":
            units = {kind: alike.writes}
        case "detection":
            units = {kind: alike.reads}
    return units, alike.weights


def _channels(alike: Kernels) -> Floats:
    """The output channels of convolutions: each has the weights of one output, and a bias."""
    found: Floats = np.rint(alike.weights / (_filters(alike) + 1))
    return found


def _filters(alike: Kernels) -> Floats:
    """The weights of one output channel."""
    return np.divide(alike.macs, alike.writes, out=np.zeros(alike.writes.shape), where=alike.writes > 0)


def _padded(alike: Kernels, precision: str) -> Floats:
    """Multiply-accumulates of whole registers of output channels."""
    channels, lanes = _channels(alike), LANES[precision]
    padded: Floats = alike.macs * np.ceil(channels / lanes) * lanes / np.maximum(1, channels)
    return padded


def _slower(alike: Kernels, precision: str) -> Floats:
    """By how much a depthwise convolution is slower than one of 3x3 or 5x5 with whole registers of channels, the only
    ones that ncnn's convolutiondepthwise_arm.cpp has kernels for."""
    channels, size, lanes = _channels(alike), np.rint(_filters(alike)), LANES[precision]
    held = np.where(channels % lanes == 0, lanes, np.where(channels % 4 == 0, 4, 1))
    written = ((size == 9) & ((held == 1) | (held == lanes))) | ((size == 25) & (held == lanes) & (precision != "int8"))
    return np.where(written, 1.0, 2.0 * lanes / np.maximum(held, 2))


def _tiled(alike: Kernels, precision: str, machine: Machine) -> tuple[dict[str, Floats], Floats]:
    """What 3x3 convolutions of stride 1 and one group take by Winograd's method, or by a product of patches.

    As ncnn's convolution_arm.cpp does: tiles of 6x6 outputs up to 128 channels, of 4x4 beyond and in int8, where their
    transforms need 16 bits; none for few channels, nor in int8 by cores that add up four products an instruction.
    """
    inputs, outputs = _filters(alike) / 9, np.maximum(1, _channels(alike))
    most, least, few = np.maximum(inputs, outputs), np.minimum(inputs, outputs), 16 if precision == "fp16" else 8
    chosen = (least >= few) & (not machine.dots) if precision == "int8" else most >= few
    side = np.where((most <= 128) & (precision != "int8"), 6, np.where(least >= few, 4, 2))
    points = (side + 2) ** 2
    transformed = points * np.ceil(np.sqrt(alike.writes / outputs) / side) ** 2 * chosen
    units = {
        "winograd": transformed * inputs * outputs,
        "winograd_io": transformed * (inputs + outputs),
        "gemm": np.where(chosen, 0.0, _padded(alike, precision)),
        "gemm_io": np.where(chosen, 0.0, alike.reads + alike.writes),
        "columns": np.where(chosen, 0.0, 9 * alike.reads),
    }
    held = points / 9 * (2 if precision == "int8" else 1)
    return units, alike.weights * np.where(chosen, held, 1.0)
