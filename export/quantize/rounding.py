"""Weights rounded so that what a layer computes changes least, in place of each to its nearest level.

Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2023: one input
position after the other is rounded, and the weights that are still to be rounded take back what that did to the layer's
outputs, by the second moments of its inputs on calibration images. The bias takes back what is left of the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from edgebench.formats.examples import Array
from edgebench.formats.quantize.adjust import LEVELS
from edgebench.formats.quantize.replay import Replay
from edgebench.graph.operators import Conv, Dense, Graph

DAMPING: Final = 0.01  # of the mean second moment: of directions that the images do not tell
LONGEST: Final = 2304  # weights of an output; beyond, the second moments take too much memory
POSITIONS: Final = 256  # of an image that count
BLOCK: Final = 32  # input positions that are rounded before the others hear of it


def rounded(graph: Graph, images: Sequence[Array], levels: int = LEVELS) -> Graph:
    """Returns `graph` with weights on `levels` steps each side of zero, a scale for each output channel."""
    replay, moments, means = Replay(graph), dict[str, Tensor](), dict[str, Tensor]()
    layers = {each.name: each for each in graph.operators if isinstance(each, Conv | Dense) and each.weight is not None}
    with torch.inference_mode():
        for image in images:
            tensors = dict(replay.tensors(*replay.given(image)))
            for name, layer in layers.items():
                read = _read(layer, tensors[layer.inputs[0]])
                share = 1 / (len(images) * read.shape[2])
                means[name] = means.get(name, 0) + read.sum(2) * share
                if read.shape[1] <= LONGEST:
                    moments[name] = moments.get(name, 0) + torch.bmm(read, read.transpose(1, 2)) * share
        changed = {name: _layer(each, means[name], moments.get(name), levels) for name, each in layers.items()}
        return replace(graph, operators=tuple(changed.get(each.name, each) for each in graph.operators))


def _read(layer: Conv | Dense, values: Tensor) -> Tensor:
    """What a layer multiplies its weights by: (groups, weights of an output, positions)."""
    if isinstance(layer, Dense):
        return values.reshape(1, -1, values.shape[-1]).transpose(1, 2)
    top, bottom, left, right = layer.padding
    image = F.pad(values, (left, right, top, bottom))[0]
    along, down, across = image.stride()
    steps, spread = layer.stride, layer.dilation
    # Each window where it lies: only those that count are copied.
    windows = image.as_strided(
        (len(image), *layer.kernel, *layer.shape[2:]),
        (along, spread[0] * down, spread[1] * across, steps[0] * down, steps[1] * across),
    )
    rows, columns = layer.shape[2:]
    at = torch.arange(0, rows * columns, -(-rows * columns // POSITIONS))
    return windows[..., at // columns, at % columns].reshape(layer.groups, -1, len(at))


def _layer(layer: Conv | Dense, mean: Tensor, moments: Tensor | None, levels: int) -> Conv | Dense:
    given = torch.tensor(layer.weight, dtype=torch.float64)
    weight = given.reshape(len(mean), -1, mean.shape[1])
    found = _nearest(weight, levels) if moments is None else _rounded(weight, moments.double(), levels)
    shifted = torch.bmm(found - weight, mean.double()[:, :, None]).reshape(-1).float().numpy()
    if layer.bias is None and isinstance(layer, Dense) and len(layer.shape) > 2:
        bias = None  # it would be one more operator, as some formats add it apart, and a tensor without a range
    else:
        bias = -shifted if layer.bias is None else layer.bias - shifted
    return replace(layer, weight=found.reshape(given.shape).float().numpy(), bias=bias)


def _scale(weight: Tensor, levels: int) -> Tensor:
    """The step of each output's weights; that of a dead one, whose weights are all zero, is any."""
    scale = weight.abs().amax(2, keepdim=True) / levels
    scale[scale == 0] = 1
    return scale


def _nearest(weight: Tensor, levels: int) -> Tensor:
    scale = _scale(weight, levels)
    return (weight / scale).round() * scale


def _rounded(weight: Tensor, moments: Tensor, levels: int) -> Tensor:
    """Weights (groups, outputs, weights of an output) by the second moments (groups, weights, weights) of the inputs.

    The upper factor of the inverse says how an error at one position is taken back at those behind it. The largest
    weight of an output stays, so that its scale does.
    """
    scale = _scale(weight, levels)
    size = moments.shape[1]
    damping = DAMPING * moments.diagonal(dim1=1, dim2=2).mean(1)
    damping[damping == 0] = 1
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments + damping[:, None, None] * torch.eye(size)))
    factor = torch.linalg.cholesky(inverse, upper=True)
    shares = factor / factor.diagonal(dim1=1, dim2=2)[:, :, None]
    # In steps, an input position after the other; the largest weights of an output may go nowhere.
    left = (weight / scale).transpose(1, 2).contiguous()
    nearest = left.round()
    lowest = torch.where(nearest == levels, nearest, -levels)
    highest = torch.where(nearest == -levels, nearest, levels)
    found, errors = torch.empty_like(left), torch.empty_like(left)
    for start in range(0, size, BLOCK):
        end = min(start + BLOCK, size)
        for at in range(start, end):
            torch.clamp(left[:, at].round(), lowest[:, at], highest[:, at], out=found[:, at])
            torch.sub(left[:, at], found[:, at], out=errors[:, at])
            left[:, at + 1 : end] -= shares[:, at, at + 1 : end, None] * errors[:, at, None]
        # What lies behind the block takes its errors together: a product in place of many passes over all weights.
        left[:, end:] -= torch.bmm(shares[:, start:end, end:].transpose(1, 2), errors[:, start:end])
    return found.transpose(1, 2) * scale
