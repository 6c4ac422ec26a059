"""Published latencies: data/published.csv, one table a line, its figures as "network milliseconds; ...".

data/unseen.csv holds figures that no fit reads: the estimates are checked against them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources

import msgspec

from edgebench.ground import units
from edgebench.ground.records import Precision
from edgebench.ground.tables import read_csv

Key = tuple[str, str, str, int]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One published latency. `clock` and `core` are the device's in that run where they are not the profile's."""

    device: str
    runtime: str
    precision: Precision
    threads: int
    network: str
    latency_ms: float
    core: str = ""
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
        """(device, runtime, precision, threads)."""
        return (self.device, self.runtime, self.precision, self.threads)


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One published table, as a line of data/published.csv; see Row."""

    device: str
    runtime: str
    precision: Precision
    threads: int
    core: str = ""
    clock: str = ""
    source: str
    figures: str

    @property
    def rows(self) -> Iterator[Row]:
        """Its figures one by one."""
        shared = {name: getattr(self, name) for name in self.__struct_fields__ if name != "figures"}
        for figure in self.figures.split("; "):
            network, _, latency = figure.rpartition(" ")
            yield Row(network=network, latency_ms=float(latency), **shared)

    @property
    def name(self) -> str:
        """What the hierarchy knows tables of its device, runtime, precision and threads by."""
        return table_name(self.device, self.runtime, self.precision, self.threads, self.core)


def table_name(device: str, runtime: str, precision: str, threads: int, core: str = "") -> str:
    """What the hierarchy knows the tables of a device by; `core` where they ran on others than the profile's."""
    return " ".join(filter(None, (device, core, runtime, precision, str(threads))))


@cache
def tables() -> tuple[Table, ...]:
    """Reads the published tables that the model is fitted on, in the file's order."""
    return tuple(read_csv(text("published.csv"), Table))


def published() -> list[Row]:
    """The figures of `tables`, in the file's order."""
    return [row for table in tables() for row in table.rows]


def unseen() -> list[Row]:
    """Reads the published latencies that are kept from every fit, in the file's order."""
    return list(read_csv(text("unseen.csv"), Row))


def text(name: str) -> str:
    """One of the files in data/."""
    return (resources.files("edgebench.estimate") / "data" / name).read_text("utf-8")
