"""The layers of a file by their names in torch, where a converter gave them others."""

from __future__ import annotations

from collections.abc import Mapping

from edgebench.formats.network import Network
from edgebench.graph.operators import Conv, Dense, Operator
from edgebench.ground.errors import EdgebenchError


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
    if [_weights(layer) for layer in layers] != list(sizes.values()) or len(set(names)) < len(names) or "" in names:
        return unchanged
    return dict(zip(sizes, names, strict=True))


def _weights(layer: Operator) -> int:
    weight = layer.weight if isinstance(layer, Conv | Dense) else None
    return 0 if weight is None else int(weight.size)
