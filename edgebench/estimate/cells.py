"""The published rows as arrays: one Cell for each device, runtime, precision and thread count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from statistics import median

import numpy as np

from edgebench.estimate.form import Features, Floats, Machine, features, machine_of
from edgebench.estimate.reference import Row, networks, published
from edgebench.machines.profiles import DeviceProfile, load
from edgebench.runtimes import runtime as entry

Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class Observation:
    """One network's published latency in one cell: the median where several rows state it."""

    network: str
    family: str
    latency_s: float
    machine: Machine
    per_unit: Features  # seconds for each kernel and term, were all constants 1
    macs: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Cell:
    """All observations of one device, runtime, precision and thread count."""

    key: Key
    observations: tuple[Observation, ...]

    @property
    def pool(self) -> tuple[str, str, str, bool]:
        """Cells whose kernels are alike share a pool: runtime, precision, instruction set, one thread or several."""
        device, runtime, precision, threads = self.key
        return (runtime, precision, _profile(device).cpu.isa[:3], threads > 1 and entry(runtime).threads_apart)

    @property
    def log_latency(self) -> Floats:
        """Natural logarithm of every latency in seconds."""
        return np.log([observation.latency_s for observation in self.observations])

    def without(self, left_out: Collection[str]) -> Cell:
        """The cell without the networks named in `left_out`."""
        return Cell(self.key, tuple(each for each in self.observations if each.network not in left_out))


def cells() -> list[Cell]:
    """All cells of the shipped rows, sorted by key."""
    rows: dict[Key, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in published():
        rows[row.cell][row.network].append(row)
    return [
        Cell(key, tuple(_observation(key, name, found) for name, found in sorted(by_network.items())))
        for key, by_network in sorted(rows.items())
    ]


def pools(found: Collection[Cell]) -> list[list[Cell]]:
    """Groups cells by pool, in a fixed order."""
    grouped: dict[tuple[str, str, str, bool], list[Cell]] = defaultdict(list)
    for cell in found:
        grouped[cell.pool].append(cell)
    return [grouped[pool] for pool in sorted(grouped)]


@cache
def _profile(device: str) -> DeviceProfile:
    return load(device)


def _observation(key: Key, name: str, rows: list[Row]) -> Observation:
    device, runtime, precision, _ = key
    network = networks()[name]
    facts = machine_of(_profile(device), rows[0].clock_hz)
    works = network.works(runtime)
    return Observation(
        network=name,
        family=network.family,
        latency_s=median(row.latency_s for row in rows),
        machine=facts,
        per_unit=features(works, precision, facts.cache_bytes).seconds(facts),
        macs=sum(work.macs for work in works),
        rows=tuple(rows),
    )
