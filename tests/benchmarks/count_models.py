"""Counts the networks of the zoo: `python tests/benchmarks/count_models.py` writes edgebench/models/zoo.json anew.

For maintainers, after a family has changed. A test counts again and compares.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgebench.graph.cost import count
from edgebench.graph.memory import plan_arena
from edgebench.ground.paths import write_atomically
from edgebench.ground.registry import networks
from edgebench.models import zoo
from edgebench.models.sketch import sketch
from edgebench.models.summary import ModelSummary


def compute(name: str) -> ModelSummary:
    """Computes a summary from the network's plan."""
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
    rows = ",\n".join(msgspec.json.encode(compute(name)).decode() for name in networks())
    write_atomically(path, f"[\n{rows}\n]\n")


if __name__ == "__main__":
    write(Path(zoo.__file__).with_name("zoo.json"))
