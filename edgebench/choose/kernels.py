"""The kernels of many networks at once: what each has to do, by width and by resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

import numpy as np

from edgebench.choose.arena import Indices
from edgebench.estimate.form import Floats
from edgebench.estimate.work import Kind, named_works
from edgebench.graph.operators import Graph

QUANTITIES: Final = ("reads", "writes", "macs", "weights", "columns")
_amounts: Final = attrgetter(*QUANTITIES)


@dataclass(frozen=True)
class Kernel:
    """One kernel's work over many networks; a Work whose quantities are arrays (estimate.form.Quantities)."""

    kind: Kind
    reads: Floats
    writes: Floats
    macs: Floats
    weights: Floats
    columns: Floats


@dataclass(frozen=True)
class Kernels:
    """The kernels of networks with the same operators: kinds, indices of the operators that need them, quantities.

    `by_width` is (quantities, widths, kernels) at the first resolution, `by_resolution` (quantities, resolutions,
    kernels) the factor by which another resolution changes them.
    """

    kinds: list[Kind]
    operators: Indices
    by_width: Floats
    by_resolution: Floats

    def amounts(self, name: str, rows: Indices, columns: Indices, kind: Kind | None = None) -> Floats:
        """(pairs, kernels): one quantity at pairs of a width and a resolution; zero for kernels not of `kind`."""
        index = QUANTITIES.index(name)
        chosen = np.array([kind in (None, each) for each in self.kinds])
        result: Floats = self.by_width[index][rows] * self.by_resolution[index][columns] * chosen
        return result


def _quantities(graphs: Sequence[Graph], runtime: str, names: Mapping[str, int]) -> Floats:
    """(quantities, graphs, kernels) of the operators in `names`."""
    found = [[_amounts(work) for _, work in named_works(graph, runtime, names)] for graph in graphs]
    return np.moveaxis(np.array(found, dtype=float), 2, 0)


def sample(
    by_width: Sequence[Graph], by_resolution: Sequence[Graph], runtime: str, operators: Mapping[str, int]
) -> Kernels:
    """Samples the kernels of the named `operators`, which map to their indices.

    `by_width` are graphs at the first resolution, `by_resolution` at some one width; they may hold further operators.
    """
    named = list(named_works(by_width[0], runtime, operators))
    pixels = _quantities(by_resolution, runtime, operators)
    at_first = np.broadcast_to(pixels[:, :1, :], pixels.shape)
    return Kernels(
        kinds=[work.kind for _, work in named],
        operators=np.array([operators[name] for name, _ in named]),
        by_width=_quantities(by_width, runtime, operators),
        by_resolution=np.divide(pixels, at_first, out=np.ones_like(pixels), where=at_first > 0),
    )
