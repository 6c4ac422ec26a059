"""Published latencies, and the operators of the networks they were measured on. Read when fitting, never to estimate.

data/published.csv holds one published figure a line; data/networks.txt the shapes behind each network's name.
data/unseen.csv holds figures of the same form that no fit reads: the estimates are checked against them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from edgebench.estimate.work import Work, convolution, normalization
from edgebench.graph.operators import Conv
from edgebench.ground import units
from edgebench.ground.records import Precision


@dataclass(frozen=True)
class Row:
    """One published latency. `clock_hz` is the device's clock in that run where it is not the profile's."""

    device: str
    runtime: str
    precision: Precision
    threads: int
    network: str
    latency_s: float
    clock_hz: float | None
    source: str

    @property
    def cell(self) -> tuple[str, str, str, int]:
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
    return _rows("published.csv")


def unseen() -> list[Row]:
    """Reads the published latencies that are kept from every fit, in the file's order."""
    return _rows("unseen.csv")


@cache
def networks() -> dict[str, ReferenceNetwork]:
    """Reads the reference networks by name."""
    return {network.name: network for network in _parse(_text("networks.txt"))}


def _text(name: str) -> str:
    return (resources.files("edgebench.estimate") / "data" / name).read_text("utf-8")


def _rows(name: str) -> list[Row]:
    return [_row(line) for line in csv.DictReader(_text(name).splitlines())]


def _row(line: dict[str, str]) -> Row:
    return Row(
        device=line["device"],
        runtime=line["runtime"],
        precision=line["precision"],  # type: ignore[arg-type]  # a test reads every row
        threads=int(line["threads"]),
        network=line["network"],
        latency_s=float(line["latency_ms"]) / 1e3,
        clock_hz=units.hertz(line["clock"]) if line["clock"] else None,
        source=line["source"],
    )


def _parse(text: str) -> Iterator[ReferenceNetwork]:
    for block in text.split("\nnetwork ")[1:]:
        head, *body = block.strip().splitlines()
        name, family = head.partition(" | ")[0].split()
        yield ReferenceNetwork(name, family, head.partition(" | ")[2], tuple(_line(line) for line in body))


def _line(line: str) -> tuple[int, str, tuple[int, ...]]:
    count, kind, *numbers = line.split()
    return int(count), kind, tuple(int(number) for number in numbers)


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
