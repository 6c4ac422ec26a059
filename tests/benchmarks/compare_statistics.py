"""Which statistic of a process, and which interval: what the choices in edgebench/compare/statistics.py rest on.

    python tests/benchmarks/compare_statistics.py [pool.jsonl]

First the coverage of 95% intervals of a ratio at 5 to 20 processes a side: Hodges and Lehmann's, a percentile
bootstrap of the ratio of medians, and one of the ratio of means. Then, for each statistic of a process: its spread
between processes, false alarms among 300 comparisons of two stretches of ten, and slowdowns found among 300.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from compare_false_alarms import apart
from compare_rules import Process, Processes, read_pool, simulated_pool

from edgebench.compare.statistics import Array, effect
from edgebench.compare.verdicts import judge_processes

Statistic = Callable[[np.ndarray], float]

STATISTICS: dict[str, Statistic] = {
    "minimum": lambda x: float(x.min()),
    "p5": lambda x: float(np.quantile(x, 0.05)),
    "p10": lambda x: float(np.quantile(x, 0.1)),
    "p25": lambda x: float(np.quantile(x, 0.25)),
    "median": lambda x: float(np.median(x)),
    "mean": lambda x: float(x.mean()),
}
COUNT, SIDE = 300, 10


def main() -> None:
    """Parses the command line and prints the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", nargs="?", type=Path)
    options = parser.parse_args()
    coverage()
    pools = {"simulated": simulated_pool([0.0, 0.05, 0.1], 400, 3)}
    if options.pool:
        pools["measured"] = read_pool(options.pool)
    for name, pool in pools.items():
        choose(name, pool)


def coverage(trials: int = 1000) -> None:
    """Prints how often each interval holds the truth, for log-normal processes one in ten of which is 20% slower."""
    print("coverage of 95% intervals     Hodges-Lehmann   bootstrap of medians   bootstrap of means")
    for side in (5, 7, 10, 20):
        chance = np.random.default_rng(side)
        hits = np.zeros(3)
        for _ in range(trials):
            base, new = (np.exp(chance.normal(0, 0.02, side)) * disturbed(chance, side) for _ in range(2))
            found = effect(base, new)
            spans = [(found.low, found.high), *(bootstrap(base, new, each, chance) for each in (np.median, np.mean))]
            hits += [low <= 1 <= high for low, high in spans]
        shown = "".join(f"{share:20.1%}" for share in hits / trials)
        print(f"  {side:2} processes a side {shown}")


def disturbed(chance: np.random.Generator, side: int) -> Array:
    """Factors of 1, and of 1.2 for one process in ten."""
    return np.where(chance.random(side) < 0.1, 1.2, 1.0)


def bootstrap(
    base: Array, new: Array, centre: Callable[..., Array], chance: np.random.Generator
) -> tuple[float, float]:
    """The percentile interval of the ratio of centres."""
    drawn = [centre(side[chance.integers(0, len(side), (500, len(side)))], axis=1) for side in (base, new)]
    low, high = np.quantile(drawn[1] / drawn[0], [0.025, 0.975])
    return float(low), float(high)


def choose(name: str, pool: dict[float, list[Process]]) -> None:
    """Prints a line a statistic."""
    print(f"\n{name}: {len(pool[0.0])} processes; of {COUNT} comparisons of {SIDE} with {SIDE} at --fail-on")
    print(
        "statistic   spread   correlation   false alarms at 5%   10% found at 5%   5% found at 2.5%   inconclusive A/A"
    )
    for title, statistic in STATISTICS.items():
        values = {burn: reduced(processes, statistic) for burn, processes in pool.items()}
        logs = np.log(values[0.0])
        same = [judge_processes(*pair, 0.05).verdict for pair in stretches(values[0.0], values[0.0])]
        ten = [judge_processes(*pair, 0.05).verdict for pair in stretches(values[0.0], values[0.1])]
        five = [judge_processes(*pair, 0.025).verdict for pair in stretches(values[0.0], values[0.05])]
        print(
            f"{title:10}{logs.std():8.2%}{np.corrcoef(logs[:-1], logs[1:])[0, 1]:14.2f}{same.count('slower'):21}"
            f"{ten.count('slower'):18}{five.count('slower'):19}{same.count('inconclusive'):19}"
        )


def reduced(processes: list[Process], statistic: Statistic) -> Array:
    """One value a process."""
    return np.array([statistic(np.asarray(process.samples)) for process in processes])


def stretches(base: Array, new: Array) -> list[tuple[Array, Array]]:
    """Stretches of `base` and `new` from anywhere that do not overlap in time."""
    numbered = [Process((float(i),), 0.0) for i in range(min(len(base), len(new)))]
    return [(base[indices(a)], new[indices(b)]) for a, b in apart(numbered, COUNT, SIDE)]


def indices(stretch: Processes) -> list[int]:
    """Where in the pool a stretch lies."""
    return [int(process[0]) for process in stretch]


if __name__ == "__main__":
    main()
