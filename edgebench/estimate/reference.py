"""Published latencies, and the operators of the networks they were measured on. Read when fitting, never to estimate.

data/published.csv holds one published figure a line; data/networks.txt the shapes behind each network's name.
data/unseen.csv holds figures of the same form that no fit reads: the estimates are checked against them.
What is fitted is a Cell: all figures of one device, runtime, precision and thread count, with each network's kernels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib import resources
from statistics import median

import msgspec

from edgebench.estimate.form import Features, Machine, features, machine_of
from edgebench.estimate.work import Work, convolution, normalization
from edgebench.graph.operators import Conv
from edgebench.ground import units
from edgebench.ground.records import Precision
from edgebench.ground.tables import read_csv
from edgebench.machines.profiles import DeviceProfile, load
from edgebench.runtimes import runtime as entry

Key = tuple[str, str, str, int]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One published latency. `clock` is the device's in that run where it is not the profile's."""

    device: str
    runtime: str
    precision: Precision
    threads: int
    network: str
    latency_ms: float
    clock: str = ""
    source: str

    @property
    def latency_s(self) -> float:
        """The latency in seconds."""
        return self.latency_ms / 1e3

    @property
    def clock_hz(self) -> float | None:
        """The clock of that run, where it is not the profile's."""
        return units.hertz(self.clock) if self.clock else None

    @property
    def cell(self) -> Key:
        """(device, runtime, precision, threads): what one calibration is for."""
        return (self.device, self.runtime, self.precision, self.threads)


@dataclass(frozen=True)
class ReferenceNetwork:
    """A published network: `family` groups variants of one design; `lines` are (count, kind, numbers)."""

    name: str
    family: str
    source: str
    lines: tuple[tuple[int, str, tuple[int, ...]], ...]

    def works(self, runtime: str) -> list[Work]:
        """The kernels that `runtime` runs for it, in no particular order."""
        return [work for count, kind, numbers in self.lines for work in _works(kind, numbers, runtime) * count]


def published() -> list[Row]:
    """Reads the published latencies that constants are fitted on, in the file's order."""
    return list(read_csv(text("published.csv"), Row))


def unseen() -> list[Row]:
    """Reads the published latencies that are kept from every fit, in the file's order."""
    return list(read_csv(text("unseen.csv"), Row))


@cache
def networks() -> dict[str, ReferenceNetwork]:
    """Reads the reference networks by name."""
    found = {}
    for block in text("networks.txt").split("\nnetwork ")[1:]:
        head, *body = block.strip().splitlines()
        name, family = head.partition(" | ")[0].split()
        words = [line.split() for line in body]
        lines = tuple((int(count), kind, tuple(map(int, numbers))) for count, kind, *numbers in words)
        found[name] = ReferenceNetwork(name, family, head.partition(" | ")[2], lines)
    return found


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

    def without(self, left_out: Collection[str]) -> Cell:
        """The cell without the networks named in `left_out`."""
        return Cell(self.key, tuple(each for each in self.observations if each.network not in left_out))


def cells() -> list[Cell]:
    """All cells of the shipped rows, sorted by key."""
    rows: dict[Key, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in published():
        rows[row.cell][row.network].append(row)
    return [
        Cell(key, tuple(_observation(key, name, of_network) for name, of_network in sorted(by_network.items())))
        for key, by_network in sorted(rows.items())
    ]


def pools(among: Collection[Cell]) -> list[list[Cell]]:
    """Groups cells by pool, in a fixed order."""
    grouped: dict[tuple[str, str, str, bool], list[Cell]] = defaultdict(list)
    for cell in among:
        grouped[cell.pool].append(cell)
    return [grouped[pool] for pool in sorted(grouped)]


def text(name: str) -> str:
    """One of the files in data/."""
    return (resources.files("edgebench.estimate") / "data" / name).read_text("utf-8")


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


def _works(kind: str, numbers: tuple[int, ...], runtime: str) -> list[Work]:
    match kind, numbers:
        case "conv", (channels, height, width, out, rows, columns, kernel_rows, kernel_columns, stride, groups):
            conv = Conv(
                name="conv",
                inputs=(),
                shape=(1, out, rows, columns),
                in_channels=channels,
                kernel=(kernel_rows, kernel_columns),
                stride=(stride, stride),
                groups=groups,
            )
            return [convolution(conv, channels * height * width, runtime)]
        case "dense", (inputs, outputs):
            return [Work("dense", inputs, outputs, inputs * outputs, (inputs + 1) * outputs)]
        case "normalize", (channels, pixels):
            return normalization(channels, pixels, runtime)
        case ("elementwise" | "exponential" | "resize") as simple, (reads, writes):
            return [Work(simple, reads, writes)]
        case "detection", (reads,):
            return [Work("detection", reads, 0)]
    raise ValueError(f"networks.txt: unknown line '{kind} {numbers}'")
