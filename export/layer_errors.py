"""What int8 costs at each layer: errors of an int8 file's tensors against the float file's, by the same images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from edgebench.formats.examples import Array

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
    return {name: _ratio(wrong[name], total[name]) for name in total}


def _ratio(wrong: float, total: float) -> float:
    if total == 0:
        return 0.0 if wrong == 0 else float("inf")
    return float(np.sqrt(wrong / total))
