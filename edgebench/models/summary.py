"""What each network of the zoo costs at its published point, from counts that are shipped with the package.

Computing them takes a quarter of a second and numpy; listing networks should take neither. `python -m
edgebench.models.summary` writes zoo.json anew after a family has changed; a test compares it with the real
networks.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import msgspec

from edgebench.ground.paths import write_atomically
from edgebench.ground.records import Record
from edgebench.models import zoo

_COUNTS = "zoo.json"


class ModelSummary(Record, frozen=True, kw_only=True):
    """One network at its published scaling point.

    `parameters` are the trainable ones; `macs` are multiply-accumulates of convolutions and dense layers for one
    image; `activation_memory_bytes` is the planned arena for one float32 image (graph.memory.plan_arena).
    """

    name: str
    family: str
    parameters: int
    macs: int
    resolution: int
    channels: int
    classes: int
    activation_memory_bytes: int


def summaries() -> list[ModelSummary]:
    """Returns the summaries of all networks in the order of `models.names()`, without torch or numpy."""
    return msgspec.json.decode(files(__package__).joinpath(_COUNTS).read_bytes(), type=list[ModelSummary])


def compute(name: str) -> ModelSummary:
    """Computes a summary from the network's plan."""
    from edgebench.graph.cost import count
    from edgebench.graph.memory import plan_arena
    from edgebench.models.sketch import sketch

    spec = zoo.resolve(name)
    graph = sketch(spec)
    return ModelSummary(
        name=spec.name,
        family=spec.family,
        parameters=zoo.parameters(spec),
        macs=count(graph).macs,
        resolution=spec.resolution,
        channels=spec.channels,
        classes=spec.classes,
        activation_memory_bytes=plan_arena(graph).peak_bytes,
    )


def write(path: Path) -> None:
    """Writes the summaries of all networks, one a line."""
    rows = ",\n".join(msgspec.json.encode(compute(name)).decode() for name in zoo.names())
    write_atomically(path, f"[\n{rows}\n]\n")


if __name__ == "__main__":
    write(Path(__file__).with_name(_COUNTS))
