"""The outputs of a network: one tensor, or several in tuples, lists and dictionaries, which a file holds side by side.

Checks and calibration see several as one: each flattened, one behind the other, in the network's own order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as tree

from edgebench.formats.examples import Array
from edgebench.formats.native import joined
from edgebench.formats.network import OUTPUT


class Flat(nn.Module):
    """A network whose outputs are a tuple of tensors, or the only tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The network's tensors, whatever they are kept in."""
        found = tuple(one for one in tree.tree_leaves(self.network(*inputs)) if isinstance(one, Tensor))
        return found[0] if len(found) == 1 else found


class Joined(nn.Module):
    """A network of several inputs that takes them as one: each flattened, one behind the other."""

    def __init__(self, network: nn.Module, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self.network = network
        self.inputs = [(tuple(one.shape[1:]), one.dtype) for one in inputs]

    def forward(self, x: Tensor) -> Any:
        """(N, values) to the network's outputs; numbers stay in x's type."""
        parts = torch.split(x, [math.prod(shape) for shape, _ in self.inputs], dim=1)
        given = [
            part.reshape(-1, *shape).to(x.dtype if dtype.is_floating_point else dtype)
            for part, (shape, dtype) in zip(parts, self.inputs, strict=True)
        ]
        return self.network(*given)


def shapes_of(outputs: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor by its name: its keys in what holds it, a place in a tuple or list as output_0."""
    leaves, _ = tree.tree_flatten_with_path(outputs)
    tensors = [(path, value) for path, value in leaves if isinstance(value, Tensor)]
    if len(tensors) == 1:
        return {OUTPUT: tuple(tensors[0][1].shape)}
    found: dict[str, tuple[int, ...]] = {}
    for path, value in tensors:
        name = _name(path)
        while name in found:
            name += "_"
        found[name] = tuple(value.shape)
    return found


def _name(path: tuple[Any, ...]) -> str:
    """An identifier, as CoreML wants one: of ['boxes'][0] boxes_0."""
    keys = re.sub(r"\W+", "_", tree.keystr(path)).strip("_")
    return keys if keys.isidentifier() else f"output_{keys}"


def on(network: nn.Module, inputs: Sequence[Array], dtype: torch.dtype = torch.float32) -> Array:
    """The outputs of a `Flat` network for each input (1, C, H, W), several as one: (input, 1, class)."""
    with torch.inference_mode():
        found = [network(torch.from_numpy(x).to(dtype)) for x in inputs]
    several = [one if isinstance(one, tuple) else (one,) for one in found]
    return np.stack([joined([tensor.numpy() for tensor in outputs]) for outputs in several])
