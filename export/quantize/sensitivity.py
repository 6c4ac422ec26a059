"""What each layer alone would cost in int8: the error of the network's output with that one layer rounded.

A layer's own error says little of what becomes of it later on. Here the float network is computed once, and for each
layer only what comes behind it again, with its weights and its output rounded as int8 rounds them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from edgebench.formats.examples import Array
from edgebench.formats.quantize.adjust import rounding_error
from edgebench.formats.quantize.ranges import STEPS, Range
from edgebench.formats.quantize.replay import Replay
from edgebench.graph.operators import Conv, Dense, Graph


def output_errors(
    graph: Graph, ranges: Mapping[str, Range], images: Sequence[Array], names: Collection[str]
) -> dict[str, float]:
    """Returns, for each of `names`, the relative L2 error of the output when that layer alone is in int8.

    A name is an operator's or that of its torch module; what the graph does not have is left out. A tensor without a
    range has that of its values here.
    """
    replay = Replay(graph)
    errors: dict[str, float] = {}
    with torch.inference_mode():
        exact = dict(replay.tensors(*replay.given(np.concatenate(images))))
        size = float(exact[graph.output].norm()) or 1.0
        for number, operator in enumerate(graph.operators):
            name = operator.name if operator.name in names else operator.module
            if name in names and operator.dtype == "float32":
                own = exact[operator.name]
                low, high = ranges.get(operator.name) or (min(float(own.min()), 0.0), max(float(own.max()), 0.0))
                step = (high - low) / STEPS or 1.0
                lowest = round(low / step)
                values = _with_rounded_weight(replay, number, exact)
                rounded = (values / step).round().clamp(lowest, lowest + STEPS) * step
                output = _behind(replay, number, rounded, exact)
                error = float((output - exact[graph.output]).norm()) / size
                errors[name] = max(error, errors.get(name, 0.0))
    return errors


def _with_rounded_weight(replay: Replay, number: int, exact: Mapping[str, Tensor]) -> Tensor:
    operator = replay.graph.operators[number]
    if not isinstance(operator, Conv | Dense) or operator.weight is None:
        return exact[operator.name]
    weight = torch.from_numpy(operator.weight + rounding_error(operator.weight))
    return replay.compute(number, exact, weight=weight)


def _behind(replay: Replay, number: int, value: Tensor, exact: Mapping[str, Tensor]) -> Tensor:
    """The network's output when operator `number` gives `value`: only what depends on it is computed again."""
    graph = replay.graph
    changed = {graph.operators[number].name: value}
    for later, operator in enumerate(graph.operators[number + 1 :], number + 1):
        if any(name in changed for name in operator.inputs):
            changed[operator.name] = replay.compute(later, {**exact, **changed})
    return changed.get(graph.output, exact[graph.output])
