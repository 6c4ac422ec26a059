"""What a processor takes for the kernels of many networks at once; of those that are no CPU see accelerated."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import cache

from edgebench.estimate.calibrations import machine_of
from edgebench.estimate.form import Floats, Kernels, kernel_s
from edgebench.estimate.work import Work, named_works
from edgebench.graph.operators import Graph
from edgebench.machines.profiles import Calibration, DeviceProfile

Named = Callable[[Graph, Container[str] | None], Iterator[tuple[str, Work]]]
"""Yields a graph's kernels, each with the name of its operator, or those of some operators only."""


@dataclass(frozen=True)
class Costs:
    """`works` are the kernels, `seconds` makes times of them, (networks, kernels), each a whole number of ticks, and
    `fixed_s` is added to a network's sum."""

    works: Named
    seconds: Callable[[Kernels], Floats]
    fixed_s: float = 0.0


def on_cpu(device: DeviceProfile, calibration: Calibration) -> Costs:
    """By a calibration of the device."""
    machine, constants = machine_of(device), calibration.constants

    def seconds(kernels: Kernels) -> Floats:
        return kernel_s(kernels, calibration.precision, machine, constants)

    return Costs(works_of(calibration.runtime), seconds)


@cache
def works_of(runtime: str) -> Named:
    """The kernels that a runtime runs on a CPU; the same function for the same runtime."""
    return lambda graph, only: named_works(graph, runtime, only)
