"""How often estimates rank the ways to run a network as published figures do: its runtimes, precisions and threads.

usage: python tests/benchmarks/rank_published.py

The figures of one chip and network are foretold by the model without them (a tenth of all such pairs at a time). Two of
one network on one device are a pair; it is right where the estimates are in the figures' order, tied where their
interval holds 1, as in `edgebench runtimes`, and else wrong.
"""

import math
import os
from collections import Counter, defaultdict
from itertools import combinations

import numpy as np

from edgebench.estimate import posterior, reference
from edgebench.estimate.crossvalidation import _PAIRS, _folds
from edgebench.estimate.errors import case

SAME = {"ncnn/mobilenet": "mobilenet_v1"}  # what two tables call one network


def main() -> None:
    found = posterior.fitted(reference.samples())
    design = found.design
    foretold = np.empty(len(design))
    for fold in _folds([f"{each.at.soc} {each.network}" for each in design.samples], _PAIRS):
        rows = np.flatnonzero(fold)
        foretold[rows] = posterior.by_name(found.without(fold)).predict(rows)
    ways: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, each in enumerate(design.samples):
        ways[each.at.table.split()[0], SAME.get(each.network, each.network)].append(row)
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    for rows in ways.values():
        for one, other in combinations(rows, 2):
            at, beside = design.samples[one].at, design.samples[other].at
            if (at.runtime, at.precision, at.threads) == (beside.runtime, beside.precision, beside.threads):
                continue
            what = next(
                name for name in ("runtime", "precision", "threads") if getattr(at, name) != getattr(beside, name)
            )
            halves = (
                case("measured", True, each.runtime, each.precision, each.threads).spread for each in (at, beside)
            )
            ratio, truth = foretold[one] - foretold[other], design.target[one] - design.target[other]
            tied = abs(ratio) <= math.hypot(*halves)
            tally[what]["tied" if tied else "right" if ratio * truth > 0 else "wrong"] += 1
    for what, counts in sorted(tally.items()):
        total = sum(counts.values())
        shares = ", ".join(f"{name} {counts[name] / total:.1%}" for name in ("right", "tied", "wrong"))
        print(f"{what:10s} {total:5d} pairs: {shares}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
