"""What each layer alone would cost in int8: the error of the network's output with that one layer rounded.

A layer's own error says little of what becomes of it later on. To first order, the output moves by the layer's error
times the output's derivative. That is never made whole: for directions drawn at random at the output, one pass back
gives the product with it at every layer, and the mean square of these products is the square of the output's error
(Hutchinson, "A Stochastic Estimator of the Trace of the Influence Matrix", 1990).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from edgebench.formats.examples import Array
from edgebench.formats.quantize.adjust import rounding_error
from edgebench.formats.quantize.ranges import STEPS, Range
from edgebench.formats.quantize.replay import Replay
from edgebench.graph.operators import Conv, Dense, Graph

DIRECTIONS: Final = 8  # per image


def output_errors(
    graph: Graph, ranges: Mapping[str, Range], images: Sequence[Array], names: Collection[str]
) -> dict[str, float]:
    """Returns, for each of `names`, the relative L2 error of the outputs when that layer alone is in int8.

    It is that of the image on which it is largest. A name is an operator's or that of its torch module; what the graph
    does not have, or no output depends on smoothly, is left out. A tensor without a range has that of its values here.
    """
    replay = Replay(graph)
    errors: defaultdict[str, float] = defaultdict(float)
    for image in images:
        given = [each.requires_grad_(each.is_floating_point()) for each in replay.given(image)]
        exact = dict(replay.tensors(*given))
        outputs = [exact[name] for name in graph.outputs if name in exact and exact[name].requires_grad]
        asked = {
            number: operator.name if operator.name in names else operator.module
            for number, operator in enumerate(graph.operators)
            if {operator.name, operator.module} & set(names) and exact[operator.name].requires_grad
        }
        if outputs and asked:
            size = float(torch.cat([each.detach().reshape(-1) for each in outputs]).norm()) or 1.0
            for name, error in _moved(replay, asked, exact, outputs, ranges):
                errors[name] = max(errors[name], error / size)
    return dict(errors)


def _moved(
    replay: Replay,
    asked: Mapping[int, str],
    exact: Mapping[str, Tensor],
    outputs: Sequence[Tensor],
    ranges: Mapping[str, Range],
) -> list[tuple[str, float]]:
    """By how much the outputs move for the error of each operator in `asked`, by the names there."""
    tensors = [exact[replay.graph.operators[number].name] for number in asked]
    with torch.no_grad():
        wrong = [_error(replay, number, exact, ranges) for number in asked]
    squares = torch.zeros(len(tensors))
    random = torch.Generator().manual_seed(0)
    for _ in range(DIRECTIONS):
        ways = [torch.randn(each.shape, generator=random) for each in outputs]
        found = torch.autograd.grad(outputs, tensors, ways, retain_graph=True, allow_unused=True)
        for at, (slope, error) in enumerate(zip(found, wrong, strict=True)):
            if slope is not None:
                squares[at] += (slope * error).sum().square() / DIRECTIONS
    return list(zip(asked.values(), squares.sqrt().tolist(), strict=True))


def _error(replay: Replay, number: int, exact: Mapping[str, Tensor], ranges: Mapping[str, Range]) -> Tensor:
    """What rounding an operator's weights and its output adds to the output."""
    operator = replay.graph.operators[number]
    own = exact[operator.name]
    low, high = ranges.get(operator.name) or (min(float(own.min()), 0.0), max(float(own.max()), 0.0))
    step = (high - low) / STEPS or 1.0
    lowest = round(low / step)
    values = own
    if isinstance(operator, Conv | Dense) and operator.weight is not None:
        weight = torch.from_numpy(operator.weight + rounding_error(operator.weight))
        values = replay.compute(number, exact, weight=weight)
    return (values / step).round().clamp(lowest, lowest + STEPS) * step - own
