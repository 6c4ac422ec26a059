"""The layers of an int8 file: what 8 bits cost at each, and their names in torch where a converter gave them others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from edgebench.formats.examples import Array
from edgebench.formats.network import Network
from edgebench.graph.operators import Conv, Dense
from edgebench.ground.errors import EdgebenchError

Tensors = Mapping[str, Array]


def relative_errors(pairs: Iterable[tuple[Tensors, Tensors]]) -> dict[str, float]:
    """Relative L2 error over all images of each tensor, from (found, expected) for each image.

    Tensors are compared under the names of `expected`, which `found` must have. One that is zero everywhere has the
    error 0 where it was found to be zero, else infinity.
    """
    wrong: defaultdict[str, float] = defaultdict(float)
    total: defaultdict[str, float] = defaultdict(float)
    for found, expected in pairs:
        for name, right in expected.items():
            difference = found[name].astype(np.float64).reshape(right.shape) - right
            wrong[name] += float(np.square(difference).sum())
            total[name] += float(np.square(right, dtype=np.float64).sum())
    missed = {name: float("inf") if error else 0.0 for name, error in wrong.items()}
    return {name: float(np.sqrt(wrong[name] / size)) if size else missed[name] for name, size in total.items()}


def torch_names(network: Network, sizes: Mapping[str, int]) -> dict[str, str]:
    """Maps the file's names of its weighted layers to torch's module paths.

    `sizes` holds the number of each layer's weights, in the order in which they run. Where that order is not the
    network's own, or the network has no graph, every layer keeps the file's name.
    """
    unchanged = {name: name for name in sizes}
    try:
        layers = [operator for operator in network.graph.operators if isinstance(operator, Conv | Dense)]
    except EdgebenchError:
        return unchanged
    names = [layer.module for layer in layers]
    weights = [0 if layer.weight is None else int(layer.weight.size) for layer in layers]
    if weights != list(sizes.values()) or len(set(names)) < len(names) or "" in names:
        return unchanged
    return dict(zip(sizes, names, strict=True))
