"""Published latencies of accelerators, and what the networks they are of ask of them.

data/accelerated_figures.csv has one table a line, as data/published.csv, by the chip; data/accelerated_networks.csv the
quantities of form.py, written by tests/benchmarks/accelerated_networks.py.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from edgebench.estimate.accelerated.form import TERMS
from edgebench.estimate.accelerated.known import Key, tables
from edgebench.estimate.form import Floats
from edgebench.estimate.published import text

# Networks of the zoo at their own scaling point -> what tables call them.
ZOO: Final = {
    "efficientnet_b1": ("efficientnet_b1@240",),
    "efficientnet_b3": ("efficientnet_b3@300",),
    "mobilenetv3_large": ("mobilenet_v3_large@224", "mobilenetv3_large_100@224"),
    "mobilenetv3_small": ("mobilenet_v3_small@224", "mobilenetv3_small_100@224"),
    "mobilenetv4_conv_large": ("mobilenetv4_conv_large@384",),
    "mobilenetv4_conv_medium": ("mobilenetv4_conv_medium@256",),
    "resnet50": ("resnet50@224",),
    "resnet101": ("resnet101@224",),
    "shufflenetv2": ("shufflenet_v2_x1_0@224",),
}


@dataclass(frozen=True)
class Network:
    """A published network: its `quantities`, (terms,), and the kinds of its operators."""

    name: str
    family: str
    quantities: Floats
    kinds: frozenset[str]


@cache
def networks(unit: str, precision: str) -> dict[str, Network]:
    """Reads the networks that a unit and precision have figures of, by name."""
    lines = csv.DictReader(text("accelerated_networks.csv").splitlines())
    return {
        line["network"]: Network(
            line["network"],
            line["family"],
            np.array([float(line[term] or 0) for term in TERMS]),
            frozenset(line["kinds"].split()),
        )
        for line in lines
        if (line["unit"], line["precision"]) == (unit, precision)
    }


@dataclass(frozen=True)
class Rows:
    """The figures of one unit and precision; every array is (figures,), but `quantities`, (figures, terms)."""

    quantities: Floats
    target: Floats  # ln of seconds
    network: Names
    family: Names
    soc: Names
    source: Names

    def where(self, kept: Mask) -> Rows:
        """Some of the figures."""
        return Rows(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


Names = np.ndarray[tuple[int], np.dtype[np.str_]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@cache
def rows(unit: str, precision: str) -> Rows:
    """All figures of a unit and precision."""
    known = networks(unit, precision)
    found = [
        (known[name], table, latency_s)
        for table in tables()
        if (table.unit, table.precision) == (unit, precision)
        for name, latency_s in table.rows
    ]
    return Rows(
        np.array([network.quantities for network, _, _ in found]),
        np.log([latency_s for _, _, latency_s in found]),
        np.array([network.name.partition("@")[0] for network, _, _ in found]),
        np.array([network.family for network, _, _ in found]),
        np.array([table.soc for _, table, _ in found]),
        np.array([table.source for _, table, _ in found]),
    )


KEYS: Final[tuple[Key, ...]] = (("hexagon", "fp16"), ("hexagon", "int8"), ("ane", "fp16"))
