"""What each network of the zoo costs at its published point, from counts that are shipped with the package.

Computing them takes a quarter of a second and numpy; listing networks should take neither. `python
tests/benchmarks/count_models.py` writes zoo.json anew after a family has changed; a test compares it with the real
networks.
"""

from __future__ import annotations

from importlib.resources import files

import msgspec

from edgebench.ground.records import Record

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
