"""What published figures say to the fit: the operators of the networks they were measured on, with each figure.

data/networks.txt holds the shapes behind each network's name. Read when fitting, never to estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from edgebench.estimate.hierarchy import core_of, machine, place
from edgebench.estimate.posterior import Sample, sample
from edgebench.estimate.published import Row, tables, text
from edgebench.estimate.work import Work, convolution, normalization
from edgebench.graph.operators import Conv
from edgebench.ground.errors import UsageError
from edgebench.machines.profiles import DeviceProfile, load

# Published networks that are the zoo's own, each at its own scaling point: the name that effects know them by.
ZOO: Final = {
    "ncnn/alexnet": "alexnet",
    "ncnn/efficientnet_b0": "efficientnet_b0",
    "ncnn/mobilenet": "mobilenetv1",
    "ncnn/resnet50": "resnet50",
    "ncnn/vgg16": "vgg16",
    "mobilenet_v1": "mobilenetv1",
}


@dataclass(frozen=True)
class ReferenceNetwork:
    """A published network: `family` groups variants of one design; `lines` are (count, kind, numbers)."""

    name: str
    family: str
    source: str
    lines: tuple[tuple[int, str, tuple[int, ...]], ...]

    def works(self, runtime: str) -> tuple[Work, ...]:
        """The kernels that `runtime` runs for it, in no particular order."""
        return _all_works(self, runtime)


def samples() -> list[Sample]:
    """The published figures as the fit takes them; tables of the same name are told apart by a number."""
    found, seen = [], dict[str, int]()
    for table in tables():
        seen[table.name] = seen.get(table.name, 0) + 1
        found += [_sample(row, f"{table.name}#{seen[table.name]}") for row in table.rows]
    return found


@cache
def _profile(device: str) -> DeviceProfile:
    return load(device)


def _sample(row: Row, table: str) -> Sample:
    device, network = _profile(row.device), networks()[row.network]
    at = place(device, row.runtime, row.precision, row.threads, table)
    if row.core:
        at = replace(at, core=core_of(row.core))
    facts = machine(device, row.core, row.clock_hz)
    if facts is None:
        raise UsageError(f"{row.device}: the core {row.core or device.cpu.core} is of no kind in estimate/hierarchy.py")
    name = ZOO.get(network.name, network.name)
    return sample(at, name, network.family, row.latency_s, facts, network.works(row.runtime))


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


@cache
def _all_works(network: ReferenceNetwork, runtime: str) -> tuple[Work, ...]:
    return tuple(work for count, kind, numbers in network.lines for work in _works(kind, numbers, runtime) * count)


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
        case ("elementwise" | "exponential" | "unpacked" | "resize") as simple, (reads, writes):
            return [Work(simple, reads, writes)]
        case "detection", (reads,):
            return [Work("detection", reads, 0)]
    raise ValueError(f"networks.txt: unknown line '{kind} {numbers}'")
