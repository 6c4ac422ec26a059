"""How devices resemble each other: the groups that a table of latencies belongs to, and how far their members differ.

With k a term of the form (form.py), the constants of one table (a device, runtime, precision and thread count) and the
latency of a network in it are

    ln c[k] = ln PRIOR[k] + SHIFT[k] + SLOPE[k] * log2(threads) + common[k]
              + sum over LEVELS of (scale[group] + own[group, k])
    ln t    = ln f(kernels; c) + sum over EFFECTS of effect[group, network]

Everything that is added is a normal variable of mean zero whose width is written here; a level with `slope` counts
times log2(threads). So a core says much of another chip with it, and a table of its own says the rest. The widths of
levels follow the marginal likelihood on half of the chips, rounded. Constants are fitted first, without effects: with
them they would explain by a network's name what the form should explain by its kernels, and networks that nobody
published would be off by twice as much. For networks that are known by name, constants and effects are then solved
together, close to the first constants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log, log2
from typing import Final

from edgebench.estimate.terms import COMPUTE, OPERATOR, TERMS, TRAFFIC, Machine
from edgebench.machines.profiles import DeviceProfile

# Cycles a unit on one Cortex-A72-like core in fp32, and 1 for traffic at the copy rate.
PRIOR: Final[dict[str, float]] = {
    "gemm": 0.3,
    "gemm_io": 2.0,
    "columns": 1.0,
    "winograd": 0.3,
    "winograd_io": 2.0,
    "depthwise": 0.6,
    "depthwise_io": 1.0,
    "elementwise": 1.5,
    "exponential": 8.0,
    "normalize": 60.0,
    "unpacked": 6.0,
    "resize": 10.0,
    "detection": 30.0,
    "dense_traffic": 1.0,
    "traffic": 1.0,
    OPERATOR: 1e4,
}
# By how much ln of a term differs in another precision than fp32: twice the lanes in fp16; products of int8 need a
# second instruction to add them up, which costs most where few weights share an input.
SHIFT: Final[dict[str, dict[str, float]]] = {
    "fp32": {},
    "fp16": dict.fromkeys(COMPUTE[: COMPUTE.index("normalize")], -0.6),
    "int8": {"gemm": -0.7, "depthwise": 0.6, "dense_traffic": 0.5},
}
SLOPE: Final = (*[-0.55] * len(COMPUTE), *[-0.3] * len(TRAFFIC), 0.0)
COMMON: Final = 1.0  # width of what all tables have in common, times what a term's is
# How far a term may lie from PRIOR (in ln): what physics fixes is held tighter.
COMMON_WIDTH: Final = tuple({"dense_traffic": 0.3, "traffic": 0.3, "normalize": 0.1}.get(term, 1.0) for term in TERMS)
# Times a level's `own`. One published network has normalisation, so its constant can only be the prior's.
OWN_WIDTH: Final = tuple(
    {"dense_traffic": 1.5, "traffic": 0.7, "normalize": 0.1, "unpacked": 2.0}.get(term, 1.0) for term in TERMS
)
# By how much the form is off (in ln) for a network, always and for each doubling of the threads; and a figure itself.
NOISE: Final = (0.1, 0.05)
FIGURE_NOISE: Final = 0.05

# Kind of core -> the cores of it, the copy rate and the last-level cache where a profile states none.
_KINDS: Final[dict[str, tuple[str, float, int]]] = {
    "armv7": ("ARM1176 Cortex-A5 Cortex-A7 Cortex-A9 Cortex-A17", 0.9e9, 2**19),
    "little": ("Cortex-A53 Cortex-A55 Cortex-A510 Cortex-A520 FTC310", 1.5e9, 2**19),
    "middle": ("Cortex-A57 Cortex-A72 Cortex-A73 Kryo Cyclone Denver2 FTC66x", 4e9, 2**20),
    "big": ("Cortex-A75 Cortex-A76 Cortex-A77 Cortex-A78 Carmel", 8e9, 2**21),
    "prime": ("Cortex-X1 Cortex-X2 Cortex-X3 Cortex-X4 Cortex-A710 Cortex-A715 Cortex-A720", 14e9, 2**22),
    "rvv": ("C906 C910 X60", 2.5e9, 2**20),
    "riscv": ("U74", 0.9e9, 2**20),
    "x86": ("Airmont Yonah Tremont Gracemont", 4e9, 2**20),
    "mips": ("GS264 GS464E GS464V", 3e9, 2**20),
    "loongarch": ("LA264 LA364 LA464 LA664", 5e9, 2**20),
    "sunway": ("sw_64", 5e9, 2**20),
}
KIND: Final = {core: kind for kind, (cores, _, _) in _KINDS.items() for core in cores.split()}
# Cores that differ from another in name, or in what inference does not use.
_SAME: Final = {"Cortex-A78AE": "Cortex-A78", "FTC662": "FTC66x", "FTC663": "FTC66x", "FTC664": "FTC66x"}


@dataclass(frozen=True)
class Place:
    """What decides the groups of a table. `table` names it; a place of no table lacks one."""

    soc: str
    core: str
    runtime: str
    precision: str
    threads: int
    table: str = ""

    @property
    def kind(self) -> str:
        """The kind of its core, "" for a core of no kind."""
        return KIND.get(self.core, "")

    @property
    def doublings(self) -> float:
        """log2 of the threads."""
        return log2(self.threads)


@dataclass(frozen=True)
class Level:
    """Groups of tables, by `key`: the widths of what a group's constants have in common, and of each one's own."""

    key: Callable[[Place], str]
    scale: float
    own: float
    slope: bool = False


@dataclass(frozen=True)
class Effect:
    """Groups of tables in which a network is off by the same factor, and the width of ln of that."""

    key: Callable[[Place], str]
    width: float
    slope: bool = False


def _cpu(place: Place) -> str:
    return f"{place.soc} {place.core}"


LEVELS: Final[dict[str, Level]] = {
    "precision": Level(lambda p: p.precision, 0.36, 1.0),
    "kind": Level(lambda p: p.kind, 1.2, 0.1),
    "core": Level(lambda p: p.core, 0.4, 0.4),
    "kind, precision": Level(lambda p: f"{p.kind} {p.precision}", 0.7, 0.3),
    "core, precision": Level(lambda p: f"{p.core} {p.precision}", 0.16, 0.4),
    "cpu": Level(_cpu, 0.12, 0.3),
    "cpu, precision": Level(lambda p: f"{_cpu(p)} {p.precision}", 0.05, 0.2),
    "table": Level(lambda p: p.table, 0.07, 0.15),
    "threads": Level(lambda p: "all", 0.15, 0.15, slope=True),
    "threads, kind": Level(lambda p: p.kind, 0.1, 0.1, slope=True),
    "threads, cpu": Level(_cpu, 0.15, 0.1, slope=True),
    "runtime": Level(lambda p: p.runtime, 0.3, 0.5),
    "runtime, precision": Level(lambda p: f"{p.runtime} {p.precision}", 0.2, 0.3),
    "runtime, kind": Level(lambda p: f"{p.runtime} {p.kind}", 0.15, 0.15),
    "runtime, core": Level(lambda p: f"{p.runtime} {p.core} {p.precision}", 0.1, 0.15),
    "runtime, cpu": Level(lambda p: f"{p.runtime} {_cpu(p)} {p.precision}", 0.1, 0.1),
    "threads, runtime": Level(lambda p: p.runtime, 0.1, 0.1, slope=True),
}
EFFECTS: Final[dict[str, Effect]] = {
    "all": Effect(lambda p: "all", 0.04),
    "precision": Effect(lambda p: p.precision, 0.025),
    "kind": Effect(lambda p: p.kind, 0.02),
    "core": Effect(lambda p: p.core, 0.016),
    "cpu": Effect(_cpu, 0.012),
    "cpu, precision": Effect(lambda p: f"{_cpu(p)} {p.precision}", 0.05),
    "runtime": Effect(lambda p: f"{p.runtime} {p.precision}", 0.025),
    "threads": Effect(lambda p: "all", 0.015, slope=True),
    "threads, cpu": Effect(_cpu, 0.02, slope=True),
}


def core_of(name: str) -> str:
    """The core by whose name the groups know it."""
    return _SAME.get(name, name)


def soc_of(device: DeviceProfile) -> str:
    """The chip by whose name tables know it: without what its profile adds in brackets."""
    return device.cpu.soc.partition(" (")[0]


def place(device: DeviceProfile, runtime: str, precision: str, threads: int, table: str = "") -> Place:
    """Where a table of a device belongs."""
    return Place(soc_of(device), core_of(device.cpu.core), runtime, precision, threads, table)


def machine(device: DeviceProfile, core: str = "", clock_hz: float | None = None) -> Machine | None:
    """The facts that the form needs, by the kind of core where the profile lacks one; None for a core of no kind.

    A clock cannot be guessed; what the constants are then fitted to is 1 GHz.
    """
    cpu = device.cpu
    known = _KINDS.get(KIND.get(core_of(core or cpu.core), ""))
    rate, cache = cpu.bandwidth_bytes_per_s, cpu.caches.last_level_bytes
    if known is None and (rate is None or cache is None):
        return None
    _, usual_rate, usual_cache = known or ("", 0.0, 0)
    dots = "dotprod" in cpu.isa
    return Machine(clock_hz or cpu.clock_hz or 1e9, rate or usual_rate, float(cache or usual_cache), dots)


def mean(at: Place) -> list[float]:
    """ln of the constants, one a term, of a place of which nothing is known."""
    return [
        log(PRIOR[term]) + SHIFT[at.precision].get(term, 0.0) + at.doublings * slope
        for term, slope in zip(TERMS, SLOPE, strict=True)
    ]
