"""What may be done to a network before it becomes int8, so that it loses less; whether it does is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edgebench.formats.network import Network
from edgebench.formats.quantize.bias import correct
from edgebench.formats.quantize.equalize import equalize
from edgebench.graph.operators import Graph
from edgebench.ground.records import Quantization

EQUALIZED: Final = "equalized"
CORRECTED: Final = "bias corrected"
OBSERVED: Final = 16  # images that are enough for a mean


@dataclass(frozen=True)
class Adjustment:
    """A change of the graph: when it is asked for, how it is made (None: there is nothing to change).

    `moves`: whether activations get other ranges by it.
    """

    name: str
    asked: Callable[[Quantization], bool]
    graph: Callable[[Network], Graph | None]
    moves: bool


def _equalized(network: Network) -> Graph | None:
    return equalize(network.graph)


def _corrected(network: Network) -> Graph | None:
    from edgebench.formats.quantize.replay import channel_means

    return correct(network.graph, channel_means(network.graph, network.calibration_images[:OBSERVED]))


ADJUSTMENTS: Final = (
    Adjustment(EQUALIZED, lambda wanted: wanted.equalize, _equalized, moves=True),
    Adjustment(CORRECTED, lambda wanted: wanted.correct_bias, _corrected, moves=False),
)
